-- edge_schema.sql: the edge file, version 2. Every row that holds counts or names carries a
-- checksum, because SQLite checks its pages' structure but not their content.
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- A number is never given twice: cores may remember names of an erased site by it.
CREATE TABLE sites (id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL UNIQUE);
CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    site INTEGER NOT NULL,
    day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL,
    checksum INTEGER NOT NULL
);
-- Increments committed since the last release, one row a group commit.
-- number counts every commit with counts in it, without a gap.
CREATE TABLE journal (number INTEGER PRIMARY KEY, increments BLOB NOT NULL, checksum INTEGER NOT NULL);
-- Cells that wait here: attribute cells for a crowd, pages for admission, all of them while the
-- transport is away. One row a cell.
CREATE TABLE cells (cell BLOB PRIMARY KEY, counts BLOB NOT NULL, checksum INTEGER NOT NULL)
    WITHOUT ROWID;
-- The number of the last batch of the running epoch, for each partition that ever had one.
CREATE TABLE lanes (partition INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, checksum INTEGER NOT NULL);
-- Batches on their way, in the order of their rows; one goes when the other side has it safe.
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    partition INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    UNIQUE (partition, epoch, seq)
);
