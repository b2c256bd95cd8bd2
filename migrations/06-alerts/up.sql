-- An event is delivered in a message, alone or with others. Its resolve has to name the same one.
ALTER TABLE outbox ADD COLUMN message_id TEXT;
CREATE INDEX outbox_waiting ON outbox (channel, id) WHERE settled_at IS NULL;

-- How the channels do: what proves that they work, or says since when they do not.
CREATE TABLE channel (
  name            TEXT PRIMARY KEY,
  sent            INTEGER NOT NULL DEFAULT 0,  -- messages that were taken
  failed          INTEGER NOT NULL DEFAULT 0,  -- attempts that failed
  last_success_at INTEGER,
  last_failure_at INTEGER,
  failing_since   INTEGER,                     -- the first failure since the last success
  last_error      TEXT
) STRICT, WITHOUT ROWID;
