-- standing_cells.sql: what still counts of a site (or, without one, of buckets before a cut) in a
-- week; nothing of a site that is counted
SELECT toInt8(kind) AS code, toString(site) AS host, toUnixTimestamp(bucket) AS second, name, target,
       sum(views) AS views_sum, sum(visitors) AS visitors_sum, sum(visits) AS visits_sum,
       sum(clicks) AS clicks_sum, sum(refused) AS refused_sum
FROM counts
WHERE kind < 'batch' AND week = toDate({week:UInt16})
  AND ({site:String} = '' OR (site = {site:String}
      AND (SELECT argMax(state, version) FROM erased_sites WHERE site = {site:String}) > 0))
  AND bucket < toDateTime({before:UInt32}, 'UTC')
GROUP BY code, host, second, name, target
HAVING views_sum != 0 OR visitors_sum != 0 OR visits_sum != 0 OR clicks_sum != 0 OR refused_sum != 0
LIMIT {cells_max:UInt32}
