-- weeks_with_old.sql
SELECT DISTINCT week FROM counts
WHERE kind < 'batch' AND week >= toDate({cut:UInt16})
  AND bucket < toDateTime(86400 * {cut:UInt32}, 'UTC')
ORDER BY week
