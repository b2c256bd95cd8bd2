-- The history. Times are milliseconds since 1970-01-01 UTC, durations say their unit.
--
-- check_result is the truth. rollup_hour, rollup_day, gap and outage are functions of it (with setting, run and
-- interruption), kept because they answer faster and outlive it.

PRAGMA application_id = 1212367944; -- "HCDH": the file is ours

-- A thing watched. Its name is its identity; a service that leaves the configuration keeps its history.
CREATE TABLE service (
  id           INTEGER PRIMARY KEY,
  name         TEXT    NOT NULL UNIQUE,
  kind         TEXT    NOT NULL,
  target       TEXT    NOT NULL,             -- without credentials
  group_name   TEXT,
  added_at     INTEGER NOT NULL,
  removed_at   INTEGER,                      -- when it was found to have left the configuration
  rolled_until INTEGER,                      -- hours before it are in rollup_hour; NULL before the first result
  certificate_expires_at INTEGER             -- of the certificate last seen
) STRICT;

-- What the arithmetic depends on, with the time since when it is so: old history is never read with new settings.
CREATE TABLE setting (
  service_id        INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  since             INTEGER NOT NULL,
  enabled           INTEGER NOT NULL,
  interval_ms       INTEGER NOT NULL,
  timeout_ms        INTEGER NOT NULL,
  failure_threshold INTEGER NOT NULL,
  success_threshold INTEGER NOT NULL,
  degraded_after_ms INTEGER,
  PRIMARY KEY (service_id, since)
) STRICT, WITHOUT ROWID;

-- Why an outcome was not "up": each distinct text once.
CREATE TABLE reason (
  id      INTEGER PRIMARY KEY,
  class   TEXT NOT NULL,
  phase   TEXT NOT NULL,                     -- '' where there is none
  message TEXT NOT NULL,
  UNIQUE (class, phase, message)
) STRICT;

-- Every check result.
CREATE TABLE check_result (
  service_id       INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  at               INTEGER NOT NULL,         -- when the check started
  outcome          INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 3), -- up, degraded, down, unknown
  recheck          INTEGER NOT NULL CHECK (recheck IN (0, 1)),
  latency_us       INTEGER,                  -- what a row lacks at its end takes no room: what most have comes first
  http_status      INTEGER,
  dns_us           INTEGER,
  connect_us       INTEGER,
  tls_us           INTEGER,
  ttfb_us          INTEGER,
  certificate_days INTEGER,
  reason_id        INTEGER REFERENCES reason(id),
  PRIMARY KEY (service_id, at)
) STRICT, WITHOUT ROWID;

-- Runs of failed checks: confirmed ones are incidents, others blips.
CREATE TABLE outage (
  id            INTEGER PRIMARY KEY,
  service_id    INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  last_ok_at    INTEGER,
  started_at    INTEGER NOT NULL,            -- the first failed check
  confirmed_at  INTEGER,
  ended_at      INTEGER,                     -- the first passed check of the recovering run
  down_ms       INTEGER NOT NULL,            -- what its failed checks speak for, up to the latest check
  checks_failed INTEGER NOT NULL,
  reason_id     INTEGER NOT NULL REFERENCES reason(id), -- of the first failed check, as all that follows
  http_status   INTEGER,
  latency_us    INTEGER,
  dns_us        INTEGER,
  connect_us    INTEGER,
  tls_us        INTEGER,
  ttfb_us       INTEGER,
  excerpt       TEXT,
  last_reason_id   INTEGER NOT NULL REFERENCES reason(id), -- of its latest failed check
  last_http_status INTEGER,
  cause_changes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outage_of_service ON outage (service_id, started_at);
CREATE INDEX outage_by_start ON outage (started_at);
CREATE UNIQUE INDEX outage_open ON outage (service_id) WHERE ended_at IS NULL;

-- From this moment on the checks of an outage failed for another reason.
CREATE TABLE cause_change (
  outage_id   INTEGER NOT NULL REFERENCES outage(id) ON DELETE CASCADE,
  at          INTEGER NOT NULL,
  reason_id   INTEGER NOT NULL REFERENCES reason(id),
  http_status INTEGER,
  excerpt     TEXT,
  PRIMARY KEY (outage_id, at)
) STRICT, WITHOUT ROWID;

-- Time between two results for which nothing speaks.
CREATE TABLE gap (
  service_id INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  from_at    INTEGER NOT NULL,
  to_at      INTEGER NOT NULL,
  why        TEXT    NOT NULL,
  PRIMARY KEY (service_id, from_at)
) STRICT, WITHOUT ROWID;

-- Sums of whole hours and days (UTC). Milliseconds by outcome; doubt_*: the part of it before a change nobody saw.
CREATE TABLE rollup_hour (
  service_id    INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  start         INTEGER NOT NULL,
  up_ms         INTEGER NOT NULL,
  degraded_ms   INTEGER NOT NULL,
  down_ms       INTEGER NOT NULL,
  unknown_ms    INTEGER NOT NULL,
  doubt_up_ms   INTEGER NOT NULL,
  doubt_down_ms INTEGER NOT NULL,
  checks        INTEGER NOT NULL,
  failures      INTEGER NOT NULL,
  min_us        INTEGER,
  max_us        INTEGER,
  latency       BLOB    NOT NULL,            -- histogram of passed checks
  PRIMARY KEY (service_id, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE rollup_day (
  service_id    INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  start         INTEGER NOT NULL,
  up_ms         INTEGER NOT NULL,
  degraded_ms   INTEGER NOT NULL,
  down_ms       INTEGER NOT NULL,
  unknown_ms    INTEGER NOT NULL,
  doubt_up_ms   INTEGER NOT NULL,
  doubt_down_ms INTEGER NOT NULL,
  checks        INTEGER NOT NULL,
  failures      INTEGER NOT NULL,
  min_us        INTEGER,
  max_us        INTEGER,
  latency       BLOB    NOT NULL,
  PRIMARY KEY (service_id, start)
) STRICT, WITHOUT ROWID;

-- The monitor's own life.
CREATE TABLE run (
  id         INTEGER PRIMARY KEY,
  started_at INTEGER NOT NULL,
  alive_at   INTEGER NOT NULL,               -- last seen alive
  stopped_at INTEGER,                        -- NULL: it runs, or did not stop cleanly
  version    TEXT    NOT NULL
) STRICT;

-- Time in which it ran and could not observe.
CREATE TABLE interruption (
  id      INTEGER PRIMARY KEY,
  from_at INTEGER NOT NULL,
  to_at   INTEGER NOT NULL,
  why     TEXT    NOT NULL,
  results INTEGER NOT NULL DEFAULT 0         -- results that were made and not kept
) STRICT;

-- What is to be told to whom; written with the change that it tells of.
CREATE TABLE outbox (
  id           INTEGER PRIMARY KEY,
  event_id     TEXT    NOT NULL,
  channel      TEXT    NOT NULL,
  event        TEXT    NOT NULL,             -- confirmed, resolved
  outage_id    INTEGER NOT NULL REFERENCES outage(id) ON DELETE CASCADE,
  created_at   INTEGER NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_at      INTEGER NOT NULL,
  settled_at   INTEGER,                      -- delivered, or given up
  last_error   TEXT,
  UNIQUE (event_id, channel)
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at) WHERE settled_at IS NULL;

-- Single facts: the database's own id, and from when on rows and hour rollups are kept.
CREATE TABLE fact (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO fact VALUES ('id', lower(hex(randomblob(8))));

-- For people: sqlite3 history.db 'select * from history limit 20'
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
FROM check_result c JOIN service s ON s.id = c.service_id LEFT JOIN reason r ON r.id = c.reason_id;
