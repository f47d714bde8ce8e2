-- use_link.sql: once.
UPDATE tokens SET used_day = ?2 WHERE id = ?1 AND kind = 'link' AND used_day IS NULL
