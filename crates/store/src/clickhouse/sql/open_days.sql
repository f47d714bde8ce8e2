-- open_days.sql
SELECT toUInt16(toDate(bucket)) AS day, count() AS cells FROM counts
WHERE kind >= 'source' AND kind < 'batch'
  AND bucket >= toDateTime(86400 * toUInt32({closed:UInt16}), 'UTC')
  AND bucket < toDateTime(86400 * toUInt32({before:UInt16}), 'UTC')
GROUP BY day ORDER BY day
