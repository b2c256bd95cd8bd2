-- The tail: where many services are watched, their newest results lie here for some minutes, in parts: each the rows of
-- some seconds, sorted by service. They move to check_result by themselves; all of them do when the service stops. Of
-- one service, all that lies here is later than all that lies there. The view "history" shows both.
CREATE TABLE tail_part (
  id INTEGER PRIMARY KEY                     -- later parts have higher ones
) STRICT;
CREATE TABLE tail (
  part             INTEGER NOT NULL,
  service_id       INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  at               INTEGER NOT NULL,
  outcome          INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 3),
  recheck          INTEGER NOT NULL CHECK (recheck IN (0, 1)),
  latency_us       INTEGER,
  http_status      INTEGER,
  dns_us           INTEGER,
  connect_us       INTEGER,
  tls_us           INTEGER,
  ttfb_us          INTEGER,
  certificate_days INTEGER,
  reason_id        INTEGER REFERENCES reason(id),
  PRIMARY KEY (part, service_id, at)
) STRICT, WITHOUT ROWID;

DROP VIEW history;
CREATE VIEW history AS
SELECT s.name AS service,
       strftime('%Y-%m-%dT%H:%M:%S', c.at / 1000, 'unixepoch') || printf('.%03dZ', c.at % 1000) AS at,
       CASE c.outcome WHEN 0 THEN 'up' WHEN 1 THEN 'degraded' WHEN 2 THEN 'down' ELSE 'unknown' END AS outcome,
       c.latency_us / 1000.0 AS response_time_ms,
       c.dns_us / 1000.0 AS dns_ms,
       c.connect_us / 1000.0 AS connect_ms,
       c.tls_us / 1000.0 AS tls_ms,
       c.ttfb_us / 1000.0 AS ttfb_ms,
       c.http_status,
       c.certificate_days,
       c.recheck,
       r.class, nullif(r.phase, '') AS phase, r.message
FROM (SELECT service_id, at, outcome, recheck, latency_us, http_status, dns_us, connect_us, tls_us, ttfb_us,
             certificate_days, reason_id FROM check_result
      UNION ALL
      SELECT service_id, at, outcome, recheck, latency_us, http_status, dns_us, connect_us, tls_us, ttfb_us,
             certificate_days, reason_id FROM tail) c
JOIN service s ON s.id = c.service_id LEFT JOIN reason r ON r.id = c.reason_id;
