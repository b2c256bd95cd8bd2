-- Rows of version 5: a sealed day of twenty results, of which the first failed.
INSERT INTO sealed_day (id, service_id, day, first_at, last_at, results, outcomes, checksum, at, outcome, recheck, latency_us, http_status, dns_us, connect_us, tls_us, ttfb_us, certificate_days, reason_id)
VALUES (1, 1, 1762732800000, 1762736400000, 1762736590000, 20, 5, 2687015472159237276,
  x'0102809ab7b4cd6602a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c01',
  x'0102042603',
  x'012800',
  x'012880f702',
  x'0102ee0726dd04',
  NULL,
  x'0128880e',
  NULL,
  x'0128c0b802',
  NULL,
  x'01020227');
INSERT INTO sealed_reason VALUES (1, 1);
