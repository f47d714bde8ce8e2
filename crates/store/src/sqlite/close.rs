//! The close of days: small values of attributes lose their names, in the counts and on the disk.
//!
//! What it is not: a loss. What a value had goes to `(other)` of the same day, in one transaction
//! with the ledger row that says so and with the note that the day is closed.
//!
//! What surprises: closing a day again with the same threshold finds nothing to do, so a kill at any
//! moment needs no repair. With a higher one more of it is folded.

use headcount_core::cell::{Attribute, Counts};
use headcount_core::failpoint;
use headcount_core::time::Day;
use rusqlite::{Connection, TransactionBehavior};

use super::books::{LedgerRow, cell_hash, five, unsigned};
use super::names::{NameCache, Names};
use super::writer::{Row, progress, write_rows};
use super::{Writer, codes, meta};
use crate::answer::OTHER;
use crate::close::{Closed, DayValue, FOLD_SRC, small};
use crate::error::{Doing as _, StoreError};
use crate::placement::{text_hash, weigh};

const DOING: &str = "close a day";

#[cfg(test)]
impl Writer {
    /// Closed with a threshold of 0: what is asked for decides what is folded.
    pub(crate) fn note_closed(&self, before: Day) {
        note(&self.conn, before, 0).unwrap();
    }
}

impl Writer {
    /// Closes every day before `before`: of each attribute, values with fewer than `k` visitors of
    /// the day go into `(other)`, and the next smallest with them until none can be worked out. From
    /// then on the day's values may be asked for, and what still comes of it is `(other)`. With a `k` of
    /// 0 or 1 nothing is closed; with a higher one than before all days are closed again. Gives the
    /// number of values that lost their names.
    ///
    /// # Errors
    /// When the file cannot be read or written; call again, it goes on where it stopped.
    pub fn close_before(&mut self, before: Day, k: u32) -> Result<u64, StoreError> {
        let done = closed(&self.conn)?;
        if k <= 1 || (done.before >= before && done.k >= k) {
            return self.wipe_if_due().map(|()| 0);
        }
        // What was closed with a lower threshold is closed again: more is folded, nothing is told.
        let first = if done.k < k { Day(0) } else { done.before };
        let before = before.max(done.before);
        let mut folded = 0;
        for day in self.open_days([first, before])? {
            folded += self.close(day, k)?;
            failpoint::hit("close-day");
        }
        note(&self.conn, before, k)?;
        self.wipe_if_due()?;
        Ok(folded)
    }

    fn open_days(&self, [first, before]: [Day; 2]) -> Result<Vec<Day>, StoreError> {
        self.conn
            .prepare(include_str!("sql/open_days.sql"))
            .and_then(|mut get| {
                get.query_map((first.0, before.0), |row| row.get(0).map(Day))?
                    .collect::<rusqlite::Result<_>>()
            })
            .doing(DOING)
    }

    fn close(&mut self, day: Day, k: u32) -> Result<u64, StoreError> {
        let tx =
            self.conn.transaction_with_behavior(TransactionBehavior::Immediate).doing(DOING)?;
        let closed = self
            .names
            .refresh(&tx)
            .and_then(|()| close_in(&tx, &mut self.names, (day, k)))
            .and_then(|folded| {
                failpoint::hit("close-before");
                tx.commit().doing(DOING).map(|()| folded)
            });
        if closed.is_err() {
            self.names.clear();
        }
        closed
    }

    /// Names that nothing uses any more go from the file, too.
    fn wipe_if_due(&mut self) -> Result<(), StoreError> {
        if meta::get(&self.conn, meta::TEXT_WIPE_DUE)? == Some(1) {
            self.wipe_texts()
        } else {
            Ok(())
        }
    }
}

/// Which days are closed, and with which threshold the last one was.
pub(super) fn closed(conn: &Connection) -> Result<Closed, StoreError> {
    let number = |key| Ok::<_, StoreError>(meta::get(conn, key)?.unwrap_or(0));
    let small =
        |n: i64| u32::try_from(n).map_err(|_| meta::damaged(conn, "a closed day is no day"));
    Ok(Closed {
        before: Day(small(number(meta::CLOSED_BEFORE_DAY)?)?),
        k: small(number(meta::CLOSED_WITH_K)?)?,
    })
}

fn note(conn: &Connection, before: Day, k: u32) -> Result<(), StoreError> {
    meta::put(conn, meta::CLOSED_BEFORE_DAY, before.0.into())?;
    meta::put(conn, meta::CLOSED_WITH_K, k.into())
}

/// A cell of the table that is closed.
struct Cell {
    a: i64,
    name: String,
    counts: Counts,
}

fn close_in(
    tx: &Connection,
    cache: &mut NameCache,
    (day, k): (Day, u32),
) -> Result<u64, StoreError> {
    let (mut moved, mut placement) = (0u64, 0u64);
    let mut rows = Vec::new();
    for (site, host) in sites(tx)? {
        let host_hash = text_hash(&host);
        for attribute in Attribute::ALL {
            let kind = codes::attribute_kind(attribute);
            let cells = cells(tx, (site, kind, day))?;
            let values: Vec<_> =
                cells.iter().map(|it| DayValue { name: &it.name, counts: it.counts }).collect();
            let small = small(&values, attribute, k);
            let (mut sum, bucket) = (Counts::ZERO, i64::from(day.0));
            let hash = |name: &str| cell_hash(host_hash, kind, bucket, (text_hash(name), 0));
            for cell in &cells {
                if !small.below.iter().chain(&small.with_them).any(|name| *name == cell.name) {
                    continue;
                }
                tx.prepare_cached(include_str!("sql/delete_cell.sql"))
                    .and_then(|mut delete| delete.execute((site, kind, bucket, cell.a)))
                    .doing(DOING)?;
                let damaged = || meta::damaged(tx, "a count cannot be read");
                sum = sum.checked_add(cell.counts).ok_or_else(damaged)?;
                placement = placement.wrapping_sub(weigh(hash(&cell.name), &cell.counts));
                moved += 1;
            }
            if !sum.is_zero() {
                placement = placement.wrapping_add(weigh(hash(OTHER), &sum));
                let other = Names::new(tx, cache)?.name(OTHER)?.id;
                rows.push(Row {
                    key: [site, kind, bucket, other, 0],
                    hash: hash(OTHER),
                    counts: sum,
                });
            }
        }
    }
    write_rows(tx, &rows)?;
    if moved > 0 {
        put_ledger_row(tx, day, moved)?;
        meta::place(tx, placement)?;
        meta::put(tx, meta::TEXT_WIPE_DUE, 1)?;
    }
    // Days that are closed again come first, in their order; when this one's turn has come, all are.
    if closed(tx)?.before <= day {
        note(tx, day.plus(1), k)?;
    }
    Ok(moved)
}

fn put_ledger_row(tx: &Connection, day: Day, moved: u64) -> Result<(), StoreError> {
    let next = progress(tx, FOLD_SRC)?.applied.saturating_add(1);
    let next = i64::try_from(next).unwrap_or(i64::MAX);
    LedgerRow {
        src: FOLD_SRC.to_owned(),
        lo: next,
        hi: next,
        kind: "retention".to_owned(),
        closed_day: Some(day.0.into()),
        cells: i64::try_from(moved).unwrap_or(i64::MAX),
        numbers: [0; 5],
    }
    .insert(tx)
}

fn sites(tx: &Connection) -> Result<Vec<(i64, String)>, StoreError> {
    tx.prepare_cached(include_str!("sql/all_sites.sql"))
        .and_then(|mut get| {
            get.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()
        })
        .doing(DOING)
}

fn cells(tx: &Connection, (site, kind, day): (i64, i64, Day)) -> Result<Vec<Cell>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, five(row, 2)?));
    let found = tx
        .prepare_cached(include_str!("sql/day_values.sql"))
        .and_then(|mut get| {
            get.query_map((site, kind, day.0), read)?.collect::<rusqlite::Result<Vec<_>>>()
        })
        .doing(DOING)?;
    let cell = |(a, name, numbers)| {
        let counts =
            unsigned(numbers).ok_or_else(|| meta::damaged(tx, "a count cannot be read"))?;
        Ok(Cell { a, name, counts })
    };
    found.into_iter().map(cell).collect()
}
