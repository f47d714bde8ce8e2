-- erased_sites.sql
SELECT site, argMax(state, version) AS latest FROM erased_sites GROUP BY site HAVING latest > 0
ORDER BY site
