-- Rows of version 8: a message that Slack took.
INSERT INTO receipt VALUES ('ops', '0123-1-confirmed', '{"channel":"C0123456789","ts":"1503435956.000247"}', 1762732800000);
