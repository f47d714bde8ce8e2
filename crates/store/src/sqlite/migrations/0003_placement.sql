-- 0003_placement.sql: one placement for the whole file, none in the rows of the ledger.
--
-- Of a row with few cells it can be guessed back which cells those were: single views, names that a
-- closed day has lost, pages of an erased site. The sum over all of it follows from the counts.

-- SQLite's sum() refuses to wrap, so both halves are added up and put together. The seal is not SQL's
-- to make: the program makes it, and those of the ledger, while reseal_due is there.
INSERT INTO meta (key, value, seal)
SELECT 'placement',
       ((ifnull(sum((placement >> 32) & 4294967295), 0)
         + (ifnull(sum(placement & 4294967295), 0) >> 32)) & 4294967295) << 32
       | (ifnull(sum(placement & 4294967295), 0) & 4294967295),
       0
FROM ledger_rows;
INSERT INTO meta (key, value, seal) VALUES ('reseal_due', 1, 0);
ALTER TABLE ledger_rows DROP COLUMN placement;
