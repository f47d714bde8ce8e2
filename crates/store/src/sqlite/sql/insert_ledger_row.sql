-- insert_ledger_row.sql
INSERT INTO ledger_rows (src, lo, hi, kind, closed_day, cells,
                         views, visitors, visits, clicks, refused, placement, seal)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
