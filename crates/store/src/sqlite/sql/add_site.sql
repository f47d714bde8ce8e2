-- add_site.sql
INSERT INTO sites (host) VALUES (?1) RETURNING id
