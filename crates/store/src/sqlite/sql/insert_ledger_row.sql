-- insert_ledger_row.sql: a row of the ledger, or what it has become with those that followed.
INSERT INTO ledger_rows (src, lo, hi, kind, closed_day, cells,
                         views, visitors, visits, clicks, refused, seal)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (src, lo) DO UPDATE SET
    hi = excluded.hi, cells = excluded.cells, views = excluded.views,
    visitors = excluded.visitors, visits = excluded.visits, clicks = excluded.clicks,
    refused = excluded.refused, seal = excluded.seal
