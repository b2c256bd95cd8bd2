-- Rows of version 4: a note of the incident, and one that was removed.
INSERT INTO incident_note VALUES
  (1, 1763251220000, 'the switch was replaced', 1763254900000, 'hand'),
  (1, 1763251000000, NULL, 1763254900000, 'config');
