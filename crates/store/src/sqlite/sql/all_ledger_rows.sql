-- all_ledger_rows.sql
SELECT src, lo, hi, kind, closed_day, cells,
       views, visitors, visits, clicks, refused, seal
FROM ledger_rows ORDER BY src, lo
