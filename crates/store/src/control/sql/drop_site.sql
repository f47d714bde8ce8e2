-- drop_site.sql
DELETE FROM sites WHERE host = ?1
