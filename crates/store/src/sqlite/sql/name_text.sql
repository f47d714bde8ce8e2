-- name_text.sql
SELECT text FROM names WHERE id = ?1
