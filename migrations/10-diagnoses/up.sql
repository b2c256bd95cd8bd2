-- What was found out about a service when an outage began. As a note, it is found by the service and the first failed
-- check.
CREATE TABLE diagnosis (
  service_id INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL,               -- as in outage
  at         INTEGER NOT NULL,
  content    TEXT    NOT NULL,               -- JSON
  PRIMARY KEY (service_id, started_at)
) STRICT, WITHOUT ROWID;
