//! Kafka and ClickHouse: what travels, and what rests.
//!
//! What it is not: their files. Records are read back as any reader gets them, tables as the
//! operator's user sees them; files of servers on this machine can be named with `--also`.
//!
//! What surprises: of Kafka only what came since the audit began is read; a table is read whole.

use headcount_store::clickhouse::dump::Dump;
use headcount_transport::kafka::records::{self, RawRecord};

use super::Audit;
use super::finder::{Finder, HEADERS, KEYS, SYSTEM, TABLES, TIMES, VALUES};
use crate::cluster;
use crate::notice::Mode;

/// Bytes of one table that are read.
const TABLE_BYTES_MAX: u64 = 1 << 30;
/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Where the topic ended before anything was sent, and when that was.
pub(super) struct Before {
    ends: Result<Vec<i64>, String>,
    unix_seconds: u64,
}

/// Looks how far the topic goes.
pub(super) fn before(audit: &Audit<'_>) -> Option<Before> {
    use headcount_core::time::Clock as _;
    (audit.mode == Mode::Cluster).then(|| Before {
        ends: cluster::kafka(audit.config)
            .and_then(|settings| Ok(records::ends(&settings)?))
            .map_err(|error| format!("{error:#}")),
        unix_seconds: crate::wall_clock::WallClock.unix_seconds(),
    })
}

/// Looks at all records since, and at every table.
pub(super) fn look(audit: &Audit<'_>, before: Option<Before>, finder: &mut Finder) {
    let Some(before) = before else {
        [KEYS, HEADERS, TIMES, VALUES].iter().for_each(|it| finder.said(it, "there is no Kafka"));
        [TABLES, SYSTEM].iter().for_each(|it| finder.said(it, "there is no ClickHouse"));
        return;
    };
    let read = before
        .ends
        .and_then(|ends| records(audit, &ends, finder).map_err(|error| format!("{error:#}")));
    if let Err(why) = read {
        [KEYS, HEADERS, TIMES, VALUES].iter().for_each(|it| finder.not_tested(it, &why));
    }
    if let Err(error) = tables(audit, before.unix_seconds, finder) {
        let why = format!("{error:#}");
        [TABLES, SYSTEM].iter().for_each(|it| finder.not_tested(it, &why));
    }
}

fn records(audit: &Audit<'_>, ends: &[i64], finder: &mut Finder) -> anyhow::Result<()> {
    let settings = cluster::kafka(audit.config)?;
    let topic = settings.topic.clone();
    let mut count = 0_u64;
    records::since(&settings, ends, |record| {
        count += 1;
        note(&topic, record, finder);
    })?;
    let said = format!("every record of the topic {topic} since the audit began");
    for artefact in [KEYS, HEADERS, TIMES, VALUES] {
        finder.said(artefact, &said);
        if count == 0 {
            finder.not_tested(artefact, "no record came");
        }
    }
    Ok(())
}

fn note(topic: &str, record: &RawRecord<'_>, finder: &mut Finder) {
    let at = format!("topic {topic}, partition {}", record.partition);
    finder.bytes(VALUES, &at, record.value);
    finder.bytes(KEYS, &at, record.key.unwrap_or_default());
    if record.key.is_some() {
        finder.broken(KEYS, &at, ("a record has a key", "there must be none"));
    }
    finder.bytes(HEADERS, &at, &[]);
    for (name, value) in &record.headers {
        finder.bytes(HEADERS, &at, name.as_bytes());
        finder.bytes(HEADERS, &at, value.unwrap_or_default());
        finder.broken(HEADERS, &at, ("a record has a header", "there must be none"));
    }
    finder.bytes(TIMES, &at, record.timestamp_ms.unwrap_or(0).to_string().as_bytes());
    if record.timestamp_ms.is_none_or(|ms| ms % HOUR_MS != 0) {
        finder.broken(TIMES, &at, ("a record tells its moment", "the start of an hour is allowed"));
    }
}

fn tables(audit: &Audit<'_>, since: u64, finder: &mut Finder) -> anyhow::Result<()> {
    let dump = Dump::connect(&cluster::clickhouse(audit.config)?)?;
    finder.said(TABLES, "every table and view of the database, as rows");
    let tables = dump.tables()?;
    if tables.is_empty() {
        finder.not_tested(TABLES, "the user sees none");
    }
    for table in tables {
        let read = dump.table(&table, TABLE_BYTES_MAX, |rows| finder.bytes(TABLES, &table, rows));
        rows(finder, TABLES, &table, read);
    }
    let Ok(logs) = dump.logs() else {
        finder.not_tested(SYSTEM, "the user may not see which there are");
        return Ok(());
    };
    if logs.is_empty() && dump.sees_system().unwrap_or(false) {
        finder.said(SYSTEM, "the server keeps none");
    } else if logs.is_empty() {
        finder.not_tested(SYSTEM, "the user may not see which there are");
    } else if dump.flush_logs().is_err() {
        finder.not_tested(SYSTEM, "they may lag: the user may not SYSTEM FLUSH LOGS");
    }
    for log in logs {
        let read = dump.log(&log, since, TABLE_BYTES_MAX, |rows| finder.bytes(SYSTEM, &log, rows));
        rows(finder, SYSTEM, &log, read);
    }
    Ok(())
}

fn rows(
    finder: &mut Finder,
    artefact: &'static str,
    table: &str,
    read: Result<bool, headcount_store::StoreError>,
) {
    match read {
        Ok(false) => {}
        Ok(true) => finder.not_tested(artefact, &format!("{table}: over {TABLE_BYTES_MAX} bytes")),
        Err(error) => finder.not_tested(artefact, &format!("{table}: {error}")),
    }
}
