-- standing_token.sql: what a session was opened with. A link that was used lives as long as that.
SELECT id, site, kind, role FROM tokens
WHERE id = ?1 AND revoked_day IS NULL
  AND (kind = 'link' OR (expired = 0 AND (expires_at IS NULL OR expires_at > ?2)))
