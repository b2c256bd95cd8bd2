-- What its service names a message by: those that follow it are in its thread, also after a restart.
CREATE TABLE receipt (
  channel    TEXT    NOT NULL,
  message_id TEXT    NOT NULL,                 -- as in outbox
  receipt    TEXT    NOT NULL,                 -- JSON, a few values
  at         INTEGER NOT NULL,
  PRIMARY KEY (channel, message_id)
) STRICT, WITHOUT ROWID;
