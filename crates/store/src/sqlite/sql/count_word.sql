-- count_word.sql
SELECT count(*) FROM words WHERE kind = ?1 AND a = ?2 AND word = ?3
