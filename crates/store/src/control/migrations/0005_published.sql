-- 0005_published.sql: visitors of closed UTC days with noise, as they were published. Each is drawn
-- once: whoever could have it drawn again would find the count in the middle of the draws.

CREATE TABLE published (
    site     TEXT NOT NULL,
    day      INTEGER NOT NULL,
    visitors INTEGER NOT NULL,
    -- Thousandths of an epsilon.
    epsilon  INTEGER NOT NULL CHECK (epsilon > 0),
    PRIMARY KEY (site, day)
) STRICT, WITHOUT ROWID;
