-- Rows of version 2: a window of all services, one of a single service, and one that was taken back.
INSERT INTO maintenance VALUES
  (1, 1763251300000, 1763251360000, 'config', 1, 'planned maintenance', 1763251300100, NULL),
  (2, 1763251400000, 1763251460000, 'hand', 0, 'the switch was replaced', 1763254900000, NULL),
  (3, 1763251500000, 1763251560000, 'hand', 0, 'a mistake', 1763254900000, 1763254990000);
INSERT INTO maintenance_of VALUES (2, 1), (3, 1), (3, 2);
