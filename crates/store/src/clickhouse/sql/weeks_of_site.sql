-- weeks_of_site.sql
SELECT DISTINCT week FROM counts WHERE kind < 'batch' AND site = {site:String} ORDER BY week
