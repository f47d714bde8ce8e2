-- put_meta.sql
INSERT INTO meta (key, value, seal) VALUES (?1, ?2, ?3)
ON CONFLICT DO UPDATE SET value = excluded.value, seal = excluded.seal
