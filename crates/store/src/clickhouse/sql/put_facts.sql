-- put_facts.sql
INSERT INTO facts (key, value, version)
SELECT fact.1, fact.2, (SELECT max(version) + 1 FROM facts)
FROM (SELECT arrayJoin({facts:Array(Tuple(String, Int64))}) AS fact)
