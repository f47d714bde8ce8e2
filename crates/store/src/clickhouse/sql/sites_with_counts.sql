-- sites_with_counts.sql
SELECT DISTINCT toString(site) AS host FROM cells ORDER BY host
