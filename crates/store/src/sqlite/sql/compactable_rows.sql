-- compactable_rows.sql
SELECT src, lo, hi, kind, closed_day, cells,
       views, visitors, visits, clicks, refused, seal
FROM ledger_rows WHERE closed_day IS NULL OR closed_day < ?1 ORDER BY src, lo
