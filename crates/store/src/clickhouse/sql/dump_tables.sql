-- dump_tables.sql
SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name
