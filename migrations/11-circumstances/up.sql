-- What was known when an incident was confirmed, for the messages about it: every attempt says the same. Deleted with the
-- last row of the outbox about it.
CREATE TABLE circumstances (
  outage_id INTEGER PRIMARY KEY,
  content   TEXT    NOT NULL                 -- JSON
) STRICT;
