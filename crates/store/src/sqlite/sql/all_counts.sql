-- all_counts.sql
SELECT site, kind, bucket, a, b, views, visitors, visits, clicks, refused FROM counts
