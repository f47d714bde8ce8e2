-- is_erased.sql
SELECT EXISTS (SELECT 1 FROM erasures WHERE host = ?1)
