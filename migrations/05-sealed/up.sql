-- Sealed days, where [storage] seal_after_days says so: the results of one service and UTC day, column by column and
-- compressed. A day lies here or in check_result, never in both. SQL cannot read the columns: `history unseal` makes rows
-- of them again.
CREATE TABLE sealed_day (
  id         INTEGER PRIMARY KEY,
  service_id INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  day        INTEGER NOT NULL CHECK (day % 86400000 = 0), -- its beginning
  first_at   INTEGER NOT NULL CHECK (first_at >= day),
  last_at    INTEGER NOT NULL CHECK (last_at BETWEEN first_at AND day + 86399999),
  results    INTEGER NOT NULL CHECK (results BETWEEN 1 AND 1000000),
  outcomes   INTEGER NOT NULL CHECK (outcomes BETWEEN 1 AND 15), -- bit n: there is one of outcome n
  checksum   INTEGER NOT NULL,               -- of the columns
  at               BLOB NOT NULL,            -- the columns as in check_result; NULL where no row has anything
  outcome          BLOB NOT NULL,
  recheck          BLOB NOT NULL,
  latency_us       BLOB,
  http_status      BLOB,
  dns_us           BLOB,
  connect_us       BLOB,
  tls_us           BLOB,
  ttfb_us          BLOB,
  certificate_days BLOB,
  reason_id        BLOB,
  UNIQUE (service_id, day)
) STRICT;

-- The reasons that the rows of a sealed day name.
CREATE TABLE sealed_reason (
  sealed_id INTEGER NOT NULL REFERENCES sealed_day(id) ON DELETE CASCADE,
  reason_id INTEGER NOT NULL REFERENCES reason(id),
  PRIMARY KEY (sealed_id, reason_id)
) STRICT, WITHOUT ROWID;
