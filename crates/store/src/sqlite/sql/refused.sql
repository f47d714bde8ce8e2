-- refused.sql
SELECT a, sum(refused) FROM counts
WHERE site = ?1 AND kind = ?2 AND bucket BETWEEN ?3 AND ?4 GROUP BY a ORDER BY a
