-- list_tombstones.sql
SELECT host FROM erasures ORDER BY host
