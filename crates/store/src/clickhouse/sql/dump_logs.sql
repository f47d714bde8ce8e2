-- dump_logs.sql
SELECT name FROM system.tables WHERE database = 'system' AND name LIKE '%\_log' ORDER BY name
