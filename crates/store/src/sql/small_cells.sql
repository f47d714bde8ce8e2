-- small_cells.sql: values of attributes on closed days: named ones, the smallest, those below ?1, and (other);
-- and sites, and those of which less than 80 % are in named countries.
WITH parts AS (
    SELECT counts.site, counts.kind, bucket, names.text AS value,
           sum(visitors) AS visitors, sum(visits) AS visits
    FROM counts JOIN names ON names.id = counts.a
    WHERE counts.kind >= 16
      AND bucket < (SELECT value FROM meta WHERE key = 'closed_before_day')
    GROUP BY 1, 2, 3, 4
), sized AS (
    SELECT site, kind, value,
           iif(max(iif(value = '(other)', 0, visitors)) OVER day > 0, visitors, visits) AS size
    FROM parts WINDOW day AS (PARTITION BY site, kind, bucket)
), by_site AS (
    SELECT total(size) FILTER (WHERE kind = 17) AS size,
           total(size) FILTER (WHERE kind = 17 AND value <> '(other)') AS named
    FROM sized GROUP BY site
)
SELECT count(*) FILTER (WHERE value <> '(other)'),
       min(size) FILTER (WHERE value <> '(other)'),
       count(*) FILTER (WHERE value <> '(other)' AND size < ?1),
       count(*) FILTER (WHERE value = '(other)'),
       (SELECT count(*) FROM by_site),
       (SELECT count(*) FROM by_site WHERE named * 5 < size * 4)
FROM sized
