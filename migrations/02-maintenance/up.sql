-- Maintenance: an overlay over the results, which changes no row of them. Rollups are a function of results and overlay
-- from here on: they leave out what it covers. How long it is, the overlay itself says.

-- A window that happened (or is happening): announced by the configuration, or marked by hand afterwards.
CREATE TABLE maintenance (
  id            INTEGER PRIMARY KEY,
  from_at       INTEGER NOT NULL,
  to_at         INTEGER NOT NULL,
  source        TEXT    NOT NULL CHECK (source IN ('config', 'hand')),
  everything    INTEGER NOT NULL CHECK (everything IN (0, 1)), -- 1: of all services; 0: of those in maintenance_of
  reason        TEXT    NOT NULL,
  noted_at      INTEGER NOT NULL,
  taken_back_at INTEGER,                     -- it does not count any more
  CHECK (from_at < to_at)
) STRICT;
CREATE INDEX maintenance_by_end ON maintenance (to_at);

CREATE TABLE maintenance_of (
  maintenance_id INTEGER NOT NULL REFERENCES maintenance(id) ON DELETE CASCADE,
  service_id     INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  PRIMARY KEY (maintenance_id, service_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX maintenance_of_service ON maintenance_of (service_id);

-- Whether the whole is unhealthy when this service is down. NULL: it was not recorded then.
ALTER TABLE setting ADD COLUMN critical INTEGER;
