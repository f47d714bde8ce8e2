-- 0001_counts.sql: counts with their ledger, the notes beside them, and the views analysts read.
-- Statements end with a semicolon at the end of a line, and each may run twice.

-- One row a cell, and one an applied insert, removal or floor: the ledger, kinds from 100.
--
-- week      the Monday of the week in which the batch was closed (or, where a collector's clock ran
--           ahead, of its latest cell). One insert goes to one partition; a year has 53 of them, so
--           parts stay few, and a week is how long a count may stay on the disk after it cannot be
--           read any more.
-- bucket    the first second of the hour or day of a cell; of a floor, the first week that is kept.
-- name      page, value of an attribute or reason of a refusal. target: of a click.
-- src, lo   with hi, the range of a ledger row; empty and 0 in cells.
-- n         1 in every ledger row: 2 after a merge would be an insert that was written twice.
CREATE TABLE IF NOT EXISTS counts
(
    week       Date CODEC(ZSTD(1)),
    kind       Enum8('site' = 1, 'page' = 2, 'click' = 3, 'refusal' = 4,
                     'source' = 16, 'country' = 17, 'device' = 18, 'browser' = 19, 'os' = 20,
                     'utm_source' = 21, 'utm_medium' = 22, 'utm_campaign' = 23,
                     'batch' = 100, 'erase' = 101, 'retention' = 102, 'floor' = 103),
    site       LowCardinality(String),
    src        LowCardinality(String),
    lo         UInt64 CODEC(Delta, ZSTD(1)),
    bucket     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    name       String CODEC(ZSTD(3)),
    target     String CODEC(ZSTD(3)),
    hi         UInt64 CODEC(Delta, ZSTD(1)),
    closed_day Date CODEC(ZSTD(1)),
    cells      UInt32 CODEC(T64, ZSTD(1)),
    last_seqs  Array(Tuple(UInt64, UInt64, UInt64)) CODEC(ZSTD(1)),
    views      Int64 CODEC(T64, ZSTD(1)),
    visitors   Int64 CODEC(T64, ZSTD(1)),
    visits     Int64 CODEC(T64, ZSTD(1)),
    clicks     Int64 CODEC(T64, ZSTD(1)),
    refused    Int64 CODEC(T64, ZSTD(1)),
    n          Int64 CODEC(T64, ZSTD(1))
)
ENGINE = SummingMergeTree((views, visitors, visits, clicks, refused, n))
PARTITION BY week
ORDER BY (kind, site, src, lo, bucket, name, target)
SETTINGS non_replicated_deduplication_window = 1000,
         replicated_deduplication_window = 1000,
         fsync_after_insert = 1,
         fsync_part_directory = 1,
         min_rows_to_fsync_after_merge = 1,
         old_parts_lifetime = 60;

-- Single numbers: oldest_readable_day, floored_before_day, audit_*. The newest version counts.
CREATE TABLE IF NOT EXISTS facts
(
    key     String,
    value   Int64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY key
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- state 1: being erased; 2: erased, and what still comes of the site is left out; 0: counted again.
CREATE TABLE IF NOT EXISTS erased_sites
(
    site    String,
    state   UInt8,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY site
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- Every cell that may be read, before rows of the same cell are added up. Sum over it.
CREATE OR REPLACE VIEW cells
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT kind, site, bucket, name, target, views, visitors, visits, clicks, refused
FROM counts
WHERE kind < 'batch'
  AND src = '' AND lo = 0
  AND bucket >= toDateTime(toUInt32(86400 * (
      SELECT argMax(value, version) FROM facts WHERE key = 'oldest_readable_day')), 'UTC')
  AND site NOT IN (
      SELECT site FROM erased_sites GROUP BY site HAVING argMax(state, version) > 0);

CREATE OR REPLACE VIEW site_counts
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT site, bucket AS hour,
          sum(views) AS views, sum(visitors) AS visitors, sum(visits) AS visits,
          sum(clicks) AS clicks
FROM cells WHERE kind = 'site' GROUP BY site, hour;

CREATE OR REPLACE VIEW page_counts
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT site, bucket AS hour, name AS page,
          sum(views) AS views, sum(visitors) AS visitors, sum(visits) AS visits
FROM cells WHERE kind = 'page' GROUP BY site, hour, page;

CREATE OR REPLACE VIEW click_counts
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT site, bucket AS hour, name AS page, target, sum(clicks) AS clicks
FROM cells WHERE kind = 'click' GROUP BY site, hour, page, target;

CREATE OR REPLACE VIEW attribute_counts
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT site, toDate(bucket) AS day, toString(kind) AS attribute, name AS value,
          sum(views) AS views, sum(visitors) AS visitors, sum(visits) AS visits
FROM cells WHERE kind >= 'source' AND kind < 'batch' GROUP BY site, day, attribute, value;

CREATE OR REPLACE VIEW refusal_counts
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT site, toDate(bucket) AS day, name AS reason, sum(refused) AS refused
FROM cells WHERE kind = 'refusal' GROUP BY site, day, reason;

CREATE OR REPLACE VIEW ledger
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT src, lo, hi, toString(kind) AS kind, closed_day, cells,
          views, visitors, visits, clicks, refused
FROM counts WHERE counts.kind >= 'batch';

-- The books. audit_delta: Σ counts − Σ ledger of each partition and number, absolute values added
-- up. broken_tiles: ledger rows that do not follow the one before them in their source, or were
-- written twice. Rows of weeks before floored_before_day are being dropped; floors stand for them.
CREATE OR REPLACE VIEW books
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    ifNull((
        SELECT sum(abs(views) + abs(visitors) + abs(visits) + abs(clicks) + abs(refused))
        FROM (
            SELECT sum(if(kind < 'batch', views, -views)) AS views,
                   sum(if(kind < 'batch', visitors, -visitors)) AS visitors,
                   sum(if(kind < 'batch', visits, -visits)) AS visits,
                   sum(if(kind < 'batch', clicks, -clicks)) AS clicks,
                   sum(if(kind < 'batch', refused, -refused)) AS refused
            FROM counts GROUP BY week
        )
    ), 1) AS audit_delta,
    ifNull((
        SELECT count()
        FROM (
            SELECT src, lo, times, kind,
                   lagInFrame(hi, 1, 0) OVER (
                       PARTITION BY src ORDER BY lo, hi
                       ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
            FROM (
                SELECT src, lo, hi, kind, week, sum(n) AS times
                FROM counts
                WHERE kind >= 'batch' AND site = ''
                  AND week >= toDate(toUInt16((
                      SELECT argMax(value, version) FROM facts WHERE key = 'floored_before_day')))
                  AND (kind != 'floor' OR toUInt32(toDate(bucket)) = (
                      SELECT argMax(value, version) FROM facts WHERE key = 'floored_before_day'))
                GROUP BY src, lo, hi, kind, week, bucket
            )
        )
        WHERE (times != 1 AND kind != 'floor')
           OR (lo != before + 1 AND NOT startsWith(src, '('))
    ), 1) AS broken_tiles;
