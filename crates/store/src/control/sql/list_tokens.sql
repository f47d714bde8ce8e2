-- list_tokens.sql
SELECT id, site, created_day, revoked_day, share FROM tokens ORDER BY id
