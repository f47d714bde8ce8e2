-- add_token.sql
INSERT INTO tokens (site, hash, created_day, share) VALUES (?1, ?2, ?3, ?4) RETURNING id
