-- every_cell.sql: every cell with its texts, by day, and always in the same order
SELECT sites.host, counts.kind, bucket, counts.a, page.text, target.text,
       views, visitors, visits, clicks, refused
FROM counts JOIN sites ON sites.id = counts.site
LEFT JOIN names AS page ON page.id = counts.a AND counts.kind <> 1 AND counts.kind <> 4
LEFT JOIN names AS target ON target.id = counts.b AND counts.kind = 3
ORDER BY CASE WHEN counts.kind <= 3 THEN bucket / 24 ELSE bucket END,
         counts.site, counts.kind, bucket, counts.a, counts.b
