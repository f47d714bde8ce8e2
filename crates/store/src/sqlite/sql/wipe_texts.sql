-- wipe_texts.sql
CREATE TEMP TABLE kept_names AS
SELECT id, text FROM names WHERE id IN (
    SELECT a FROM counts WHERE kind IN (2, 3) OR kind >= 16
    UNION SELECT b FROM counts WHERE kind = 3);
CREATE TEMP TABLE kept_sites AS SELECT id, host FROM sites WHERE id IN (SELECT site FROM counts);
DELETE FROM main.names;
DELETE FROM main.sites;
INSERT INTO main.names (id, text) SELECT id, text FROM temp.kept_names ORDER BY id;
INSERT INTO main.sites (id, host) SELECT id, host FROM temp.kept_sites ORDER BY id;
DROP TABLE temp.kept_names;
DROP TABLE temp.kept_sites;
