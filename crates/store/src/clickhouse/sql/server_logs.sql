-- server_logs.sql
SELECT name AS host FROM system.tables
WHERE database = 'system' AND name IN ('query_log', 'query_thread_log', 'query_views_log',
    'part_log', 'text_log', 'asynchronous_insert_log', 'session_log', 'trace_log', 'crash_log')
ORDER BY host
