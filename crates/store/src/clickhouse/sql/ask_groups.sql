-- ask_groups.sql: pieces in <> stand for fixed pieces of SQL
SELECT time, first, second, views_sum, visitors_sum, visits_sum, clicks_sum,
       count() OVER () AS rows_total
FROM (
    SELECT <TIME> AS time, <FIRST> AS first, <SECOND> AS second,
           sumIf(views, kind != 'click') AS views_sum,
           sumIf(visitors, kind != 'click') AS visitors_sum,
           sumIf(visits, kind != 'click') AS visits_sum,
           sumIf(clicks, kind != 'page') AS clicks_sum
    FROM cells
    WHERE kind IN (<KINDS>) AND site = {site:String}
      AND bucket >= toDateTime({from:UInt32}, 'UTC') AND bucket <= toDateTime({to:UInt32}, 'UTC')
      AND <PAGES>
    GROUP BY time, first, second
    HAVING <WANTED>
)
ORDER BY <ORDER>
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
