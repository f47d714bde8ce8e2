-- add_word.sql
INSERT INTO words (kind, a, word) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING
