-- progress.sql
SELECT coalesce((SELECT hi FROM ledger_rows WHERE src = ?1 ORDER BY lo DESC LIMIT 1), 0)
