-- add_name.sql
INSERT INTO names (text) VALUES (?1) RETURNING id
