-- take_meta.sql: takes a number out, whatever its checksum.
DELETE FROM meta WHERE key = ?1 RETURNING value
