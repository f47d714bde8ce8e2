-- forget_imports.sql
DELETE FROM imports WHERE last_day < ?1;
