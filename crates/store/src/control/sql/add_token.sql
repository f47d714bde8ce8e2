-- add_token.sql
INSERT INTO tokens (site, hash, created_day) VALUES (?1, ?2, ?3) RETURNING id
