-- 0002_imports.sql: which files were imported, and how far.

-- One row a file. digest and waymarks are of the lengths of its lines and four bits of each, so
-- that the same file is known again and nothing in it is. seal is a checksum of the row.
CREATE TABLE imports (
    id         INTEGER PRIMARY KEY,
    site       INTEGER NOT NULL,
    first_hour INTEGER NOT NULL CHECK (first_hour >= 0),
    lines      INTEGER NOT NULL CHECK (lines > 0),
    last_day   INTEGER NOT NULL CHECK (last_day >= 0),
    digest     BLOB NOT NULL,
    waymarks   BLOB NOT NULL,
    seal       INTEGER NOT NULL
) STRICT;
