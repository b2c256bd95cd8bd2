-- Rows of version 5: a sealed day of twenty results, of which the first failed.
INSERT INTO sealed_day (id, service_id, day, first_at, last_at, results, outcomes, checksum, at, outcome, recheck, latency_us, http_status, dns_us, connect_us, tls_us, ttfb_us, certificate_days, reason_id)
VALUES (1, 1, 1762732800000, 1762736400000, 1762736590000, 20, 5, -5964675342112719478,
  x'165544400102809ab7b4cd6602a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c0102a09c01',
  x'fd835e090102042603',
  x'3d04e1ff012800',
  x'a6b20ab8012880f702',
  x'd9ac40170102ee0726dd04',
  NULL,
  x'f7b72a1b0128880e',
  NULL,
  x'c9c25f360128c0b802',
  NULL,
  x'b9a821f801020227');
INSERT INTO sealed_reason VALUES (1, 1);
