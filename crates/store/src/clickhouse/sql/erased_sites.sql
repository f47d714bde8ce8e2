-- erased_sites.sql
SELECT site FROM erased_sites GROUP BY site HAVING argMax(state, version) > 0 ORDER BY site
