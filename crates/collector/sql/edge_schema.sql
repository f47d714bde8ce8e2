-- edge_schema.sql: the edge file, version 1. Every row that holds counts or names carries a
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
CREATE TABLE journal (id INTEGER PRIMARY KEY, increments BLOB NOT NULL, checksum INTEGER NOT NULL);
-- Cells that wait here: attribute cells for a crowd, pages for admission, all of them while the
-- transport is away. One row a cell.
CREATE TABLE cells (cell BLOB PRIMARY KEY, counts BLOB NOT NULL, checksum INTEGER NOT NULL)
    WITHOUT ROWID;
-- Batches on their way; a row goes when the other side has written it down.
CREATE TABLE outbox (
    partition INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (partition, epoch, seq)
);
