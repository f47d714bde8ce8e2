-- find_site.sql
SELECT id FROM sites WHERE host = ?1
