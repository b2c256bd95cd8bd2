-- Rows of version 6: a channel that works again.
INSERT INTO channel VALUES ('ops', 3, 1, 1762732800000, 1762732700000, NULL, 'HTTP 503');
