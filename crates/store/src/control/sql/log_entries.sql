-- log_entries.sql
SELECT seq, at, who, what, site, detail, hash FROM admin_log ORDER BY seq
