-- Rows of version 7: a certificate that a channel is still to be notified of, an incident somebody takes care of, and a
-- silence that kept another one quiet.
INSERT INTO announcement (event_id, channel, content, created_at, next_at)
  VALUES ('0123-certificate-1765000000000-14', 'ops', '{"kind":"certificate","is_over":false,"key":"0123-certificate-1765000000000","service":"web","group":null,"severity":"warning","title":"[CERTIFICATE] web","text":"The certificate of web ends in 14 days.","details":[]}', 1763790400000, 1763790400000);
INSERT INTO announced VALUES ('0123-certificate-1765000000000-14', 1763790400000);
INSERT INTO acknowledgement VALUES (1, 1762732700000, 1762732760000, NULL, 'ada', 'on it');
INSERT INTO silence VALUES ('5f0c', 1762732700000, 1762732700000, 1762736300000, 'ada', 'new switch', '{"service":["web"]}');
INSERT INTO silenced VALUES (1, 1762732700000, '5f0c', 1762732800000, NULL);
