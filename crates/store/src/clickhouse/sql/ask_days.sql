-- ask_days.sql: is_open says that the day is not closed
SELECT toUInt32(toDate(bucket)) AS day,
       ifNull(day >= (
           SELECT argMax(value, version) FROM facts WHERE key = 'closed_before_day'), 1) AS is_open,
       name,
       sum(views) AS views_sum, sum(visitors) AS visitors_sum, sum(visits) AS visits_sum
FROM cells
WHERE kind = {kind:String} AND site = {site:String}
  AND bucket >= toDateTime({from:UInt32}, 'UTC') AND bucket <= toDateTime({to:UInt32}, 'UTC')
GROUP BY day, name
