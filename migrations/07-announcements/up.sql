-- What is said beside an event of an incident, such as why a channel is notified of it late.
ALTER TABLE outbox ADD COLUMN content TEXT;
CREATE INDEX outbox_outage ON outbox (outage_id);

-- Channels are notified of more than incidents: what such an event says is fixed when it happens, and is its content.
CREATE TABLE announcement (
  id           INTEGER PRIMARY KEY,
  event_id     TEXT    NOT NULL,
  channel      TEXT    NOT NULL,
  content      TEXT    NOT NULL,             -- JSON
  created_at   INTEGER NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_at      INTEGER NOT NULL,
  settled_at   INTEGER,                      -- delivered, or given up
  last_error   TEXT,
  message_id   TEXT,
  UNIQUE (event_id, channel)
) STRICT;
CREATE INDEX announcement_waiting ON announcement (channel, id) WHERE settled_at IS NULL;

-- What was announced, also where nobody was to be notified: each once, whatever restarts.
CREATE TABLE announced (
  event_id TEXT    PRIMARY KEY,
  at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Somebody takes care of an incident: no reminder and no escalation until then. As its note, it is found by the service
-- and the first failed check.
CREATE TABLE acknowledgement (
  service_id INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL,               -- as in outage
  at         INTEGER NOT NULL,
  until_at   INTEGER,                        -- NULL: until the incident is over
  author     TEXT    NOT NULL,
  note       TEXT,
  PRIMARY KEY (service_id, started_at, at)
) STRICT, WITHOUT ROWID;

-- Alerts that nobody is notified of, by matchers, for a time.
CREATE TABLE silence (
  id         TEXT    PRIMARY KEY,            -- random: the same in every history that it gets into
  created_at INTEGER NOT NULL,
  from_at    INTEGER NOT NULL,
  until_at   INTEGER NOT NULL,               -- when it ends, or was ended
  author     TEXT    NOT NULL,
  reason     TEXT,
  matchers   TEXT    NOT NULL                -- JSON: service, group, class, severity
) STRICT, WITHOUT ROWID;

-- The incidents that nobody was notified of because of a silence.
CREATE TABLE silenced (
  service_id INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
  started_at INTEGER NOT NULL,               -- as in outage
  silence_id TEXT    NOT NULL,
  at         INTEGER NOT NULL,
  told_at    INTEGER,                        -- the silence ended first: then channels were notified
  PRIMARY KEY (service_id, started_at, silence_id)
) STRICT, WITHOUT ROWID;
