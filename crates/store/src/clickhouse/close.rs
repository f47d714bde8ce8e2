//! The close of days: small values of attributes lose their names, in the table and by a merge.
//!
//! What it is not: one transaction for a day. A day's rows may lie in two weeks, and a block goes
//! into one. So the values that only keep small ones company go first: whoever is killed between two
//! blocks leaves the small ones whole, and the next close hides at least as much.
//!
//! What surprises: nothing needs to be remembered over a crash. What is still to be moved is asked
//! anew before each block, and the number of the block, read before that, names its token: of two
//! writers that close the same day, the second is dropped as a twin of the first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clickhouse::Row;
use headcount_core::cell::Counts;
use headcount_core::time::Day;
use serde::Deserialize;

use super::remove::{NOTES_AGE_MARGIN, REMOVAL_PAUSE, TIMEOUT};
use super::rows::{CountRow, DAY_SECONDS, RETENTION, date};
use super::writer::NOTES_AGE_MAX;
use super::{Writer, facts};
use crate::answer::OTHER;
use crate::close::{DayValue, FOLD_SRC, small};
use crate::error::StoreError;
use crate::kind::attribute_of;

const DOING: &str = "close a day in clickhouse";
/// Rows of a day that are looked at together at most, about 40 MB; whole sites, so a few more.
const ROWS_PER_PART: u64 = 200_000;
/// Values that one block moves at most.
const MOVES_MAX: usize = 50_000;
/// Blocks without an end: something else writes what is taken out.
const BLOCKS_MAX: u32 = 1_000;
/// Blocks that failed one after the other.
const FAILURES_MAX: u32 = 10;

#[derive(Row, Deserialize)]
struct OpenDay {
    day: u16,
    cells: u64,
}

#[derive(Row, Deserialize)]
struct Number {
    week: u16,
    number: u64,
}

/// A part of a value: what one week has of it.
#[derive(Row, Deserialize)]
struct Part {
    week: u16,
    code: i8,
    host: String,
    name: String,
    views_sum: i64,
    visitors_sum: i64,
    visits_sum: i64,
}

/// What is closed: a day, a share of its sites, and the threshold.
#[derive(Clone, Copy)]
struct Share {
    day: Day,
    parts: u64,
    part: u64,
    k: u32,
}

/// A value that loses its name, by its site, attribute and name.
type Moved = (String, i8, String);

/// The blocks that were sent for a week: the last number, the attempt, and whether it was answered.
type Sent = HashMap<u16, (u64, u32, bool)>;

/// Values that were found to lose their names, and whether they only keep others company.
type Found = BTreeMap<Moved, bool>;

impl Writer {
    /// Closes every day before `before`, as the embedded store does: see
    /// [`crate::sqlite::Writer::close_before`]. Other writers follow within two seconds, which is
    /// waited for.
    ///
    /// # Errors
    /// When the server cannot be reached or a merge does not come to an end: call again, it goes on.
    pub fn close_before(&mut self, before: Day, k: u32) -> Result<u64, StoreError> {
        let mut closed = facts::day(&self.link, facts::CLOSED_BEFORE_DAY)?;
        let with = facts::day(&self.link, facts::CLOSED_WITH_K)?.0;
        if k <= 1 || (closed >= before && with >= k) {
            return Ok(0);
        }
        let before = before.max(closed);
        if with < k && closed > Day(0) {
            // What was closed with a lower threshold is closed again. Until it is, all of it is open.
            facts::put(&self.link, &[(facts::CLOSED_BEFORE_DAY, 0)])?;
            closed = Day(0);
        }
        let notes =
            [(facts::CLOSING_BEFORE_DAY, before.0.into()), (facts::CLOSED_WITH_K, k.into())];
        facts::put(&self.link, &notes)?;
        self.forget_notes();
        // Until every other writer has seen that these days close, and names no value of them.
        std::thread::sleep(NOTES_AGE_MAX + NOTES_AGE_MARGIN);
        self.stop("headcount:")?;
        let (mut folded, mut weeks) = (0, BTreeSet::new());
        for OpenDay { day, cells } in self.open_days(closed, before)? {
            let parts = cells / ROWS_PER_PART + 1;
            for part in 0..parts {
                let share = Share { day: Day(day.into()), parts, part, k };
                folded += self.close_share(share, &mut weeks)?;
            }
        }
        for week in weeks {
            self.merge(Day(week))?;
        }
        facts::put(&self.link, &[(facts::CLOSED_BEFORE_DAY, before.0.into())])?;
        Ok(folded)
    }

    fn open_days(&self, closed: Day, before: Day) -> Result<Vec<OpenDay>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/open_days.sql"));
        let query = query.param("closed", date(closed)?).param("before", date(before)?);
        self.link.rows(DOING, TIMEOUT, query)
    }

    /// Sends block after block, until no value of it is left that must lose its name.
    fn close_share(&self, share: Share, weeks: &mut BTreeSet<u32>) -> Result<u64, StoreError> {
        let (mut found, mut sent, mut failures) = (Found::new(), Sent::new(), 0);
        for _ in 0..BLOCKS_MAX {
            let numbers = self.numbers()?;
            let parts = self.parts(share)?;
            find(&parts, share.k, &mut found);
            let Some((week, block)) = next_block(&parts, &found) else {
                return Ok(u64::try_from(found.len()).unwrap_or(u64::MAX));
            };
            let number = numbers.get(&week).copied().unwrap_or(0) + 1;
            // The same number again after a success: nothing was written, the token is spent.
            let attempt = match sent.get(&week) {
                Some((same, attempt, true)) if *same == number => attempt + 1,
                Some((same, attempt, false)) if *same == number => *attempt,
                _ => 0,
            };
            let token = format!("{FOLD_SRC}:{week}:{number}.{attempt}");
            let rows = rows_of(share.day, (week, number), &block)?;
            let answer = self.write(&rows, &token, &format!("headcount:{FOLD_SRC}:{number}:"));
            sent.insert(week, (number, attempt, answer.is_ok()));
            weeks.insert(week.into());
            match answer {
                Ok(()) => failures = 0,
                Err(error) if error.is_retryable() && failures < FAILURES_MAX => {
                    failures += 1;
                    std::thread::sleep(REMOVAL_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy { doing: DOING, source: None })
    }

    /// The last block of every week.
    fn numbers(&self) -> Result<HashMap<u16, u64>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/fold_numbers.sql"));
        let rows: Vec<Number> = self.link.rows(DOING, TIMEOUT, query.param("src", FOLD_SRC))?;
        Ok(rows.into_iter().map(|row| (row.week, row.number)).collect())
    }

    fn parts(&self, share: Share) -> Result<Vec<Part>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/day_values.sql"));
        let query = query
            .param("second", share.day.0.saturating_mul(DAY_SECONDS))
            .param("parts", share.parts)
            .param("part", share.part);
        self.link.rows(DOING, TIMEOUT, query)
    }
}

impl Part {
    fn counts(&self) -> Counts {
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        Counts {
            views: number(self.views_sum),
            visitors: number(self.visitors_sum),
            visits: number(self.visits_sum),
            ..Counts::ZERO
        }
    }

    fn is_other(&self) -> bool {
        self.name == OTHER
    }

    fn moved(&self) -> Moved {
        (self.host.clone(), self.code, self.name.clone())
    }
}

/// Adds the values that lose their names. What was found once stays so: a part of it may have been
/// moved already.
fn find(parts: &[Part], k: u32, found: &mut Found) {
    let mut tables: BTreeMap<(&str, i8), BTreeMap<&str, Counts>> = BTreeMap::new();
    let unfound = parts.iter().filter(|part| !found.contains_key(&part.moved()));
    for part in unfound {
        let table = tables.entry((&part.host, part.code)).or_default();
        table.entry(&part.name).or_default().add(&part.counts());
    }
    let mut new = Vec::new();
    for ((host, code), table) in tables {
        let of_table =
            found.range((host.to_owned(), code, String::new())..).next().map(|(moved, _)| moved);
        let is_known = of_table.is_some_and(|(of, kind, _)| of == host && *kind == code);
        let values: Vec<DayValue<'_>> =
            table.into_iter().map(|(name, counts)| DayValue { name, counts }).collect();
        let Some(attribute) = attribute_of(code.into()) else { continue };
        let small = small(&values, attribute, k);
        let moved = |name: &&str| (host.to_owned(), code, (*name).to_owned());
        new.extend(small.below.iter().map(|name| (moved(name), false)));
        // Where small values were found before, they keep each other company.
        let with_them = small.with_them.iter().filter(|_| !is_known);
        new.extend(with_them.map(|name| (moved(name), true)));
    }
    found.extend(new);
}

/// The next block: parts of one week, those that only keep others company first, unless all that is
/// left lies in one week.
fn next_block<'a>(parts: &'a [Part], found: &Found) -> Option<(u16, Vec<&'a Part>)> {
    let mut left: Vec<(&Part, bool)> = parts
        .iter()
        .filter(|part| !part.is_other())
        .filter_map(|part| found.get(&part.moved()).map(|company| (part, *company)))
        .collect();
    let is_one_week =
        left.iter().all(|(part, _)| Some(part.week) == left.first().map(|it| it.0.week));
    if !is_one_week && left.iter().any(|(_, company)| *company) {
        left.retain(|(_, company)| *company);
    }
    let week = left.first()?.0.week;
    let block = left.into_iter().map(|(part, _)| part).filter(|part| part.week == week);
    // What is cut off comes in the next block. Parts come by site and attribute, so that at most one
    // table is torn, and its company goes first then.
    let mut block: Vec<&Part> = block.collect();
    block.sort_by_key(|part| found.get(&part.moved()) != Some(&true));
    block.truncate(MOVES_MAX);
    Some((week, block))
}

/// The parts with the opposite sign, what `(other)` gets for them, and the ledger row.
fn rows_of<'a>(
    day: Day,
    (week, number): (u16, u64),
    block: &[&'a Part],
) -> Result<Vec<CountRow<'a>>, StoreError> {
    let bucket = day.0.saturating_mul(DAY_SECONDS);
    let mut others: BTreeMap<(&str, i8), [i64; 5]> = BTreeMap::new();
    let mut rows = Vec::new();
    for part in block {
        let numbers = [part.views_sum, part.visitors_sum, part.visits_sum, 0, 0];
        let other = others.entry((&part.host, part.code)).or_default();
        for (sum, number) in other.iter_mut().zip(numbers) {
            *sum = sum.wrapping_add(number);
        }
        let cell =
            CountRow { week, kind: part.code, site: &part.host, bucket, ..CountRow::default() };
        rows.push(
            CountRow { name: &part.name, ..cell }.with_numbers(numbers.map(i64::wrapping_neg)),
        );
    }
    rows.extend(others.into_iter().map(|((site, kind), numbers)| {
        CountRow { week, kind, site, bucket, name: OTHER, ..CountRow::default() }
            .with_numbers(numbers)
    }));
    rows.push(CountRow {
        week,
        kind: RETENTION,
        src: FOLD_SRC,
        lo: number,
        hi: number,
        closed_day: date(day)?,
        cells: u32::try_from(block.len()).unwrap_or(u32::MAX),
        n: 1,
        ..CountRow::default()
    });
    Ok(rows)
}
