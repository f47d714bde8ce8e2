-- columns.sql: every column of every table and view of the database, in order.
SELECT table, name, type AS kind FROM system.columns
WHERE database = currentDatabase()
ORDER BY table, position
