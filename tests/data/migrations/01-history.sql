-- Rows of version 1: a service with an incident behind it and a blip under way, and one that has left.
INSERT INTO service VALUES
  (1, 'web', 'http', 'http://web:3000/', 'Customers', 1763251200000, NULL, 1763254800000, 1771200000000),
  (2, 'old', 'tcp', 'old:80', NULL, 1763251200000, 1763254800000, NULL, NULL);
INSERT INTO setting VALUES
  (1, 1763251200000, 1, 10000, 5000, 3, 2, 800),
  (2, 1763251200000, 1, 10000, 5000, 3, 2, NULL);
INSERT INTO reason VALUES
  (1, 'http_status', 'ttfb', 'HTTP 503, expected 200–399'),
  (2, 'slow', '', 'slower than 800 ms'),
  (3, 'monitor', '', 'the check started too late to count');
INSERT INTO check_result VALUES
  (1, 1763251200000, 0, 0, 24000, 200, 400, 900, NULL, 20000, 91, NULL),
  (1, 1763251210000, 1, 0, 900000, 200, 400, 900, NULL, 880000, 91, 2),
  (1, 1763251220000, 2, 0, 31000, 503, 400, 900, NULL, 20000, 91, 1),
  (1, 1763251222000, 2, 1, 31000, 503, 400, 900, NULL, 20000, 91, 1),
  (1, 1763251224000, 2, 1, 31000, 502, 400, 900, NULL, 20000, 91, 1),
  (1, 1763251230000, 0, 0, 24000, 200, 400, 900, NULL, 20000, 91, NULL),
  (1, 1763251232000, 0, 1, 24000, 200, 400, 900, NULL, 20000, 91, NULL),
  (1, 1763251240000, 3, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3),
  (1, 1763254800000, 2, 0, 31000, 503, 400, 900, NULL, 20000, 91, 1);
INSERT INTO outage (id, service_id, last_ok_at, started_at, confirmed_at, ended_at, down_ms, checks_failed, reason_id,
                    http_status, excerpt, last_reason_id, last_http_status, cause_changes) VALUES
  (1, 1, 1763251210000, 1763251220000, 1763251224031, 1763251230000, 10000, 3, 1, 503, '<html>', 1, 502, 1),
  (2, 1, 1763251232000, 1763254800000, NULL, NULL, 0, 1, 1, 503, NULL, 1, 503, 0);
INSERT INTO cause_change VALUES (1, 1763251224000, 1, 502, NULL);
INSERT INTO gap VALUES (1, 1763251265000, 1763254800000, 'off');
INSERT INTO rollup_hour VALUES (1, 1763251200000, 20000, 10000, 10000, 25000, 10000, 6000, 8, 3, 24000, 900000, x'');
INSERT INTO rollup_day VALUES (1, 1763164800000, 20000, 10000, 10000, 25000, 10000, 6000, 8, 3, 24000, 900000, x'');
INSERT INTO run VALUES (1, 1763251200000, 1763251245000, NULL, '0.1.0'), (2, 1763254799000, 1763254801000, 1763254801000, '0.1.0');
INSERT INTO interruption VALUES (1, 1763251245000, 1763254799000, 'suspended', 0);
INSERT INTO outbox VALUES
  (1, '0011223344556677-1-confirmed', 'webhook', 'confirmed', 1, 1763251224200, 1, 1763251224300, 1763251224300, NULL),
  (2, '0011223344556677-1-resolved', 'webhook', 'resolved', 1, 1763251232200, 2, 1763251240000, NULL, 'HTTP 500');
