-- ranges_before.sql
SELECT toString(src) AS source, lo, max(hi) AS last
FROM counts
WHERE kind IN ('batch', 'floor') AND site = ''
  AND week < toDate({cut:UInt16}) AND week >= toDate({floored:UInt16})
  AND (kind = 'batch' OR toUInt32(toDate(bucket)) = {floored:UInt16})
GROUP BY source, lo ORDER BY source, lo
