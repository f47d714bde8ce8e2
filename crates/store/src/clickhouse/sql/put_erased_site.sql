-- put_erased_site.sql
INSERT INTO erased_sites (site, state, version)
SELECT {site:String}, {state:UInt8}, (SELECT max(version) + 1 FROM erased_sites)
