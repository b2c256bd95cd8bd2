-- Rows of version 9: an event that was given up.
INSERT INTO outbox (event_id, channel, event, outage_id, created_at, next_at, settled_at, last_error, message_id)
SELECT '0123-' || id || '-confirmed', 'strict', 'confirmed', id, started_at, started_at, started_at, 'no', '0123-' || id || '-confirmed'
FROM outage LIMIT 1;
