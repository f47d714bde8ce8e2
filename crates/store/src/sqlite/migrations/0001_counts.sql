-- 0001_counts.sql: counts, their names, the ledger, and the views that analysts read.

CREATE TABLE sites (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    host TEXT NOT NULL UNIQUE
) STRICT;

-- Pages, click targets and attribute values. Ids are never used twice.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- The words for attribute kinds and refusal reasons; filled by the program.
CREATE TABLE words (
    kind INTEGER NOT NULL,
    a    INTEGER NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (kind, a)
) STRICT, WITHOUT ROWID;

-- kind 1 the site:    bucket is an hour
-- kind 2 a page:      bucket is an hour, a the page
-- kind 3 a click:     bucket is an hour, a the page, b the target
-- kind 4 a refusal:   bucket is a day,   a the reason (words)
-- kind 16 and above, an attribute (words): bucket is a day, a the value
-- Hours and days are counted from 1970-01-01 UTC.
CREATE TABLE counts (
    site     INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    bucket   INTEGER NOT NULL,
    a        INTEGER NOT NULL,
    b        INTEGER NOT NULL,
    views    INTEGER NOT NULL CHECK (views >= 0),
    visitors INTEGER NOT NULL CHECK (visitors >= 0),
    visits   INTEGER NOT NULL CHECK (visits >= 0),
    clicks   INTEGER NOT NULL CHECK (clicks >= 0),
    refused  INTEGER NOT NULL CHECK (refused >= 0),
    PRIMARY KEY (site, kind, bucket, a, b)
) STRICT, WITHOUT ROWID;

-- One row a committed insert, and one a committed removal with its numbers negative.
-- placement is a checksum over which number stands in which cell; it adds up like the numbers.
-- seal is a checksum of the row.
CREATE TABLE ledger_rows (
    src        TEXT NOT NULL,
    lo         INTEGER NOT NULL CHECK (lo > 0),
    hi         INTEGER NOT NULL CHECK (hi >= lo),
    kind       TEXT NOT NULL CHECK (kind IN ('batch', 'erase', 'retention')),
    closed_day INTEGER,
    cells      INTEGER NOT NULL CHECK (cells >= 0),
    views      INTEGER NOT NULL,
    visitors   INTEGER NOT NULL,
    visits     INTEGER NOT NULL,
    clicks     INTEGER NOT NULL,
    refused    INTEGER NOT NULL,
    placement  INTEGER NOT NULL,
    seal       INTEGER NOT NULL,
    PRIMARY KEY (src, lo),
    CHECK (CASE kind
        WHEN 'batch' THEN min(views, visitors, visits, clicks, refused) >= 0
        ELSE max(views, visitors, visits, clicks, refused) <= 0 END)
) STRICT, WITHOUT ROWID;

-- The last batch applied of every collector and epoch; seal is a checksum of the row.
CREATE TABLE last_seqs (
    src       TEXT NOT NULL,
    collector INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    seal      INTEGER NOT NULL,
    PRIMARY KEY (src, collector, epoch)
) STRICT, WITHOUT ROWID;

-- Single numbers: oldest_readable_day, text_wipe_due, audit_*; seal is a checksum of the row.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL,
    seal  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE VIEW site_counts (site, hour, views, visitors, visits, clicks) AS
SELECT sites.host, datetime(bucket * 3600, 'unixepoch'), views, visitors, visits, clicks
FROM counts JOIN sites ON sites.id = counts.site
WHERE counts.kind = 1
  AND bucket >= 24 * (SELECT value FROM meta WHERE key = 'oldest_readable_day');

CREATE VIEW page_counts (site, hour, page, views, visitors, visits) AS
SELECT sites.host, datetime(bucket * 3600, 'unixepoch'), names.text, views, visitors, visits
FROM counts JOIN sites ON sites.id = counts.site JOIN names ON names.id = counts.a
WHERE counts.kind = 2
  AND bucket >= 24 * (SELECT value FROM meta WHERE key = 'oldest_readable_day');

CREATE VIEW click_counts (site, hour, page, target, clicks) AS
SELECT sites.host, datetime(bucket * 3600, 'unixepoch'), pages.text, targets.text, clicks
FROM counts JOIN sites ON sites.id = counts.site
JOIN names AS pages ON pages.id = counts.a JOIN names AS targets ON targets.id = counts.b
WHERE counts.kind = 3
  AND bucket >= 24 * (SELECT value FROM meta WHERE key = 'oldest_readable_day');

CREATE VIEW attribute_counts (site, day, attribute, value, views, visitors, visits) AS
SELECT sites.host, date(bucket * 86400, 'unixepoch'), words.word, names.text,
       views, visitors, visits
FROM counts JOIN sites ON sites.id = counts.site JOIN names ON names.id = counts.a
JOIN words ON words.kind = counts.kind AND words.a = 0
WHERE counts.kind >= 16
  AND bucket >= (SELECT value FROM meta WHERE key = 'oldest_readable_day');

CREATE VIEW refusal_counts (site, day, reason, refused) AS
SELECT sites.host, date(bucket * 86400, 'unixepoch'), words.word, refused
FROM counts JOIN sites ON sites.id = counts.site
JOIN words ON words.kind = counts.kind AND words.a = counts.a
WHERE counts.kind = 4
  AND bucket >= (SELECT value FROM meta WHERE key = 'oldest_readable_day');

CREATE VIEW ledger (src, lo, hi, kind, closed_day, cells,
                    views, visitors, visits, clicks, refused) AS
SELECT src, lo, hi, kind, date(closed_day * 86400, 'unixepoch'), cells,
       views, visitors, visits, clicks, refused
FROM ledger_rows;
