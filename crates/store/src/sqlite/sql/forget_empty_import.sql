-- forget_empty_import.sql
DELETE FROM imports WHERE id = ?1 AND NOT EXISTS (
    SELECT 1 FROM ledger_rows
    WHERE src IN (?2, ?3) AND (views, visitors, visits, clicks, refused) <> (0, 0, 0, 0, 0)
);
