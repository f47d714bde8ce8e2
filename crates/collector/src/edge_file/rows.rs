//! Rows of the edge file, each with its checksum.
//!
//! What it is not: transactions; the caller brings them.
//!
//! What surprises: keys and counts are postcard bytes, not columns. They are read back only by the
//! same code, and one blob is checked and compared as one value.

use std::collections::{BTreeMap, VecDeque};

use headcount_core::batch::BatchId;
use headcount_core::cell::Counts;
use headcount_core::tally::Tally;
use headcount_core::time::Day;
use headcount_transport::Record;
use rusqlite::{Connection, Transaction, params};

use super::EdgeFileError;
use crate::names::{Name, NameId, NameKind, SiteId};
use crate::release::{EdgeCell, EdgeKey};

const DAMAGED_NAMES: EdgeFileError = EdgeFileError::Damaged { what: "table names" };
const DAMAGED_JOURNAL: EdgeFileError = EdgeFileError::Damaged { what: "table journal" };
const DAMAGED_CELLS: EdgeFileError = EdgeFileError::Damaged { what: "table cells" };
const DAMAGED_LANES: EdgeFileError = EdgeFileError::Damaged { what: "table lanes" };
const DAMAGED_OUTBOX: EdgeFileError = EdgeFileError::Damaged { what: "table outbox" };

/// A checksum over a row's table and fields, so that a row moved elsewhere is not right there.
fn checksum(table: &str, fields: &[&[u8]]) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(table.as_bytes());
    for field in fields {
        hasher.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(field);
    }
    i64::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

fn bytes_of<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, Vec::new())
        .expect("writing plain numbers into a growing vector has no way to fail")
}

pub(super) fn meta_checksum(collector: u64, epoch: u64, commits: u64) -> u64 {
    let fields = [collector, epoch, commits].map(u64::to_le_bytes);
    checksum("meta", &fields.each_ref().map(|f| f.as_slice())).cast_unsigned()
}

/// Writes one number of `meta` and the checksum over all of them.
pub(super) fn put_meta(
    transaction: &Transaction<'_>,
    key: &str,
    value: u64,
) -> Result<(), EdgeFileError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, value.cast_signed()])?;
    refresh_meta_checksum(transaction)
}

pub(super) fn refresh_meta_checksum(transaction: &Transaction<'_>) -> Result<(), EdgeFileError> {
    let mut statement = transaction.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let mut read = |key: &str| -> Result<u64, rusqlite::Error> {
        statement.query_row([key], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    let sum = meta_checksum(read("collector")?, read("epoch")?, read("commits")?);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('checksum', ?1)")?
        .execute([sum.cast_signed()])?;
    Ok(())
}

fn name_checksum(name: &Name) -> i64 {
    let numbers = [name.id.0, name.site.0, name.day.0, u32::from(name.kind.code())];
    let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    checksum("names", &[&numbers, name.text.as_bytes()])
}

pub(super) fn put_names(
    transaction: &Transaction<'_>,
    names: &[Name],
) -> Result<(), EdgeFileError> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO names (id, site, day, kind, text, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for name in names {
        statement.execute(params![
            name.id.0,
            name.site.0,
            name.day.0,
            name.kind.code(),
            name.text,
            name_checksum(name)
        ])?;
    }
    Ok(())
}

pub(super) fn names(db: &Connection) -> Result<Vec<Name>, EdgeFileError> {
    let mut statement = db.prepare("SELECT id, site, day, kind, text, checksum FROM names")?;
    let mut rows = statement.query([])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        let read = || -> Result<(Name, i64), rusqlite::Error> {
            let kind = NameKind::of_code(row.get(3)?).ok_or(rusqlite::Error::InvalidQuery)?;
            let (id, site, day) = (NameId(row.get(0)?), SiteId(row.get(1)?), Day(row.get(2)?));
            Ok((Name { id, site, day, kind, text: row.get(4)? }, row.get(5)?))
        };
        let (name, sum) = read().map_err(|_| DAMAGED_NAMES)?;
        if sum != name_checksum(&name) {
            return Err(DAMAGED_NAMES);
        }
        names.push(name);
    }
    Ok(names)
}

/// One row for a whole group of hits; none for an empty group.
pub(super) fn put_journal(
    transaction: &Transaction<'_>,
    number: u64,
    increments: &[EdgeCell],
) -> Result<(), EdgeFileError> {
    if increments.is_empty() {
        return Ok(());
    }
    let blob = bytes_of(&increments);
    let sum = checksum("journal", &[&number.to_le_bytes(), &blob]);
    transaction
        .prepare_cached("INSERT INTO journal (number, increments, checksum) VALUES (?1, ?2, ?3)")?
        .execute(params![number.cast_signed(), blob, sum])?;
    Ok(())
}

/// The journal added up, and the number of its last commit; `folded` is the one before its first.
pub(super) fn journal(
    db: &Connection,
    folded: u64,
) -> Result<(Tally<SiteId, NameId>, u64), EdgeFileError> {
    let mut statement =
        db.prepare("SELECT number, increments, checksum FROM journal ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut tally = Tally::default();
    let mut last = folded;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0).map_err(|_| DAMAGED_JOURNAL)?;
        let blob: Vec<u8> = row.get(1).map_err(|_| DAMAGED_JOURNAL)?;
        let sum: i64 = row.get(2).map_err(|_| DAMAGED_JOURNAL)?;
        let number = number.cast_unsigned();
        last += 1;
        if number != last || sum != checksum("journal", &[&number.to_le_bytes(), &blob]) {
            return Err(DAMAGED_JOURNAL);
        }
        let cells: Vec<EdgeCell> = postcard::from_bytes(&blob).map_err(|_| DAMAGED_JOURNAL)?;
        cells.iter().for_each(|(site, key, counts)| tally.add(*site, *key, counts));
    }
    Ok((tally, last))
}

pub(super) fn put_cells(
    transaction: &Transaction<'_>,
    cells: &[EdgeCell],
) -> Result<(), EdgeFileError> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO cells (cell, counts, checksum) VALUES (?1, ?2, ?3)",
    )?;
    for (site, key, counts) in cells {
        let (cell, counts) = (bytes_of(&(site, key)), bytes_of(counts));
        statement.execute(params![cell, counts, checksum("cells", &[&cell, &counts])])?;
    }
    Ok(())
}

pub(super) fn delete_cells(
    transaction: &Transaction<'_>,
    cells: &[(SiteId, EdgeKey)],
) -> Result<(), EdgeFileError> {
    let mut statement = transaction.prepare_cached("DELETE FROM cells WHERE cell = ?1")?;
    for cell in cells {
        statement.execute([bytes_of(cell)])?;
    }
    Ok(())
}

pub(super) fn cells(db: &Connection) -> Result<Tally<SiteId, NameId>, EdgeFileError> {
    let mut statement = db.prepare("SELECT cell, counts, checksum FROM cells")?;
    let mut rows = statement.query([])?;
    let mut tally = Tally::default();
    while let Some(row) = rows.next()? {
        let cell: Vec<u8> = row.get(0).map_err(|_| DAMAGED_CELLS)?;
        let counts: Vec<u8> = row.get(1).map_err(|_| DAMAGED_CELLS)?;
        let sum: i64 = row.get(2).map_err(|_| DAMAGED_CELLS)?;
        if sum != checksum("cells", &[&cell, &counts]) {
            return Err(DAMAGED_CELLS);
        }
        let (site, key): (SiteId, EdgeKey) =
            postcard::from_bytes(&cell).map_err(|_| DAMAGED_CELLS)?;
        let counts: Counts = postcard::from_bytes(&counts).map_err(|_| DAMAGED_CELLS)?;
        tally.add(site, key, &counts);
    }
    Ok(tally)
}

fn record_checksum(record: &Record) -> i64 {
    let numbers =
        [u64::from(record.partition), record.id.epoch, record.id.seq].map(u64::to_le_bytes);
    checksum("outbox", &[&numbers.concat(), &record.payload])
}

pub(super) fn put_record(
    transaction: &Transaction<'_>,
    record: &Record,
) -> Result<(), EdgeFileError> {
    transaction
        .prepare_cached(
            "INSERT INTO outbox (partition, epoch, seq, payload, checksum) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            record.partition,
            record.id.epoch.cast_signed(),
            record.id.seq.cast_signed(),
            record.payload,
            record_checksum(record)
        ])?;
    Ok(())
}

pub(super) fn delete_records(
    transaction: &Transaction<'_>,
    acked: &[(u32, BatchId)],
) -> Result<(), EdgeFileError> {
    let mut statement = transaction
        .prepare_cached("DELETE FROM outbox WHERE partition = ?1 AND epoch = ?2 AND seq <= ?3")?;
    for (partition, id) in acked {
        statement.execute(params![partition, id.epoch.cast_signed(), id.seq.cast_signed()])?;
    }
    Ok(())
}

fn lane_checksum(partition: u32, last_seq: u64) -> i64 {
    checksum("lanes", &[&partition.to_le_bytes(), &last_seq.to_le_bytes()])
}

pub(super) fn put_lane(
    transaction: &Transaction<'_>,
    partition: u32,
    last_seq: u64,
) -> Result<(), EdgeFileError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO lanes (partition, last_seq, checksum) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![partition, last_seq.cast_signed(), lane_checksum(partition, last_seq)])?;
    Ok(())
}

pub(super) fn lanes(db: &Connection) -> Result<BTreeMap<u32, u64>, EdgeFileError> {
    let mut statement = db.prepare("SELECT partition, last_seq, checksum FROM lanes")?;
    let mut rows = statement.query([])?;
    let mut lanes = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let read = || -> Result<(u32, i64, i64), rusqlite::Error> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        };
        let (partition, last_seq, sum) = read().map_err(|_| DAMAGED_LANES)?;
        if sum != lane_checksum(partition, last_seq.cast_unsigned()) {
            return Err(DAMAGED_LANES);
        }
        lanes.insert(partition, last_seq.cast_unsigned());
    }
    Ok(lanes)
}

pub(super) fn outbox(db: &Connection, collector: u64) -> Result<VecDeque<Record>, EdgeFileError> {
    let mut statement =
        db.prepare("SELECT partition, epoch, seq, payload, checksum FROM outbox ORDER BY n")?;
    let mut rows = statement.query([])?;
    let mut records = VecDeque::new();
    while let Some(row) = rows.next()? {
        let read = || -> Result<(Record, i64), rusqlite::Error> {
            let epoch: i64 = row.get(1)?;
            let seq: i64 = row.get(2)?;
            let id = BatchId { collector, epoch: epoch.cast_unsigned(), seq: seq.cast_unsigned() };
            Ok((Record { id, partition: row.get(0)?, payload: row.get(3)? }, row.get(4)?))
        };
        let (record, sum) = read().map_err(|_| DAMAGED_OUTBOX)?;
        if sum != record_checksum(&record) {
            return Err(DAMAGED_OUTBOX);
        }
        records.push_back(record);
    }
    Ok(records)
}
