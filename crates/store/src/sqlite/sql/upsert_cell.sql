-- upsert_cell.sql
INSERT INTO counts (site, kind, bucket, a, b, views, visitors, visits, clicks, refused)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT DO UPDATE SET
    views = views + excluded.views,
    visitors = visitors + excluded.visitors,
    visits = visits + excluded.visits,
    clicks = clicks + excluded.clicks,
    refused = refused + excluded.refused
