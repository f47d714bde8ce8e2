-- 0001_control.sql: sites, erasures and tokens of one data directory.

CREATE TABLE sites (
    host      TEXT NOT NULL PRIMARY KEY,
    added_day INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- done 0: somebody asked and the counts may still be there; 1: erased, and whatever still comes
-- of the site is dropped until it is added again.
CREATE TABLE erasures (
    host      TEXT NOT NULL PRIMARY KEY,
    asked_day INTEGER NOT NULL,
    done      INTEGER NOT NULL CHECK (done IN (0, 1))
) STRICT, WITHOUT ROWID;

-- hash is BLAKE3 of the token; the token itself is shown once and nowhere kept.
CREATE TABLE tokens (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    site        TEXT NOT NULL,
    hash        BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_day INTEGER NOT NULL,
    revoked_day INTEGER
) STRICT;
