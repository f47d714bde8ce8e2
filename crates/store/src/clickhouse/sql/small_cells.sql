-- small_cells.sql: values of attributes on closed days: named ones, the smallest, those below k, and (other);
-- and sites, and those of which less than 80 % are in named countries.
SELECT sum(names) AS named, minIf(least, names > 0) AS smallest, sum(small) AS below,
       sum(others) AS folded, count() AS sites, countIf(shown * 5 < countries * 4) AS unusable
FROM (
    SELECT site, countIf(value != '(other)') AS names, minIf(size, value != '(other)') AS least,
           countIf(value != '(other)' AND size < {k:UInt32}) AS small,
           countIf(value = '(other)') AS others,
           sumIf(size, attribute = 'country') AS countries,
           sumIf(size, attribute = 'country' AND value != '(other)') AS shown
    FROM (
        SELECT site, attribute, value,
               toInt64(if(max(if(value = '(other)', 0, visitors))
                          OVER (PARTITION BY site, day, attribute) > 0, visitors, visits)) AS size
        FROM attribute_counts WHERE day < toDate({before:UInt16})
    )
    GROUP BY site
)
