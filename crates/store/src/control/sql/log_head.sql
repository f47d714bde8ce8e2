-- log_head.sql
SELECT seq, hash FROM admin_log ORDER BY seq DESC LIMIT 1
