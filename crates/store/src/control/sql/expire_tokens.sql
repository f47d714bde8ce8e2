-- expire_tokens.sql
UPDATE tokens SET expired = 1
WHERE expired = 0 AND revoked_day IS NULL AND kind != 'link' AND expires_at <= ?1
RETURNING id, site
