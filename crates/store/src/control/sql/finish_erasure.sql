-- finish_erasure.sql
UPDATE erasures SET done = 1 WHERE host = ?1 AND done = 0
