-- is_being_erased.sql
SELECT EXISTS (SELECT 1 FROM erasures WHERE host = ?1 AND done = 0)
