-- imports_of_site.sql
SELECT id, first_hour, lines, last_day, digest, waymarks, seal FROM imports WHERE site = ?1;
