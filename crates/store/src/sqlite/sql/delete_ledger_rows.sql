-- delete_ledger_rows.sql
DELETE FROM ledger_rows WHERE src = ?1 AND lo BETWEEN ?2 AND ?3
