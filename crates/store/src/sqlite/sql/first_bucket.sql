-- first_bucket.sql
SELECT min(bucket) FROM counts WHERE site = ?1 AND kind = ?2 AND bucket >= ?3
