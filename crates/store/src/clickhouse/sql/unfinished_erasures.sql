-- unfinished_erasures.sql: sites whose erasure was cut off, and erased ones of which counts came late
SELECT site FROM erased_sites GROUP BY site
HAVING argMax(state, version) = 1 OR (argMax(state, version) = 2 AND site IN (
    SELECT toString(site) FROM counts WHERE kind < 'batch' AND site IN (
        SELECT site FROM erased_sites GROUP BY site HAVING argMax(state, version) > 0)))
ORDER BY site
