-- put_import.sql
INSERT INTO imports (id, site, first_hour, lines, last_day, digest, waymarks, seal)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (id) DO UPDATE SET first_hour = excluded.first_hour, lines = excluded.lines,
    last_day = excluded.last_day, digest = excluded.digest, waymarks = excluded.waymarks,
    seal = excluded.seal
WHERE imports.site = excluded.site;
