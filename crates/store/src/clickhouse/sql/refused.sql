-- refused.sql
SELECT name, sum(refused) AS refused_sum FROM cells
WHERE kind = 'refusal' AND site = {site:String}
  AND bucket >= toDateTime({from:UInt32}, 'UTC') AND bucket <= toDateTime({to:UInt32}, 'UTC')
GROUP BY name HAVING refused_sum != 0
