-- totals_before.sql
SELECT count() AS cells, sum(views) AS views_sum, sum(visitors) AS visitors_sum,
       sum(visits) AS visits_sum, sum(clicks) AS clicks_sum, sum(refused) AS refused_sum
FROM counts WHERE kind < 'batch' AND week < toDate({cut:UInt16})
