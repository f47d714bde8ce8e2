-- find_name.sql
SELECT id FROM names WHERE text = ?1
