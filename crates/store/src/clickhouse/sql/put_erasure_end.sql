-- put_erasure_end.sql: nothing if the site has been counted again meanwhile
INSERT INTO erased_sites (site, state, version)
SELECT {site:String}, 2, max(version) + 1 FROM erased_sites
HAVING argMaxIf(state, version, site = {site:String}) = 1
