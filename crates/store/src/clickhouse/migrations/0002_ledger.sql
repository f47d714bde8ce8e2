-- 0002_ledger.sql: analysts see the ledger by source and day, as in the embedded store. A row for each
-- insert would be a row for each view where few come. Ranges that do not follow each other stay apart,
-- so a gap or an overlap is still seen.

CREATE OR REPLACE VIEW ledger
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT src, min(first) AS lo, max(last) AS hi, kind, closed_day, sum(number) AS cells,
          sum(v) AS views, sum(w) AS visitors, sum(x) AS visits, sum(y) AS clicks, sum(z) AS refused
FROM (
    SELECT src, lo AS first, hi AS last, toString(counts.kind) AS kind, closed_day, cells AS number,
           views AS v, visitors AS w, visits AS x, clicks AS y, refused AS z,
           -- The same for ranges that follow each other, another one for each removal.
           if(counts.kind = 'batch',
              toInt64(lo) - sum(toInt64(hi) - toInt64(lo) + 1) OVER (
                  PARTITION BY src, counts.kind, closed_day ORDER BY lo
                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
              toInt64(lo)) AS run
    FROM counts WHERE counts.kind >= 'batch'
)
GROUP BY src, kind, closed_day, run;
