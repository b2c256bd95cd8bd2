-- What people wrote down about incidents. Outages are made anew (by an import, by a repair) and get other numbers then:
-- a note is found by its service and the first failed check of the incident.
CREATE TABLE incident_note (
  service_id INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL,               -- as in outage
  note       TEXT,                           -- NULL: it was removed
  noted_at   INTEGER NOT NULL,               -- when it was written or removed
  source     TEXT    NOT NULL CHECK (source IN ('config', 'hand')),
  PRIMARY KEY (service_id, started_at)
) STRICT, WITHOUT ROWID;
