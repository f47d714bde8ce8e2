-- 0003_access.sql: kinds, roles, lives and labels of tokens, and links that sign in once.

-- 'api': shown with each question or exchanged for a session; 'share': a link that is handed on;
-- 'link': exchanged for a session once, within minutes. A link with site '' opens every site.
ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'api'
    CHECK (kind IN ('api', 'share', 'link'));
UPDATE tokens SET kind = 'share' WHERE share = 1;
ALTER TABLE tokens DROP COLUMN share;

-- Tokens of before saw what owners see.
ALTER TABLE tokens ADD COLUMN role TEXT NOT NULL DEFAULT 'owner'
    CHECK (role IN ('owner', 'viewer'));
UPDATE tokens SET role = 'viewer' WHERE kind = 'share';

-- The second (Unix time) from which it opens nothing; NULL: never.
ALTER TABLE tokens ADD COLUMN expires_at INTEGER;
ALTER TABLE tokens ADD COLUMN label TEXT NOT NULL DEFAULT '';
-- The UTC day of its last use; no finer time is kept.
ALTER TABLE tokens ADD COLUMN used_day INTEGER;
-- Whether somebody noticed that it expired: it then stays so, whatever a clock says later.
ALTER TABLE tokens ADD COLUMN expired INTEGER NOT NULL DEFAULT 0 CHECK (expired IN (0, 1));
