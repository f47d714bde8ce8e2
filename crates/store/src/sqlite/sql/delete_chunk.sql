-- delete_chunk.sql
DELETE FROM counts
WHERE (site, kind, bucket, a, b) IN (
    SELECT site, kind, bucket, a, b FROM counts
    WHERE site = ?1 AND kind = ?2 AND bucket < ?3 LIMIT ?4)
RETURNING bucket, a, b, views, visitors, visits, clicks, refused
