-- 0002_share.sql: tokens of links that are handed on; their readers see rounded numbers.

ALTER TABLE tokens ADD COLUMN share INTEGER NOT NULL DEFAULT 0 CHECK (share IN (0, 1));
