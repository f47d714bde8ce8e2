//! Connecting: is the server there, new enough, migrated, and set as counting exactly once needs.
//!
//! What it is not: a repair. A setting that is wrong is named with its remedy; nothing is changed
//! behind an administrator's back.
//!
//! What surprises: the settings are sent with every insert and still checked here. A profile may
//! pin a setting, and then what is sent is refused or has no effect.

use std::time::Duration;

use clickhouse::Row;
use serde::Deserialize;

use super::fault::{CONSTRAINED, NOT_AUTHENTICATED, ServerFault, UNKNOWN_DATABASE};
use super::link::Link;
use super::{SERVER_VERSION_MIN, Settings};
use crate::error::StoreError;

/// Every migration in order; the schema version is how many were applied.
const MIGRATIONS: [&str; 2] =
    [include_str!("migrations/0001_counts.sql"), include_str!("migrations/0002_ledger.sql")];
/// Longest wait for a question about the server.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for one statement of a migration.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(300);

/// Sent with every insert: the block is written before the answer comes, is one part, and a late
/// twin of it is dropped.
const INSERT: [(&str, &str); 10] = [
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("deduplicate_insert", "enable"),
    ("max_insert_block_size", "1048449"),
    ("min_insert_block_size_rows", "1048449"),
    ("min_insert_block_size_bytes", "268402944"),
    ("max_insert_block_size_bytes", "0"),
    ("input_format_max_block_size_bytes", "0"),
    ("max_insert_threads", "1"),
    ("input_format_parallel_parsing", "0"),
];
/// Of these, the ones that not every server since [`SERVER_VERSION_MIN`] knows.
const NEWER: [&str; 3] =
    ["deduplicate_insert", "max_insert_block_size_bytes", "input_format_max_block_size_bytes"];
/// Sent too where tables are replicated: an answer means most replicas have it, and a read sees it.
const REPLICATED: [(&str, &str); 3] = [
    ("insert_quorum", "auto"),
    ("insert_quorum_parallel", "0"),
    ("select_sequential_consistency", "1"),
];
/// Settings of the table that must not be 0.
const TABLE: [&str; 4] = [
    "non_replicated_deduplication_window",
    "fsync_after_insert",
    "fsync_part_directory",
    "min_rows_to_fsync_after_merge",
];

#[derive(Row, Deserialize)]
struct Version {
    version: String,
}

#[derive(Row, Deserialize)]
struct SchemaVersion {
    version: u32,
}

#[derive(Row, Deserialize)]
struct Tables {
    tables: u64,
}

#[derive(Row, Deserialize)]
struct Known {
    name: String,
    value: String,
}

#[derive(Row, Deserialize)]
struct Engine {
    engine: String,
}

#[derive(Row, Deserialize)]
struct Running {
    running: u64,
}

/// Asks the server for its version: the first call, so what stands in the way shows here.
pub(super) fn greet(link: &Link, settings: &Settings) -> Result<(), StoreError> {
    let query = link.client.query_raw(include_str!("sql/server.sql"));
    let url = || settings.url.clone();
    let rows: Vec<Version> = link.rows("ask clickhouse for its version", TIMEOUT, query).map_err(
        |error| match error {
            StoreError::Server { source, .. } => match source.code() {
                Some(code) if NOT_AUTHENTICATED.contains(&code) => {
                    StoreError::WrongPassword { url: url(), user: settings.user.clone() }
                }
                Some(UNKNOWN_DATABASE) => {
                    StoreError::NoDatabase { url: url(), database: settings.database.clone() }
                }
                _ => StoreError::Unreachable { url: url(), source },
            },
            other => other,
        },
    )?;
    let found = rows.into_iter().next().map_or_else(String::new, |row| row.version);
    if is_new_enough(&found) {
        Ok(())
    } else {
        Err(StoreError::OldServer { url: url(), found, needed: SERVER_VERSION_MIN })
    }
}

fn is_new_enough(version: &str) -> bool {
    let parts = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    parts(version).zip(parts(SERVER_VERSION_MIN)).is_some_and(|(found, needed)| found >= needed)
}

/// The schema version of the database; none before the first migration.
fn schema_version(link: &Link) -> Result<Option<u32>, StoreError> {
    let doing = "read the schema version";
    let query = link.client.query_raw(include_str!("sql/is_migrated.sql"));
    let tables: Vec<Tables> = link.rows(doing, TIMEOUT, query)?;
    if tables.iter().all(|it| it.tables == 0) {
        return Ok(None);
    }
    let query = link.client.query_raw(include_str!("sql/schema_version.sql"));
    let rows: Vec<SchemaVersion> = link.rows(doing, TIMEOUT, query)?;
    Ok(Some(rows.first().map_or(0, |row| row.version)))
}

/// Runs the migrations that are missing. Each statement may run twice, so a migration that was
/// killed is run again from its beginning.
pub(super) fn migrate(link: &Link, settings: &Settings) -> Result<(), StoreError> {
    let doing = "migrate the schema";
    let found = schema_version(link)?.unwrap_or(0);
    let (known, found_number) = (MIGRATIONS.len(), usize::try_from(found).unwrap_or(usize::MAX));
    if found_number > known {
        return Err(newer(settings, found));
    }
    let statement = |sql: &str| on_cluster(sql, settings.cluster.as_deref());
    if found_number < known {
        let sql = statement(include_str!("sql/create_migrations.sql"));
        link.execute(doing, MIGRATION_TIMEOUT, link.client.query_raw(&sql))?;
    }
    for (number, script) in (1u32..).zip(MIGRATIONS).skip(found_number) {
        for part in script.split(";\n").filter(|part| !part.trim().is_empty()) {
            link.execute(doing, MIGRATION_TIMEOUT, link.client.query_raw(&statement(part)))?;
        }
        let done = link.client.query_raw(include_str!("sql/put_migration.sql"));
        link.execute(doing, TIMEOUT, done.param("version", number))?;
    }
    Ok(())
}

/// Refuses a database that is not at this build's schema version; for readers, who change nothing.
pub(super) fn check_schema(link: &Link, settings: &Settings) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match schema_version(link)? {
        None | Some(0) => {
            Err(StoreError::Missing { path: place(settings), made_by: "headcount aggregate" })
        }
        Some(found) if i64::from(found) > known => Err(newer(settings, found)),
        Some(found) if i64::from(found) < known => {
            Err(StoreError::OlderSchema { path: place(settings), found: found.into(), known })
        }
        Some(_) => Ok(()),
    }
}

fn newer(settings: &Settings, found: u32) -> StoreError {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    StoreError::NewerSchema { path: place(settings), found: found.into(), known }
}

fn place(settings: &Settings) -> std::path::PathBuf {
    format!("the database {} at {}", settings.database, settings.url).into()
}

/// The statement for a cluster: replicated engines, created on every server of it.
fn on_cluster(sql: &str, cluster: Option<&str>) -> String {
    let Some(cluster) = cluster else { return sql.to_owned() };
    let created = |line: &str| {
        ["CREATE TABLE IF NOT EXISTS ", "CREATE OR REPLACE VIEW "].into_iter().find_map(|begin| {
            let rest = line.strip_prefix(begin)?;
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(format!("{begin}{name} ON CLUSTER {} {rest}", identifier(cluster)))
        })
    };
    let lines = sql.lines().map(|line| created(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n").replace("ENGINE = ", "ENGINE = Replicated")
}

/// A name as SQL writes it.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// The settings of every insert, as far as this server knows them, and whether each has its effect.
pub(super) fn insert_settings(
    link: &Link,
) -> Result<Vec<(&'static str, &'static str)>, StoreError> {
    let mut wanted = INSERT.to_vec();
    if link.cluster.is_some() {
        wanted.extend(REPLICATED);
    }
    let known = effective(link, &wanted, &[])?;
    wanted.retain(|(name, _)| !NEWER.contains(name) || known.iter().any(|it| it.name == *name));
    let found = match effective(link, &wanted, &wanted) {
        Ok(found) => found,
        Err(StoreError::Server { source, .. })
            if source.code().is_some_and(|code| CONSTRAINED.contains(&code)) =>
        {
            return Err(constrained(link, &wanted, &source));
        }
        Err(other) => return Err(other),
    };
    for (name, needed) in &wanted {
        let value = found.iter().find(|it| it.name == *name).map(|it| &*it.value);
        if value != Some(needed) {
            return Err(wrong(name, value.unwrap_or("unknown"), needed));
        }
    }
    Ok(wanted)
}

/// The values of settings for a query that is sent with `sent`.
fn effective(
    link: &Link,
    wanted: &[(&str, &str)],
    sent: &[(&str, &str)],
) -> Result<Vec<Known>, StoreError> {
    let names: Vec<&str> = wanted.iter().map(|it| it.0).collect();
    let mut query =
        link.client.query_raw(include_str!("sql/known_settings.sql")).param("names", names);
    for (name, value) in sent {
        query = query.with_setting(*name, *value);
    }
    link.rows("read the settings of clickhouse", TIMEOUT, query)
}

/// Whether a reader may send `readonly` itself. A profile with 2 holds already and lets limits be
/// sent; one with 1 lets nothing be sent.
pub(super) fn may_send_readonly(link: &Link) -> Result<bool, StoreError> {
    let found = effective(link, &[("readonly", "1")], &[])?;
    match found.first().map_or("0", |setting| &*setting.value) {
        "0" => Ok(true),
        "2" => Ok(false),
        other => Err(StoreError::Setting {
            name: "readonly".to_owned(),
            found: other.to_owned(),
            needed: "0 or 2".to_owned(),
            remedy: "set it to 2 in the settings profile of the reader, so that a question can \
                     have a time limit"
                .to_owned(),
        }),
    }
}

/// Which of the settings the server does not let us send.
fn constrained(link: &Link, wanted: &[(&str, &str)], source: &ServerFault) -> StoreError {
    let refused = wanted.iter().find(|setting| effective(link, wanted, &[**setting]).is_err());
    let (name, needed) = refused.copied().unwrap_or(("readonly", "0"));
    let now = effective(link, wanted, &[]).unwrap_or_default();
    let found = now
        .iter()
        .find(|it| it.name == name)
        .map_or_else(|| source.to_string(), |it| format!("{} and may not be changed", it.value));
    wrong(name, &found, needed)
}

fn wrong(name: &str, found: &str, needed: &str) -> StoreError {
    StoreError::Setting {
        name: name.to_owned(),
        found: found.to_owned(),
        needed: needed.to_owned(),
        remedy: "allow it in the settings profile of headcount's user (readonly 0, no constraint)"
            .to_owned(),
    }
}

/// Checks that the table is what the migrations make: its engine and the settings of it.
pub(super) fn check_table(link: &Link) -> Result<(), StoreError> {
    let query = link.client.query_raw(include_str!("sql/table_engine.sql"));
    let rows: Vec<Engine> = link.rows("read the settings of the table counts", TIMEOUT, query)?;
    let engine = rows.into_iter().next().map_or_else(String::new, |row| row.engine);
    let prefix = if link.cluster.is_some() { "Replicated" } else { "" };
    let merges = format!("{prefix}SummingMergeTree(");
    let sums = "(views, visitors, visits, clicks, refused, n)";
    let shape = "PARTITION BY week ORDER BY (kind, site, src, lo, bucket, name, target)";
    if !(engine.starts_with(&merges) && engine.contains(sums) && engine.contains(shape)) {
        return Err(StoreError::Setting {
            name: "engine of counts".to_owned(),
            found: engine.split(" PARTITION").next().unwrap_or_default().to_owned(),
            needed: format!(
                "{prefix}SummingMergeTree over the summed columns, partitioned by week"
            ),
            remedy: "let headcount create the table in an empty database".to_owned(),
        });
    }
    let settings = engine.split_once(" SETTINGS ").map_or("", |it| it.1);
    for name in TABLE {
        let value = settings
            .split(", ")
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix(" = "))
            .unwrap_or("0");
        if value.parse::<u64>().unwrap_or(0) == 0 {
            let needed = if name.ends_with("window") { "1000" } else { "1" };
            return Err(StoreError::Setting {
                name: format!("{name} of counts"),
                found: value.to_owned(),
                needed: needed.to_owned(),
                remedy: format!("ALTER TABLE counts MODIFY SETTING {name} = {needed}"),
            });
        }
    }
    Ok(())
}

/// Whether the server lists running queries by the id they were sent with. chDB does not.
pub(super) fn sees_queries(link: &Link) -> Result<bool, StoreError> {
    let id = format!("headcount-probe:{:016x}", super::writer::random()?);
    let query = link
        .client
        .query_raw(include_str!("sql/probe_processes.sql"))
        .param("id", &id)
        .with_setting("query_id", &id);
    let rows: Vec<Running> = link.rows("look at running queries", TIMEOUT, query)?;
    Ok(rows.iter().any(|row| row.running > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, expect) in
            [("25.8.1.1", true), ("26.1", true), ("25.10.1", true), ("25.7.9", false), ("", false)]
        {
            assert_eq!(is_new_enough(version), expect, "{version}");
        }
    }

    #[test]
    fn a_cluster_gets_replicated_tables_on_every_server() {
        let sql = on_cluster(MIGRATIONS[0], Some("blue`"));
        assert!(sql.contains("CREATE TABLE IF NOT EXISTS counts ON CLUSTER `blue\\`` \n"));
        assert!(sql.contains("CREATE OR REPLACE VIEW books ON CLUSTER `blue\\`` \n"));
        assert!(sql.contains("ENGINE = ReplicatedSummingMergeTree((views, "));
        assert_eq!(sql.matches("ENGINE = ReplicatedReplacingMergeTree(version)").count(), 2);
        assert_eq!(on_cluster(MIGRATIONS[0], None), MIGRATIONS[0]);
    }
}
