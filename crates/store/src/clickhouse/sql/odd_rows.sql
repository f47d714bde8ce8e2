-- odd_rows.sql: cells that say more than one thing, or whose time is finer than that of a count.
SELECT count() AS odd FROM cells
WHERE (kind = 'site' AND name != '')
   OR (kind != 'click' AND target != '')
   OR toUnixTimestamp(bucket) % if(kind IN ('site', 'page', 'click'), 3600, 86400) != 0
