-- add_site.sql
INSERT INTO sites (host, added_day) VALUES (?1, ?2) ON CONFLICT DO NOTHING
