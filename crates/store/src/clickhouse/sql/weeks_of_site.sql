-- weeks_of_site.sql: none of a site that is counted
SELECT DISTINCT week FROM counts
WHERE kind < 'batch' AND site = {site:String}
  AND (SELECT argMax(state, version) FROM erased_sites WHERE site = {site:String}) > 0
ORDER BY week
