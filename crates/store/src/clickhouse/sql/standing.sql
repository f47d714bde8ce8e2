-- standing.sql
SELECT seqs.1 AS collector, seqs.2 AS epoch, max(seqs.3) AS seq, max(hi) AS applied,
       argMax(lo, hi) AS last_lo
FROM counts LEFT ARRAY JOIN last_seqs AS seqs
WHERE kind IN ('batch', 'floor') AND site = '' AND src = {src:String}
  AND (lo >= {lo:UInt64} OR kind = 'floor')
GROUP BY collector, epoch
