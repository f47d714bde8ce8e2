-- small_cells.sql: values of attributes on closed days: named ones, the smallest, those below k, and (other).
SELECT countIf(value != '(other)') AS named, minIf(size, value != '(other)') AS smallest,
       countIf(value != '(other)' AND size < {k:UInt32}) AS below, countIf(value = '(other)') AS folded
FROM (
    SELECT value, toInt64(if(max(if(value = '(other)', 0, visitors))
                             OVER (PARTITION BY site, day, attribute) > 0, visitors, visits)) AS size
    FROM attribute_counts WHERE day < toDate({before:UInt16})
)
