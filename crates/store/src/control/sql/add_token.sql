-- add_token.sql
INSERT INTO tokens (site, kind, role, hash, created_day, expires_at, label)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id
