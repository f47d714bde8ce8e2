-- last_seqs_before.sql
SELECT toString(src) AS source, seqs.1 AS collector, seqs.2 AS epoch, max(seqs.3) AS seq
FROM counts ARRAY JOIN last_seqs AS seqs
WHERE kind IN ('batch', 'floor') AND site = '' AND week < toDate({cut:UInt16})
GROUP BY source, collector, epoch ORDER BY source, collector, epoch
