-- end_tokens_of_site.sql
UPDATE tokens SET revoked_day = ?2 WHERE site = ?1 AND revoked_day IS NULL RETURNING id
