-- day_values.sql
SELECT counts.a, names.text, views, visitors, visits, clicks, refused
FROM counts JOIN names ON names.id = counts.a
WHERE counts.site = ?1 AND counts.kind = ?2 AND counts.bucket = ?3
