-- first_second.sql
SELECT count() AS cells, toUnixTimestamp(min(bucket)) AS second FROM cells WHERE site = {site:String}
