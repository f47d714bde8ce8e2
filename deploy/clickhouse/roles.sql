-- roles.sql: two users for Headcount on a ClickHouse server, run once by an administrator. Printed by
-- `headcount grants`, which takes database and cluster from the settings:
--
--     headcount grants --config headcount.toml | clickhouse-client --multiquery
--
-- Change the two passwords first. This needs a server with access management, which chDB is not: the
-- tests of the repository give its one user the grants below and nothing else, one part at a time, and
-- run both parts with them; the statements about users and profiles they cannot run. Whether a user has
-- what it needs and no more, `headcount grants --check` asks the server.

CREATE DATABASE IF NOT EXISTS headcount;

-- The aggregator: makes and migrates the tables, inserts, reads the ledger back, erases and drops
-- old weeks. It kills its own queries only, which needs no grant.
CREATE ROLE IF NOT EXISTS headcount_writer;
GRANT SELECT, INSERT, OPTIMIZE, CREATE TABLE,
      CREATE VIEW, DROP VIEW, ALTER DELETE ON headcount.* TO headcount_writer;
CREATE SETTINGS PROFILE IF NOT EXISTS headcount_writer SETTINGS async_insert = 0, readonly = 0
    TO headcount_writer;

-- `headcount serve` and analysts: the views, and three small tables: how far they reach, and which sites
-- were erased, so that their tokens end.
-- readonly 2 lets a question bring its time limit and nothing else.
CREATE ROLE IF NOT EXISTS headcount_reader;
GRANT SELECT ON headcount.cells TO headcount_reader;
GRANT SELECT ON headcount.site_counts TO headcount_reader;
GRANT SELECT ON headcount.page_counts TO headcount_reader;
GRANT SELECT ON headcount.click_counts TO headcount_reader;
GRANT SELECT ON headcount.attribute_counts TO headcount_reader;
GRANT SELECT ON headcount.refusal_counts TO headcount_reader;
GRANT SELECT ON headcount.ledger TO headcount_reader;
GRANT SELECT ON headcount.books TO headcount_reader;
GRANT SELECT ON headcount.facts TO headcount_reader;
GRANT SELECT ON headcount.erased_sites TO headcount_reader;
GRANT SELECT ON headcount.schema_migrations TO headcount_reader;
CREATE SETTINGS PROFILE IF NOT EXISTS headcount_reader
    SETTINGS readonly = 2, max_execution_time = 60, max_memory_usage = 4000000000
    TO headcount_reader;

CREATE USER IF NOT EXISTS headcount_aggregate IDENTIFIED WITH sha256_password BY 'change-me-1';
GRANT headcount_writer TO headcount_aggregate;

CREATE USER IF NOT EXISTS headcount_serve IDENTIFIED WITH sha256_password BY 'change-me-2';
GRANT headcount_reader TO headcount_serve;
