-- log_hash_at.sql
SELECT hash FROM admin_log WHERE seq = ?1
