-- ask_days.sql: a day that is not closed has no values
SELECT toUInt32(toDate(bucket)) AS day,
       if({k:UInt32} <= 1 OR toUInt32(toDate(bucket)) < (
           SELECT argMax(value, version) FROM facts WHERE key = 'closed_before_day'),
          name, '(other)') AS shown,
       sum(views) AS views_sum, sum(visitors) AS visitors_sum, sum(visits) AS visits_sum
FROM cells
WHERE kind = {kind:String} AND site = {site:String}
  AND bucket >= toDateTime({from:UInt32}, 'UTC') AND bucket <= toDateTime({to:UInt32}, 'UTC')
GROUP BY day, shown
