-- all_names.sql
SELECT id, text FROM names
