-- list_tokens.sql
SELECT id, site, kind, role, label, created_day, expires_at, revoked_day, used_day, expired
FROM tokens ORDER BY id
