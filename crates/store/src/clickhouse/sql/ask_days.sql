-- ask_days.sql
SELECT toUInt32(toDate(bucket)) AS day, name,
       sum(views) AS views_sum, sum(visitors) AS visitors_sum, sum(visits) AS visits_sum
FROM cells
WHERE kind = {kind:String} AND site = {site:String}
  AND bucket >= toDateTime({from:UInt32}, 'UTC') AND bucket <= toDateTime({to:UInt32}, 'UTC')
GROUP BY day, name
