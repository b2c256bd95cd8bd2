-- How many incidents of a message are still open is asked for each resolve that waits, and what was given up whenever a
-- channel looks: neither may read all that was ever delivered.
CREATE INDEX outbox_message ON outbox (channel, message_id) WHERE event = 'confirmed' AND message_id IS NOT NULL;
CREATE INDEX outbox_given_up ON outbox (channel) WHERE settled_at IS NOT NULL AND last_error IS NOT NULL;
