-- day_values.sql: what each week has of the values of attributes of a day; nothing of an erased site
SELECT toUInt16(week) AS week, toInt8(kind) AS code, toString(site) AS host, name,
       sum(views) AS views_sum, sum(visitors) AS visitors_sum, sum(visits) AS visits_sum
FROM counts
WHERE kind >= 'source' AND kind < 'batch' AND bucket = toDateTime({second:UInt32}, 'UTC')
  AND cityHash64(site) % {parts:UInt64} = {part:UInt64}
  AND site NOT IN (SELECT site FROM erased_sites GROUP BY site HAVING argMax(state, version) > 0)
GROUP BY week, code, host, name
HAVING views_sum != 0 OR visitors_sum != 0 OR visits_sum != 0
ORDER BY week, host, code, name
