//! Removal: retention and erasure, from the views at once and from the disk before this returns.
//!
//! What it is not: able to take anything from the ledger. Each step adds a row with negative
//! numbers, so the books balance at every moment.
//!
//! What surprises: `secure_delete` alone is not enough. When SQLite moves rows between pages it can
//! leave copies in the slack of the old page, where a later delete does not reach; so the
//! dictionaries, the only place with text, are emptied and filled again with what is still used.

use std::collections::HashMap;

use headcount_core::cell::Counts;
use headcount_core::failpoint;
use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::books::{LedgerRow, cell_hash, five, unsigned};
use super::writer::progress;
use super::{Writer, codes, meta};
use crate::error::{Doing as _, StoreError};
use crate::placement::{text_hash, weigh};

/// Cells deleted in one transaction at most: a few tens of milliseconds, then readers and the
/// write-ahead log get air.
const CELLS_PER_REMOVAL_MAX: u32 = 20_000;
/// Pages given back in one step.
const PAGES_PER_VACUUM: u32 = 2_000;

/// What was taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Cells deleted.
    pub cells: u64,
    /// The sum over them.
    pub totals: Counts,
}

impl Removed {
    /// Adds what another part of the removal deleted.
    pub(crate) fn add(&mut self, part: &Self) {
        self.cells += part.cells;
        self.totals.add(&part.totals);
    }
}

/// Why cells go.
#[derive(Clone, Copy)]
struct Reason {
    src: &'static str,
    kind: &'static str,
    closed_day: Option<i64>,
}

impl Writer {
    /// Deletes every count of days before `oldest_kept` and the names that only they used, hides
    /// those days from readers first, and leaves no trace in the file or its write-ahead log.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when a long read kept the write-ahead log from being emptied: call
    /// again, it goes on where it stopped. Others when the file cannot be read or written.
    pub fn purge_older(&mut self, oldest_kept: Day) -> Result<Removed, StoreError> {
        if meta::oldest_readable(&self.conn)? < oldest_kept {
            self.set_oldest_readable(oldest_kept)?;
        }
        let closed_day = Some(oldest_kept.0.into());
        let reason = Reason { src: "(retention)", kind: "retention", closed_day };
        let sites = self
            .conn
            .prepare(include_str!("sql/all_sites.sql"))
            .and_then(|mut get| {
                get.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<rusqlite::Result<Vec<(i64, String)>>>()
            })
            .doing("list the sites")?;
        let mut removed = Removed::default();
        for (id, host) in &sites {
            self.remove_cells((*id, host), Some(oldest_kept), (reason, &mut removed))?;
        }
        self.forget_imports(oldest_kept)?;
        self.wipe_texts()?;
        Ok(removed)
    }

    /// Deletes every count of a site, its host and the names that only it used, and leaves no
    /// trace in the file or its write-ahead log. A site that is not there is no error.
    ///
    /// # Errors
    /// As [`Writer::purge_older`].
    pub fn erase_site(&mut self, host: &SiteHost) -> Result<Removed, StoreError> {
        self.forget_imports_of(host)?;
        let host = host.as_str();
        let id = self
            .conn
            .query_row(include_str!("sql/find_site.sql"), [host], |row| row.get(0))
            .optional()
            .doing("find the site")?;
        let mut removed = Removed::default();
        if let Some(id) = id {
            let reason = Reason { src: "(erase)", kind: "erase", closed_day: None };
            self.remove_cells((id, host), None, (reason, &mut removed))?;
        }
        self.wipe_texts()?;
        failpoint::hit("erase-wiped");
        Ok(removed)
    }

    /// Deletes a site's cells before a day (or all), chunk by chunk.
    fn remove_cells(
        &mut self,
        (site, host): (i64, &str),
        before: Option<Day>,
        (reason, removed): (Reason, &mut Removed),
    ) -> Result<(), StoreError> {
        let site_hash = text_hash(host);
        for (kind, hourly) in codes::kinds() {
            let bucket = match before {
                Some(day) if hourly => i64::from(day.first_hour().0),
                Some(day) => i64::from(day.0),
                None => i64::MAX,
            };
            loop {
                let tx = self
                    .conn
                    .transaction_with_behavior(TransactionBehavior::Immediate)
                    .doing("begin a removal")?;
                let chunk = Chunk { site, site_hash, kind, before: bucket };
                let (cells, totals) = chunk.delete(&tx, reason)?;
                tx.commit().doing("commit a removal")?;
                if reason.closed_day.is_none() {
                    failpoint::hit("erase-chunk");
                }
                removed.add(&Removed { cells: cells.into(), totals });
                if cells < CELLS_PER_REMOVAL_MAX {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes both dictionaries anew with what is used, gives free pages back to the disk, and
    /// empties the write-ahead log.
    pub(super) fn wipe_texts(&mut self) -> Result<(), StoreError> {
        self.names.clear();
        let doing = "wipe unused names";
        let tx =
            self.conn.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
        let is_due = meta::get(&tx, meta::TEXT_WIPE_DUE)?.unwrap_or(1) == 1;
        if is_due {
            tx.execute_batch(include_str!("sql/wipe_texts.sql")).doing(doing)?;
        }
        tx.commit().doing(doing)?;
        self.vacuum()?;
        if !self.empty_log()? {
            return Err(StoreError::Busy { doing: "empty the write-ahead log", source: None });
        }
        // Not before: where a reader was in the way, the old pages are still there.
        if is_due {
            meta::put(&self.conn, meta::TEXT_WIPE_DUE, 0)?;
        }
        Ok(())
    }

    fn vacuum(&self) -> Result<(), StoreError> {
        let doing = "give free pages back";
        let free = || self.conn.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
        let mut before = free().doing(doing)?;
        while before > 0 {
            let sql = format!("PRAGMA incremental_vacuum({PAGES_PER_VACUUM})");
            let mut step = self.conn.prepare(&sql).doing(doing)?;
            let mut rows = step.query([]).doing(doing)?;
            while rows.next().doing(doing)?.is_some() {}
            let after = free().doing(doing)?;
            if after >= before {
                break;
            }
            before = after;
        }
        Ok(())
    }
}

/// Cells that lie together in the table.
struct Chunk {
    site: i64,
    site_hash: u64,
    kind: i64,
    /// Buckets below this one.
    before: i64,
}

impl Chunk {
    /// Deletes the first of them and writes the ledger row.
    fn delete(&self, tx: &Connection, reason: Reason) -> Result<(u32, Counts), StoreError> {
        let doing = "delete counts";
        let mut texts = HashMap::new();
        let (mut cells, mut totals, mut placement) = (0u32, Counts::ZERO, 0u64);
        let mut delete = tx.prepare_cached(include_str!("sql/delete_chunk.sql")).doing(doing)?;
        let mut rows = delete
            .query((self.site, self.kind, self.before, CELLS_PER_REMOVAL_MAX))
            .doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?, five(row, 3)?));
            let (bucket, a, b, numbers): (i64, i64, i64, _) = read().doing(doing)?;
            let bad = || meta::damaged(tx, "a count cannot be read");
            let counts = unsigned(numbers).ok_or_else(bad)?;
            let mut hash = |is_name, id| hash_of(tx, &mut texts, (is_name, id));
            let parts =
                (hash(codes::a_is_name(self.kind), a)?, hash(codes::b_is_name(self.kind), b)?);
            let cell = cell_hash(self.site_hash, self.kind, bucket, parts);
            placement = placement.wrapping_add(weigh(cell, &counts));
            totals = totals.checked_add(counts).ok_or_else(bad)?;
            cells += 1;
        }
        if cells > 0 {
            let next = progress(tx, reason.src)?.applied.saturating_add(1);
            let next = i64::try_from(next).unwrap_or(i64::MAX);
            let numbers = super::books::signed(&totals)
                .ok_or_else(|| meta::damaged(tx, "a count cannot be read"))?;
            LedgerRow {
                src: reason.src.to_owned(),
                lo: next,
                hi: next,
                kind: reason.kind.to_owned(),
                closed_day: reason.closed_day,
                cells: cells.into(),
                numbers: numbers.map(|number| -number),
            }
            .insert(tx)?;
            meta::place(tx, placement.wrapping_neg())?;
            meta::put(tx, meta::TEXT_WIPE_DUE, 1)?;
        }
        Ok((cells, totals))
    }
}

/// The hash of a part of a key: of the text if it is a name.
fn hash_of(
    tx: &Connection,
    texts: &mut HashMap<i64, u64>,
    (is_name, id): (bool, i64),
) -> Result<u64, StoreError> {
    if !is_name {
        return Ok(id.cast_unsigned());
    }
    if let Some(hash) = texts.get(&id) {
        return Ok(*hash);
    }
    let hash = tx
        .prepare_cached(include_str!("sql/name_text.sql"))
        .and_then(|mut get| {
            get.query_row([id], |row| Ok(text_hash(row.get_ref(0)?.as_str()?))).optional()
        })
        .doing("read a name")?
        .ok_or_else(|| meta::damaged(tx, "a count has a name that does not exist"))?;
    texts.insert(id, hash);
    Ok(hash)
}
