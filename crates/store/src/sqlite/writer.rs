//! The writer: applies inserts, each once, with its ledger row in the same transaction.
//!
//! What it is not: patient. It decides nothing about retries; it refuses an insert that is not the
//! next one of its source, and the aggregator reads the progress back.
//!
//! What surprises: opening reads the whole file: its structure, and whether the books balance. A
//! file with a flipped bit is refused then, before it can show a wrong count.

use std::path::{Path, PathBuf};

use headcount_core::batch::BatchId;
use headcount_core::cell::Counts;
use headcount_core::leak::{self, Leak};
use headcount_core::ledger::{Progress, Standing, Stream};
use headcount_core::time::Day;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::books::{self, LedgerRow, cell_hash};
use super::codes::{self, Part};
use super::names::{NameCache, Names};
use super::{COUNTS_FILE, close, meta};
use crate::close::{renamed, unnamed};
use crate::error::{Doing as _, StoreError};
use crate::insert::{Applied, Insert};
use crate::placement::{chain, text_hash, weigh};
use crate::question::Books;

/// A writer of a counts file: that of `up`, or that of an import beside it. Each has sources of
/// its own.
pub struct Writer {
    pub(super) conn: Connection,
    pub(super) names: NameCache,
    pub(super) path: PathBuf,
}

/// A cell with its names as numbers.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// Site, kind, bucket, `a`, `b`: the order of the table.
    pub(super) key: [i64; 5],
    /// Hash of the cell, for the placement.
    pub(super) hash: u64,
    pub(super) counts: Counts,
}

impl Writer {
    /// Opens the counts file at `path`, creates it if need be, brings its schema up to date and
    /// checks all of it (about a second for a million cells).
    ///
    /// # Errors
    /// [`StoreError::ForeignFile`], [`StoreError::NewerSchema`] and [`StoreError::Damaged`] say
    /// what is wrong with the file; others say what failed.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut conn = COUNTS_FILE.open(path)?;
        books::reseal(&mut conn)?;
        let path = path.to_owned();
        codes::write_words(&conn)?;
        if !codes::words_hold(&conn)? {
            return Err(StoreError::damaged(&path, "the words of attributes were changed"));
        }
        if meta::get(&conn, meta::OLDEST_READABLE_DAY)?.is_none() {
            meta::put(&conn, meta::OLDEST_READABLE_DAY, 0)?;
        }
        let mut writer = Self { conn, names: NameCache::default(), path };
        if !books::audit(&writer.conn, 0)?.balanced() {
            return Err(StoreError::damaged(&writer.path, "its counts do not match its ledger"));
        }
        if meta::get(&writer.conn, meta::REWRITE_DUE)?.is_some() {
            writer.forget_placements()?;
        }
        Ok(writer)
    }

    /// Adds the cells of an insert and its ledger row, in one transaction that is on disk when
    /// this returns.
    ///
    /// # Errors
    /// [`StoreError::OutOfOrder`] if the insert does not start right after what was applied,
    /// [`StoreError::BadInsert`] if it contradicts itself; then nothing was changed. After any
    /// other error read [`Writer::progress`] before trying again.
    pub fn apply(&mut self, insert: &Insert) -> Result<Applied, StoreError> {
        insert.check()?;
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin an insert")?;
        let applied = self
            .names
            .refresh(&tx)
            .and_then(|()| apply_in(&tx, &mut self.names, insert))
            .and_then(|applied| leaked(&tx).map(|()| applied))
            .and_then(|applied| tx.commit().doing("commit an insert").map(|()| applied));
        if applied.is_err() {
            // The ids of this transaction's new names went back with it.
            self.names.clear();
        }
        applied
    }

    /// How far a source was applied, from the ledger.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn progress(&mut self, src: &str) -> Result<Progress, StoreError> {
        progress(&self.conn, src)
    }

    /// How a source stands in the ledger: its last position, and the last batch of every stream.
    ///
    /// # Errors
    /// As [`Writer::last_seqs`].
    pub fn standing(&self, src: &str) -> Result<Standing, StoreError> {
        let last_seqs = self.last_seqs(src)?.into_iter().map(|id| (Stream::of(id), id.seq));
        let applied = progress(&self.conn, src)?.applied;
        Ok(Standing { applied, last_seqs: last_seqs.collect() })
    }

    /// The last batch of each collector and epoch that was applied from a source.
    ///
    /// # Errors
    /// When the file cannot be read, or a row does not match its checksum.
    pub fn last_seqs(&self, src: &str) -> Result<Vec<BatchId>, StoreError> {
        let doing = "read the last batches";
        let mut get = self.conn.prepare_cached(include_str!("sql/last_seqs.sql")).doing(doing)?;
        let rows = get
            .query_map([src], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .doing(doing)?
            .collect::<rusqlite::Result<Vec<(i64, i64, i64, i64)>>>()
            .doing(doing)?;
        rows.into_iter()
            .map(|(collector, epoch, seq, sealed)| {
                let id = BatchId {
                    collector: collector.cast_unsigned(),
                    epoch: epoch.cast_unsigned(),
                    seq: seq.cast_unsigned(),
                };
                if sealed == seal(src, &id) {
                    Ok(id)
                } else {
                    Err(meta::damaged(&self.conn, "a last batch does not match its checksum"))
                }
            })
            .collect()
    }

    /// Adds up counts and ledger, and writes the result down for readers. Blocks the writer for
    /// about half a second per million cells; [`super::Reader::audit`] does the same beside it.
    ///
    /// # Errors
    /// When the file cannot be read or written. Books that do not balance are no error here.
    pub fn audit(&mut self, now: u64) -> Result<Books, StoreError> {
        let books = {
            let tx = self.conn.transaction().doing("begin an audit")?;
            books::audit(&tx, now)?
        };
        self.record_audit(&books)?;
        Ok(books)
    }

    /// Writes down an audit that a reader has made.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record_audit(&mut self, books: &Books) -> Result<(), StoreError> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("write an audit down")?;
        meta::put_audit(&tx, books)?;
        tx.commit().doing("write an audit down")
    }

    /// Hides all counts of days before `day` from every view and question, at once.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_oldest_readable(&mut self, day: Day) -> Result<(), StoreError> {
        meta::put(&self.conn, meta::OLDEST_READABLE_DAY, day.0.into())
    }

    /// A ledger of before had a row for each insert; nothing of those stays in the file. Killed on
    /// the way, the next start does it.
    fn forget_placements(&mut self) -> Result<(), StoreError> {
        self.compact_ledger(Day(u32::MAX))?;
        self.conn.execute_batch("VACUUM").doing("write the file anew")?;
        meta::take(&self.conn, meta::REWRITE_DUE)?;
        self.empty_log().map(drop)
    }

    /// Rows that this writer has written or deleted so far: a number that tells whether there was anything.
    pub fn changes(&self) -> u64 {
        self.conn.total_changes()
    }

    /// Empties the write-ahead log, which has each insert of late as a change of its own. False if a
    /// reader is in the way; then nothing is lost, and a later call does it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn empty_log(&self) -> Result<bool, StoreError> {
        let busy: i64 = self
            .conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .doing("empty the write-ahead log")?;
        Ok(busy == 0)
    }

    /// Joins the ledger rows of each source that were closed before `before` to one a day, so that
    /// the ledger grows by days and not by inserts. Sums and ranges stay what they are.
    /// Gives the rows saved.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn compact_ledger(&mut self, before: Day) -> Result<u64, StoreError> {
        let doing = "compact the ledger";
        let tx =
            self.conn.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
        let rows = tx
            .prepare(include_str!("sql/compactable_rows.sql"))
            .and_then(|mut get| {
                get.query_map([before.0], LedgerRow::read)?
                    .collect::<rusqlite::Result<Option<Vec<_>>>>()
            })
            .doing(doing)?
            .ok_or_else(|| meta::damaged(&tx, "a ledger row does not match its checksum"))?;
        let mut saved = 0;
        let mut runs: Vec<(LedgerRow, u64)> = Vec::new();
        for row in rows {
            if let Some((run, joined)) = runs.last_mut()
                && run.absorb(&row)
            {
                *joined += 1;
                continue;
            }
            runs.push((row, 0));
        }
        for (run, joined) in runs.iter().filter(|(_, joined)| *joined > 0) {
            tx.prepare_cached(include_str!("sql/delete_ledger_rows.sql"))
                .and_then(|mut delete| delete.execute((&run.src, run.lo, run.hi)))
                .doing(doing)?;
            run.insert(&tx)?;
            saved += joined;
        }
        tx.commit().doing(doing)?;
        Ok(saved)
    }
}

/// A leak of a test build; nothing in any other.
fn leaked(tx: &Connection) -> Result<(), StoreError> {
    let Some(seen) = leak::seen(Leak::Store) else { return Ok(()) };
    tx.execute_batch("CREATE TABLE IF NOT EXISTS leaked (text)")
        .and_then(|()| tx.execute("INSERT INTO leaked VALUES (?1)", [seen]))
        .map(drop)
        .doing("leak")
}

/// The ledger's word on how far a source was applied.
pub(super) fn progress(conn: &Connection, src: &str) -> Result<Progress, StoreError> {
    let applied: i64 = conn
        .prepare_cached(include_str!("sql/progress.sql"))
        .and_then(|mut get| get.query_row([src], |row| row.get(0)))
        .doing("read the progress of a source")?;
    Ok(Progress { applied: applied.unsigned_abs() })
}

/// Adds the cells of an insert and its ledger row inside a transaction.
pub(super) fn apply_in(
    tx: &Connection,
    cache: &mut NameCache,
    insert: &Insert,
) -> Result<Applied, StoreError> {
    let expected = progress(tx, &insert.src)?.applied.saturating_add(1);
    if insert.lo != expected {
        return Err(StoreError::OutOfOrder { src: insert.src.clone(), lo: insert.lo, expected });
    }
    let rows = merged_rows(tx, cache, insert)?;
    let placement =
        rows.iter().fold(0u64, |sum, row| sum.wrapping_add(weigh(row.hash, &row.counts)));
    write_rows(tx, &rows)?;
    let overflow = StoreError::BadInsert { why: "a number is too large" };
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    LedgerRow {
        src: insert.src.clone(),
        lo: number(insert.lo),
        hi: number(insert.hi),
        kind: "batch".to_owned(),
        closed_day: Some(insert.closed_day.0.into()),
        cells: i64::try_from(rows.len()).unwrap_or(i64::MAX),
        numbers: books::signed(&insert.totals).ok_or(overflow)?,
    }
    .put(tx)?;
    meta::place(tx, placement)?;
    for id in &insert.last_seqs {
        put_last_seq(tx, &insert.src, id)?;
    }
    Ok(Applied {
        progress: Progress { applied: insert.hi },
        cells: u64::try_from(rows.len()).unwrap_or(u64::MAX),
    })
}

/// All cells of the insert with numbers for names, equal ones added up, in the order of the table:
/// neighbours share a page of the file.
fn merged_rows(
    tx: &Connection,
    cache: &mut NameCache,
    insert: &Insert,
) -> Result<Vec<Row>, StoreError> {
    let unnamed = unnamed(insert, close::closed(tx)?);
    let mut names = Names::new(tx, cache)?;
    let mut rows = Vec::with_capacity(insert.batches.iter().map(|batch| batch.len()).sum());
    for (site, key, counts) in insert.batches.iter().flat_map(|batch| batch.cells()) {
        let key = renamed(site, key, &unnamed);
        let site = names.site(site)?;
        let (kind, bucket, a, b) = codes::parts(key);
        let mut part = |part: Part<&str>| match part {
            Part::Name(text) => names.name(text).map(|known| (known.id, known.hash)),
            Part::Number(number) => Ok((number, number.cast_unsigned())),
        };
        let (a, b) = (part(a)?, part(b)?);
        let hash = cell_hash(site.hash, kind, bucket, (a.1, b.1));
        rows.push(Row { key: [site.id, kind, bucket, a.0, b.0], hash, counts: *counts });
    }
    rows.sort_unstable_by_key(|row| row.key);
    rows.dedup_by(|next, kept| {
        let same = next.key == kept.key;
        if same {
            kept.counts.add(&next.counts);
        }
        same
    });
    Ok(rows)
}

pub(super) fn write_rows(tx: &Connection, rows: &[Row]) -> Result<(), StoreError> {
    let doing = "write counts";
    let mut upsert = tx.prepare_cached(include_str!("sql/upsert_cell.sql")).doing(doing)?;
    for row in rows {
        let [site, kind, bucket, a, b] = row.key;
        let [views, visitors, visits, clicks, refused] = books::signed(&row.counts)
            .ok_or(StoreError::BadInsert { why: "a number is too large" })?;
        upsert
            .execute((site, kind, bucket, a, b, views, visitors, visits, clicks, refused))
            .doing(doing)?;
    }
    Ok(())
}

/// Notes the last batch of a collector; a step back would mean that a batch comes twice.
fn put_last_seq(tx: &Connection, src: &str, id: &BatchId) -> Result<(), StoreError> {
    let doing = "write the last batch of a collector";
    let key = (src, id.collector.cast_signed(), id.epoch.cast_signed());
    let before: Option<(i64, i64)> = tx
        .prepare_cached(include_str!("sql/last_seq.sql"))
        .and_then(|mut get| get.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .doing(doing)?;
    if let Some((seq, sealed)) = before {
        let seq = seq.cast_unsigned();
        if sealed != seal(src, &BatchId { seq, ..*id }) {
            return Err(meta::damaged(tx, "a last batch does not match its checksum"));
        }
        if id.seq < seq {
            return Err(StoreError::BadInsert { why: "a collector's batches go backwards" });
        }
    }
    let sealed = seal(src, id);
    tx.prepare_cached(include_str!("sql/put_last_seq.sql"))
        .and_then(|mut put| put.execute((key.0, key.1, key.2, id.seq.cast_signed(), sealed)))
        .doing(doing)?;
    Ok(())
}

fn seal(src: &str, id: &BatchId) -> i64 {
    chain(&[text_hash(src), id.collector, id.epoch, id.seq]).cast_signed()
}
