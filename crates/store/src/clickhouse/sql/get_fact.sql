-- get_fact.sql
SELECT argMax(value, version) AS value FROM facts WHERE key = {key:String} GROUP BY key
