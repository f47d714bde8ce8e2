-- last_ledger_row.sql: the last row of a source.
SELECT src, lo, hi, kind, closed_day, cells,
       views, visitors, visits, clicks, refused, seal
FROM ledger_rows WHERE src = ?1 ORDER BY lo DESC LIMIT 1
