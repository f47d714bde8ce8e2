//! The books: what the counts add up to against what the ledger says, and how ledger rows are
//! written.
//!
//! What it is not: a repair. Books that do not balance are an alarm for a human.
//!
//! What surprises: not only totals are compared. The placement (`placement.rs`) tells when a count
//! stands in another cell than the one it was applied to, by a flipped bit for example. There is one
//! for the whole file and one row of the ledger for a source and day: of more it could be guessed
//! back what single views were.

use std::collections::HashMap;

use headcount_core::cell::Counts;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior};

use super::codes::{a_is_name, b_is_name};
use super::meta;
use crate::error::{Doing as _, StoreError};
use crate::placement::{chain, text_hash, weigh};
use crate::question::Books;

const DOING: &str = "add up the books";

/// A row of the ledger.
#[derive(Clone, Debug)]
pub(super) struct LedgerRow {
    pub(super) src: String,
    pub(super) lo: i64,
    pub(super) hi: i64,
    pub(super) kind: String,
    pub(super) closed_day: Option<i64>,
    pub(super) cells: i64,
    /// Views, visitors, visits, clicks, refused; negative for a removal.
    pub(super) numbers: [i64; 5],
}

impl LedgerRow {
    /// Writes the row, or adds it to the last one of its source if it goes on with it on the same
    /// day: a row for each insert would be a row for each view where few come.
    pub(super) fn put(&self, conn: &Connection) -> Result<(), StoreError> {
        let last = conn
            .prepare_cached(include_str!("sql/last_ledger_row.sql"))
            .and_then(|mut get| get.query_row([&self.src], Self::read).optional())
            .doing("read the last row of the ledger")?;
        let Some(last) = last else { return self.insert(conn) };
        let mut last =
            last.ok_or_else(|| meta::damaged(conn, "a ledger row does not match its checksum"))?;
        if last.absorb(self) { last.insert(conn) } else { self.insert(conn) }
    }

    /// Writes the row as it is, in the place of one that begins where it does.
    pub(super) fn insert(&self, conn: &Connection) -> Result<(), StoreError> {
        let [views, visitors, visits, clicks, refused] = self.numbers;
        conn.prepare_cached(include_str!("sql/insert_ledger_row.sql"))
            .and_then(|mut insert| {
                insert.execute(rusqlite::params![
                    self.src,
                    self.lo,
                    self.hi,
                    self.kind,
                    self.closed_day,
                    self.cells,
                    views,
                    visitors,
                    visits,
                    clicks,
                    refused,
                    self.seal(),
                ])
            })
            .doing("write a ledger row")?;
        Ok(())
    }

    /// Reads a row of `all_ledger_rows.sql` and the like; none if it does not match its checksum.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let read = Self::read_unsealed(row)?;
        let sealed: i64 = row.get(11)?;
        Ok(Some(read).filter(|read| read.seal() == sealed))
    }

    fn read_unsealed(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            src: row.get(0)?,
            lo: row.get(1)?,
            hi: row.get(2)?,
            kind: row.get(3)?,
            closed_day: row.get(4)?,
            cells: row.get(5)?,
            numbers: five(row, 6)?,
        })
    }

    fn seal(&self) -> i64 {
        let signed = [self.lo, self.hi, self.closed_day.unwrap_or(-1), self.cells];
        let mut parts = vec![text_hash(&self.src), text_hash(&self.kind)];
        parts.extend(signed.iter().chain(&self.numbers).map(|number| number.cast_unsigned()));
        chain(&parts).cast_signed()
    }

    /// Takes in the row that follows directly under the same source, kind and day. False, with
    /// nothing changed, if `next` is not such a row.
    pub(super) fn absorb(&mut self, next: &Self) -> bool {
        let follows = self.src == next.src
            && self.kind == next.kind
            && self.closed_day == next.closed_day
            && self.hi.checked_add(1) == Some(next.lo);
        let Some(numbers) = add_numbers(self.numbers, next.numbers).filter(|_| follows) else {
            return false;
        };
        self.hi = next.hi;
        self.cells = self.cells.saturating_add(next.cells);
        self.numbers = numbers;
        true
    }
}

fn add_numbers(a: [i64; 5], b: [i64; 5]) -> Option<[i64; 5]> {
    let mut sum = a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = sum.checked_add(b)?;
    }
    Some(sum)
}

/// Five numbers of a row from column `first`.
pub(super) fn five(row: &Row<'_>, first: usize) -> rusqlite::Result<[i64; 5]> {
    let at = |step| row.get(first + step);
    Ok([at(0)?, at(1)?, at(2)?, at(3)?, at(4)?])
}

/// Makes the seals of a file that had a placement in each row of its ledger, after the migration that
/// has added them up; the file is then to be written anew. Does nothing to a file that has them.
pub(super) fn reseal(conn: &mut Connection) -> Result<(), StoreError> {
    let doing = "seal the ledger anew";
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
    if meta::take(&tx, meta::RESEAL_DUE)?.is_none() {
        return Ok(());
    }
    let placement = meta::take(&tx, meta::PLACEMENT)?.unwrap_or(0);
    meta::put(&tx, meta::PLACEMENT, placement)?;
    let rows: Vec<LedgerRow> = tx
        .prepare(include_str!("sql/all_ledger_rows.sql"))
        .and_then(|mut get| get.query_map([], LedgerRow::read_unsealed)?.collect())
        .doing(doing)?;
    for row in &rows {
        row.insert(&tx)?;
    }
    if !rows.is_empty() {
        meta::put(&tx, meta::REWRITE_DUE, 1)?;
    }
    tx.commit().doing(doing)
}

/// The numbers as they stand in the file; `None` past its limit.
pub(super) fn signed(counts: &Counts) -> Option<[i64; 5]> {
    let signed = |n: u64| i64::try_from(n).ok();
    Some([
        signed(counts.views)?,
        signed(counts.visitors)?,
        signed(counts.visits)?,
        signed(counts.clicks)?,
        signed(counts.refused)?,
    ])
}

/// The numbers of a row; `None` if one is negative.
pub(super) fn unsigned(numbers: [i64; 5]) -> Option<Counts> {
    let [views, visitors, visits, clicks, refused] = numbers;
    let unsigned = |n: i64| u64::try_from(n).ok();
    Some(Counts {
        views: unsigned(views)?,
        visitors: unsigned(visitors)?,
        visits: unsigned(visits)?,
        clicks: unsigned(clicks)?,
        refused: unsigned(refused)?,
    })
}

/// The hash of a cell from the hashes of its site and names.
pub(super) fn cell_hash(site: u64, kind: i64, bucket: i64, (a, b): (u64, u64)) -> u64 {
    chain(&[site, kind.cast_unsigned(), bucket.cast_unsigned(), a, b])
}

/// One side of the books.
type Side = [i128; 5];

fn add_to(side: &mut Side, numbers: [i64; 5]) {
    for (sum, number) in side.iter_mut().zip(numbers) {
        *sum += i128::from(number);
    }
}

/// Adds up the whole file as this transaction sees it.
pub(super) fn audit(conn: &Connection, now: u64) -> Result<Books, StoreError> {
    let mut whole = true;
    let (counted, placement) = counts_side(conn, &mut whole)?;
    let (ledger, tiled) = ledger_side(conn, &mut whole)?;
    let delta = counted
        .iter()
        .zip(ledger)
        .fold(0u128, |sum, (counted, written)| sum.saturating_add(counted.abs_diff(written)));
    let misplaced = !whole || placement != meta::placement(conn)?;
    let delta = if misplaced { delta.max(1) } else { delta };
    // What is kept of it is an i64.
    let audit_delta = i64::try_from(delta).unwrap_or(i64::MAX).unsigned_abs();
    Ok(Books { audit_delta, tiled, checked_at: now })
}

/// Adds up the counts, and their placement. `whole` becomes false where a cell has a site or name that
/// does not exist, or a negative number.
fn counts_side(conn: &Connection, whole: &mut bool) -> Result<(Side, u64), StoreError> {
    let names = hashes(conn, include_str!("sql/all_names.sql"))?;
    let sites = hashes(conn, include_str!("sql/all_sites.sql"))?;
    let (mut side, mut placement) = (Side::default(), 0u64);
    let mut statement = conn.prepare(include_str!("sql/all_counts.sql")).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    while let Some(row) = rows.next().doing(DOING)? {
        let read =
            || -> rusqlite::Result<([i64; 5], [i64; 5])> { Ok((five(row, 0)?, five(row, 5)?)) };
        let ([site, kind, bucket, a, b], numbers) = read().doing(DOING)?;
        let hash_of = |is_name: bool, part: i64| {
            if is_name { names.get(&part).copied() } else { Some(part.cast_unsigned()) }
        };
        let placed = sites.get(&site).zip(hash_of(a_is_name(kind), a));
        let placed = placed.zip(hash_of(b_is_name(kind), b)).zip(unsigned(numbers));
        let Some((((site, a), b), counts)) = placed else {
            *whole = false;
            continue;
        };
        add_to(&mut side, numbers);
        let weight = weigh(cell_hash(*site, kind, bucket, (a, b)), &counts);
        placement = placement.wrapping_add(weight);
    }
    Ok((side, placement))
}

/// Adds up the ledger and sees whether the ranges of each source run from 1 without gap or overlap.
/// `whole` becomes false where a row does not match its checksum.
fn ledger_side(conn: &Connection, whole: &mut bool) -> Result<(Side, bool), StoreError> {
    let mut side = Side::default();
    let mut tiled = true;
    let mut last: (String, i64) = Default::default();
    let mut statement = conn.prepare(include_str!("sql/all_ledger_rows.sql")).doing(DOING)?;
    let mut rows = statement.query([]).doing(DOING)?;
    while let Some(row) = rows.next().doing(DOING)? {
        let Some(row) = LedgerRow::read(row).doing(DOING)? else {
            *whole = false;
            continue;
        };
        let before = if row.src == last.0 { last.1 } else { 0 };
        tiled &= before.checked_add(1) == Some(row.lo);
        add_to(&mut side, row.numbers);
        last = (row.src, row.hi);
    }
    Ok((side, tiled))
}

/// Id and hash of every text of a dictionary.
fn hashes(conn: &Connection, sql: &str) -> Result<HashMap<i64, u64>, StoreError> {
    let mut statement = conn.prepare(sql).doing(DOING)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, text_hash(row.get_ref(1)?.as_str()?))))
        .doing(DOING)?;
    rows.collect::<rusqlite::Result<_>>().doing(DOING)
}
