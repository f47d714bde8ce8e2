-- server.sql
SELECT version() AS version
