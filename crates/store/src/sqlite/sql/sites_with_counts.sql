-- sites_with_counts.sql
SELECT host FROM sites WHERE EXISTS (SELECT 1 FROM counts WHERE counts.site = sites.id)
ORDER BY host
