-- use_token.sql
UPDATE tokens SET used_day = ?2 WHERE id = ?1 AND used_day IS NOT ?2
