-- table_engine.sql
SELECT engine_full AS engine FROM system.tables
WHERE database = currentDatabase() AND name = 'counts'
