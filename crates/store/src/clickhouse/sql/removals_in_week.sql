-- removals_in_week.sql
SELECT toUInt64(sum(n)) AS removals FROM counts
WHERE toInt8(kind) = {kind:Int8} AND kind >= 'batch' AND site = '' AND src = {src:String} AND week = toDate({week:UInt16})
