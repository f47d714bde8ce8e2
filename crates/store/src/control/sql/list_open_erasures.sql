-- list_open_erasures.sql
SELECT host FROM erasures WHERE done = 0 ORDER BY host
