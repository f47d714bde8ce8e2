-- small_cells.sql: values of attributes on closed days: named ones, the smallest, those below ?1, and (other).
WITH parts AS (
    SELECT counts.site, counts.kind, bucket, names.text AS value,
           sum(visitors) AS visitors, sum(visits) AS visits
    FROM counts JOIN names ON names.id = counts.a
    WHERE counts.kind >= 16
      AND bucket < (SELECT value FROM meta WHERE key = 'closed_before_day')
    GROUP BY 1, 2, 3, 4
), sized AS (
    SELECT value,
           iif(max(iif(value = '(other)', 0, visitors)) OVER day > 0, visitors, visits) AS size
    FROM parts WINDOW day AS (PARTITION BY site, kind, bucket)
)
SELECT count(*) FILTER (WHERE value <> '(other)'),
       min(size) FILTER (WHERE value <> '(other)'),
       count(*) FILTER (WHERE value <> '(other)' AND size < ?1),
       count(*) FILTER (WHERE value = '(other)')
FROM sized
