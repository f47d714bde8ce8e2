-- forget_imports_of_site.sql
DELETE FROM imports WHERE site = ?1;
