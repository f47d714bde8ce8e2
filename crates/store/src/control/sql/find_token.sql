-- find_token.sql
SELECT hash, id, site, kind, role, used_day FROM tokens
WHERE hash = ?1 AND revoked_day IS NULL AND expired = 0 AND (expires_at IS NULL OR expires_at > ?2)
