-- revoke_token.sql
UPDATE tokens SET revoked_day = ?2 WHERE id = ?1 AND revoked_day IS NULL RETURNING site
