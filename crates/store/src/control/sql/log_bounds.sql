-- log_bounds.sql: the first and the last number, and the first that is not older than ?1.
SELECT min(seq), max(seq), (SELECT min(seq) FROM admin_log WHERE at >= ?1) FROM admin_log
