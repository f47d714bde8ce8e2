//! The rows of the one table: cells and ledger rows as they are sent.
//!
//! What it is not: a judge of an insert. [`crate::Insert::check`] comes before.
//!
//! What surprises: the rows of an insert have a limit in number and bytes. Below it ClickHouse
//! makes one block of them, and one block in one partition is one part: all of it or nothing.

use std::collections::HashSet;

use clickhouse::Row;
use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::time::{Day, Hour};
use serde::Serialize;

use crate::close::{Closed, renamed, unnamed};
use crate::error::StoreError;
use crate::insert::Insert;
use crate::kind;

/// Rows of an insert at most, the ledger row among them: about half of what ClickHouse takes as one
/// block. [`INSERT_ROWS_MAX`] cells of the largest names would pass [`INSERT_BYTES_MAX`] first.
pub const INSERT_ROWS_MAX: usize = 500_000;
/// Bytes of an insert's rows at most, each counted as [`INSERT_ROW_BYTES`] and its names: half of
/// what ClickHouse takes as one block.
pub const INSERT_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of a row besides its names.
pub const INSERT_ROW_BYTES: usize = 96;
/// Seconds in a UTC day.
pub(super) const DAY_SECONDS: u32 = 86_400;

/// A ledger row of an applied insert.
pub(super) const BATCH: i8 = 100;
/// A ledger row of an erasure; its numbers are negative.
pub(super) const ERASE: i8 = 101;
/// A ledger row of retention; its numbers are negative.
pub(super) const RETENTION: i8 = 102;
/// A ledger row that stands for the ranges of dropped weeks.
pub(super) const FLOOR: i8 = 103;

/// A row of `counts`.
#[derive(Row, Serialize, Clone, Default)]
pub(super) struct CountRow<'a> {
    pub(super) week: u16,
    pub(super) kind: i8,
    pub(super) site: &'a str,
    pub(super) src: &'a str,
    pub(super) lo: u64,
    pub(super) bucket: u32,
    pub(super) name: &'a str,
    pub(super) target: &'a str,
    pub(super) hi: u64,
    pub(super) closed_day: u16,
    pub(super) cells: u32,
    pub(super) last_seqs: Vec<(u64, u64, u64)>,
    pub(super) views: i64,
    pub(super) visitors: i64,
    pub(super) visits: i64,
    pub(super) clicks: i64,
    pub(super) refused: i64,
    pub(super) n: i64,
}

impl<'a> CountRow<'a> {
    /// Its numbers.
    pub(super) fn numbers(&self) -> [i64; 5] {
        [self.views, self.visitors, self.visits, self.clicks, self.refused]
    }

    /// The same row with these numbers.
    pub(super) fn with_numbers(self, numbers: [i64; 5]) -> Self {
        let [views, visitors, visits, clicks, refused] = numbers;
        Self { views, visitors, visits, clicks, refused, ..self }
    }

    /// A cell in a week.
    fn cell(week: u16, (site, key): (&'a str, CellKey<&'a str>)) -> Result<Self, StoreError> {
        let (kind, _, _, _) = kind::parts(key);
        let row = Self {
            week,
            kind: i8::try_from(kind).map_err(|_| too_late())?,
            site,
            bucket: second_of(&key)?,
            ..Self::default()
        };
        Ok(match key {
            CellKey::Site { .. } => row,
            CellKey::Page { page, .. } => Self { name: page, ..row },
            CellKey::Click { page, target, .. } => Self { name: page, target, ..row },
            CellKey::Attribute { value, .. } => Self { name: value, ..row },
            CellKey::Refusal { reason, .. } => Self { name: reason.as_str(), ..row },
        })
    }
}

fn too_late() -> StoreError {
    StoreError::BadInsert { why: "a time lies after the year 2105" }
}

/// The first second of a cell's hour or day.
fn second_of(key: &CellKey<&str>) -> Result<u32, StoreError> {
    let hour = match key {
        CellKey::Site { hour } | CellKey::Page { hour, .. } | CellKey::Click { hour, .. } => *hour,
        CellKey::Attribute { day, .. } | CellKey::Refusal { day, .. } => day.first_hour(),
    };
    u32::try_from(Hour::unix_seconds(hour)).map_err(|_| too_late())
}

/// A day as ClickHouse counts it.
pub(super) fn date(day: Day) -> Result<u16, StoreError> {
    u16::try_from(day.0).map_err(|_| too_late())
}

/// The Monday of a day's week.
pub(super) fn week_of(day: Day) -> Day {
    day.monday()
}

/// The week an insert goes to: that of its closing day. Where a collector's clock runs ahead, that
/// of its latest cell, so that dropping a week never takes a younger day with it.
pub(super) fn week_for(insert: &Insert) -> Day {
    let latest = insert.batches.iter().filter_map(Batch::last_day).max();
    week_of(latest.unwrap_or_default().max(insert.closed_day))
}

/// The word of an attribute's kind in the table.
pub(super) fn attribute_word(attribute: Attribute) -> &'static str {
    attribute.as_str()
}

/// The rows of an insert: its cells without those of `erased` sites, and its ledger row last.
/// `week` is the partition. Values of closed days that may not be named are `(other)`.
pub(super) fn rows_of<'a>(
    insert: &'a Insert,
    week: Day,
    (erased, closed): (&HashSet<String>, Closed),
) -> Result<Vec<CountRow<'a>>, StoreError> {
    let mut rows = cells_of(insert, date(week)?, (erased, closed))?;
    let mut totals = [0i64; 5];
    for row in &rows {
        for (sum, number) in totals.iter_mut().zip(row.numbers()) {
            *sum = sum.checked_add(number).ok_or(TOO_LARGE)?;
        }
    }
    let bytes: usize =
        rows.iter().map(|it| INSERT_ROW_BYTES + it.name.len() + it.target.len()).sum();
    if rows.len() >= INSERT_ROWS_MAX || bytes > INSERT_BYTES_MAX {
        return Err(StoreError::BadInsert { why: "too many cells for one block" });
    }
    let ledger = CountRow {
        week: date(week)?,
        kind: BATCH,
        src: &insert.src,
        lo: insert.lo,
        hi: insert.hi,
        closed_day: date(insert.closed_day)?,
        cells: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        last_seqs: insert.last_seqs.iter().map(|it| (it.collector, it.epoch, it.seq)).collect(),
        n: 1,
        ..CountRow::default()
    };
    rows.push(ledger.with_numbers(totals));
    Ok(rows)
}

/// A number that the table cannot hold.
const TOO_LARGE: StoreError = StoreError::BadInsert { why: "a number is too large" };

/// Different cells in the order of the table, equal ones added up.
fn cells_of<'a>(
    insert: &'a Insert,
    week: u16,
    (erased, closed): (&HashSet<String>, Closed),
) -> Result<Vec<CountRow<'a>>, StoreError> {
    let mut rows: Vec<CountRow<'a>> = Vec::new();
    let unnamed = unnamed(insert, closed);
    for (site, key, counts) in insert.batches.iter().flat_map(|batch| batch.cells()) {
        if erased.contains(site) {
            continue;
        }
        let key = renamed(site, key, &unnamed);
        rows.push(CountRow::cell(week, (site, key))?.with_numbers(signed(counts)?));
    }
    fn place<'r>(row: &'r CountRow<'_>) -> (i8, &'r str, u32, &'r str, &'r str) {
        (row.kind, row.site, row.bucket, row.name, row.target)
    }
    rows.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
    let mut merged: Vec<CountRow<'a>> = Vec::with_capacity(rows.len());
    for row in rows {
        match merged.last_mut() {
            Some(last) if place(last) == place(&row) => {
                let mut sum = last.numbers();
                for (sum, number) in sum.iter_mut().zip(row.numbers()) {
                    *sum = sum.checked_add(number).ok_or(TOO_LARGE)?;
                }
                *last = last.clone().with_numbers(sum);
            }
            _ => merged.push(row),
        }
    }
    Ok(merged)
}

fn signed(counts: &Counts) -> Result<[i64; 5], StoreError> {
    let signed = |n: u64| i64::try_from(n).map_err(|_| TOO_LARGE);
    Ok([
        signed(counts.views)?,
        signed(counts.visitors)?,
        signed(counts.visits)?,
        signed(counts.clicks)?,
        signed(counts.refused)?,
    ])
}
