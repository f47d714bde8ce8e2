-- fold_numbers.sql
SELECT toUInt16(week) AS week, max(lo) AS number FROM counts
WHERE kind = 'retention' AND site = '' AND src = {src:String} GROUP BY week
