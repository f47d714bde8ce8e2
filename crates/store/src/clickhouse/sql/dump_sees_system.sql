-- dump_sees_system.sql
SELECT name FROM system.tables WHERE database = 'system' AND name = 'processes'
