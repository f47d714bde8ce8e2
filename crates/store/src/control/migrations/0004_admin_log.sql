-- 0004_admin_log.sql: what was done to sites, tokens and settings, each entry hashed with the one
-- before it. Nothing of a visitor and no secret is in it.

CREATE TABLE admin_log (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    who    TEXT NOT NULL,
    what   TEXT NOT NULL,
    site   TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash   BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
