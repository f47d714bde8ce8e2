-- publish_day.sql
INSERT INTO published (site, day, visitors, epsilon) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING
