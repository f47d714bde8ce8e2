-- find_site_by_scan.sql
SELECT id FROM sites WHERE +host = ?1
