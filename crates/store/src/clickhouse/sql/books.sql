-- books.sql
SELECT toInt64(audit_delta) AS audit_delta, toUInt64(broken_tiles) AS broken_tiles FROM books
