-- odd_rows.sql: rows that say more than one thing, or something that is no count.
SELECT count(*) FROM counts
WHERE (kind = 1 AND (a <> 0 OR b <> 0))
   OR (kind <> 1 AND kind <> 3 AND b <> 0)
   OR (kind > 4 AND kind NOT IN (SELECT kind FROM words WHERE a = 0))
   OR kind < 1
