-- scan.sql
SELECT bucket, a, b, views, visitors, visits, clicks FROM counts
WHERE site = ?1 AND kind = ?2 AND bucket BETWEEN ?3 AND ?4
