-- Rows of version 3: one that is still in the tail.
INSERT INTO tail_part VALUES (2);
INSERT INTO tail VALUES (2, 1, 1763254810000, 0, 0, 24000, 200, 400, 900, NULL, 20000, 91, NULL);
