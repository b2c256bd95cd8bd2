-- Rows of version 11: what was known when the first incident was confirmed.
INSERT INTO circumstances VALUES (1, '{"checks":3,"failing":["db"],"more":0,"first":["db",1763251219000]}');
