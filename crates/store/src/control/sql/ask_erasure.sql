-- ask_erasure.sql
INSERT INTO erasures (host, asked_day, done) VALUES (?1, ?2, 0)
ON CONFLICT DO UPDATE SET asked_day = excluded.asked_day, done = 0
