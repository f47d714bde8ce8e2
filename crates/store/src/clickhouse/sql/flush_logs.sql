-- flush_logs.sql
SYSTEM FLUSH LOGS
