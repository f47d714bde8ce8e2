-- all_sites.sql
SELECT id, host FROM sites
