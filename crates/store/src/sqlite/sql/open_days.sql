-- open_days.sql
SELECT DISTINCT bucket FROM counts WHERE kind >= 16 AND bucket >= ?1 AND bucket < ?2 ORDER BY bucket
