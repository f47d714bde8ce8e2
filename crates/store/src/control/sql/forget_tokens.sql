-- forget_tokens.sql: tokens that ended before a day (?1), or before its first second (?2).
DELETE FROM tokens
WHERE revoked_day < ?1 OR (expired = 1 AND expires_at < ?2) OR (kind = 'link' AND expires_at < ?2)
