-- find_token.sql
SELECT hash, site, share FROM tokens WHERE hash = ?1 AND revoked_day IS NULL
