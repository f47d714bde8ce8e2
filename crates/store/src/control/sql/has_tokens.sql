-- has_tokens.sql
SELECT EXISTS (SELECT 1 FROM tokens WHERE site = ?1 AND revoked_day IS NULL)
