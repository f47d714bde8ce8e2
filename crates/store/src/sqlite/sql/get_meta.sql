-- get_meta.sql
SELECT value, seal FROM meta WHERE key = ?1
