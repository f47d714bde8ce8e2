-- weeks_before.sql
SELECT DISTINCT week FROM counts WHERE week < toDate({cut:UInt16}) ORDER BY week
