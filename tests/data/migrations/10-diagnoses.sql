-- Rows of version 10: what was found out about web when it began to fail.
INSERT INTO diagnosis VALUES (1, 1762732800000, 1762732800010, '{"host":"web","port":80,"lookup_us":1200,"lookup_error":null,"addresses":[{"address":"10.0.0.7","connect_us":null,"tls_us":null,"error":"connection refused by 10.0.0.7:80"}],"untried":0,"witness":["10.0.0.1:53",12000]}');
