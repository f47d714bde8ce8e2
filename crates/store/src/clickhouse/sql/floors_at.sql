-- floors_at.sql
SELECT count() AS floors FROM counts
WHERE kind = 'floor' AND week = toDate({cut:UInt16})
