-- delete_cell.sql
DELETE FROM counts WHERE site = ?1 AND kind = ?2 AND bucket = ?3 AND a = ?4
