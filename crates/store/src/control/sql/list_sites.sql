-- list_sites.sql
SELECT host FROM sites ORDER BY host
