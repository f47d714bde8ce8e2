//! Removal: erasure and retention, out of the views at once and off the disk by a merge.
//!
//! What it is not: a mutation. A `DELETE` and a ledger row cannot be written together, and a
//! `DELETE` also takes rows that came after they were counted.
//!
//! What surprises: nothing needs to be remembered over a crash. What a week still counts of a site
//! is asked anew, written with the opposite sign and a ledger row in one block, until it is 0;
//! then the week is merged, and rows that sum to 0 are gone.

use std::time::{Duration, Instant};

use clickhouse::Row;
use headcount_core::cell::Counts;
use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use serde::Deserialize;

use super::fault::MERGE_BUSY;
use super::rows::{CountRow, DAY_SECONDS, ERASE, FLOOR, RETENTION, date, week_of};
use super::writer::NOTES_AGE_MAX;
use super::{Writer, facts};
use crate::error::StoreError;
use crate::sqlite::Removed;

/// Cells taken out in one block at most.
const CELLS_PER_REMOVAL_MAX: usize = 100_000;
/// Longest wait for a question about what is left.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);
/// Longest wait for the merge of a week.
const MERGE_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How long to try again while another merge of the week runs.
const MERGE_BUSY_TIMEOUT: Duration = Duration::from_secs(120);
const MERGE_PAUSE: Duration = Duration::from_millis(200);
/// Before a removal that failed is sent again.
pub(super) const REMOVAL_PAUSE: Duration = Duration::from_secs(1);
/// From the moment a writer has read the notes until its insert runs on the server.
pub(super) const NOTES_AGE_MARGIN: Duration = Duration::from_secs(1);
/// Rounds of taking out and merging: a second is needed where an insert came between.
const ROUNDS_MAX: u32 = 10;

/// `erased_sites.state`; [`Writer::finish_erasure`] makes 2 of the second.
const COUNTED: u8 = 0;
pub(super) const ERASING: u8 = 1;

/// What is to go.
#[derive(Clone, Copy)]
struct Going<'a> {
    /// A site, or the empty text for all.
    site: &'a str,
    /// Buckets before this second.
    before: u32,
    kind: i8,
    src: &'static str,
}

#[derive(Row, Deserialize)]
struct Week {
    week: u16,
}

#[derive(Row, Deserialize)]
struct Cell {
    code: i8,
    host: String,
    second: u32,
    name: String,
    target: String,
    views_sum: i64,
    visitors_sum: i64,
    visits_sum: i64,
    clicks_sum: i64,
    refused_sum: i64,
}

#[derive(Row, Deserialize)]
struct Removals {
    removals: u64,
}

#[derive(Row, Deserialize)]
struct Totals {
    cells: u64,
    views_sum: i64,
    visitors_sum: i64,
    visits_sum: i64,
    clicks_sum: i64,
    refused_sum: i64,
}

#[derive(Row, Deserialize)]
struct Range {
    source: String,
    lo: u64,
    last: u64,
}

#[derive(Row, Deserialize)]
struct LastSeq {
    source: String,
    collector: u64,
    epoch: u64,
    seq: u64,
}

#[derive(Row, Deserialize)]
struct Floors {
    floors: u64,
}

impl Writer {
    /// Takes every count of a site out, and leaves a note that what still comes of it is dropped.
    /// A site that is not there is no error. What is killed goes on at the next connect.
    ///
    /// # Errors
    /// When the server cannot be reached, or a merge does not come to an end: call again.
    pub fn erase_site(&mut self, host: &SiteHost) -> Result<Removed, StoreError> {
        self.put_state(host.as_str(), ERASING)?;
        self.finish_erasure(host.as_str())
    }

    /// Takes out what is still there of erased sites: erasures that were killed, and cells that
    /// another writer sent before it read the note.
    ///
    /// # Errors
    /// As [`Writer::erase_site`].
    pub fn finish_erasures(&mut self) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        for site in self.unfinished_erasures()? {
            removed.add(&self.finish_erasure(&site)?);
        }
        Ok(removed)
    }

    /// Erased sites of which something is left to do.
    pub(super) fn unfinished_erasures(&self) -> Result<Vec<String>, StoreError> {
        self.sites(include_str!("sql/unfinished_erasures.sql"))
    }

    /// Takes out what is still there of a site. If it is counted again meanwhile, by whomever, then
    /// nothing more is taken out and the note stays as it is.
    pub(super) fn finish_erasure(&mut self, site: &str) -> Result<Removed, StoreError> {
        let removed = self.sweep(site)?;
        let query = self.link.client.query_raw(include_str!("sql/put_erasure_end.sql"));
        self.link.execute("note an erasure", TIMEOUT, query.param("site", site))?;
        self.forget_notes();
        Ok(removed)
    }

    /// Whether there is a note that a site was erased.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn has_erased(&self, host: &SiteHost) -> Result<bool, StoreError> {
        let is_host = |site: &String| site == host.as_str();
        Ok(self.sites(include_str!("sql/erased_sites.sql"))?.iter().any(is_host))
    }

    /// Counts a site again that was erased. Other writers follow within two seconds.
    ///
    /// # Errors
    /// As [`Writer::erase_site`].
    pub fn restore_site(&mut self, host: &SiteHost) -> Result<(), StoreError> {
        let erased = self.sites(include_str!("sql/erased_sites.sql"))?;
        if erased.iter().any(|site| site == host.as_str()) {
            self.sweep(host.as_str())?;
            self.put_state(host.as_str(), COUNTED)?;
        }
        Ok(())
    }

    pub(super) fn put_state(&mut self, site: &str, state: u8) -> Result<(), StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/put_erased_site.sql"));
        let query = query.param("site", site).param("state", state);
        self.link.execute("note an erasure", TIMEOUT, query)?;
        self.forget_notes();
        Ok(())
    }

    /// Until no row of the site is left, or it is counted again.
    fn sweep(&mut self, site: &str) -> Result<Removed, StoreError> {
        let going = Going { site, before: u32::MAX, kind: ERASE, src: "(erase)" };
        let weeks = include_str!("sql/weeks_of_site.sql");
        self.clear(going, |it| it.link.client.query_raw(weeks).param("site", site))
    }

    /// Takes out and merges, until no week holds a row any more.
    fn clear(
        &mut self,
        going: Going<'_>,
        weeks: impl Fn(&Self) -> clickhouse::query::Query,
    ) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        for round in 0..ROUNDS_MAX {
            let found: Vec<Week> = self.link.rows("look for counts", TIMEOUT, weeks(self))?;
            if found.is_empty() {
                return Ok(removed);
            }
            if round == 0 {
                // A removal of a writer that was killed may still be on its way.
                self.stop(&format!("headcount:{}:", going.src))?;
            }
            for Week { week } in found {
                self.take_out(going, week, &mut removed)?;
                self.merge(Day(week.into()))?;
            }
        }
        Err(StoreError::Busy { doing: "take counts out of clickhouse", source: None })
    }

    /// Brings what a week counts of it to 0.
    ///
    /// The number of the removal is read before its cells and names its token. So of two writers
    /// that take out the same at once, the second is dropped as a twin of the first.
    ///
    /// A removal that fails may have been written, or still be on its way: another eraser stops
    /// those it finds. So it is sent again under its token, unless the number has moved on.
    fn take_out(
        &mut self,
        going: Going<'_>,
        week: u16,
        removed: &mut Removed,
    ) -> Result<(), StoreError> {
        let (mut last, mut attempt, mut failures) = (None, 0, 0);
        while attempt < ROUNDS_MAX {
            let number = self.removals(going, week)? + 1;
            let cells = self.standing_cells(going, week)?;
            if cells.is_empty() {
                return Ok(());
            }
            attempt = match last {
                // The same number again: success was answered and nothing written.
                Some((same, true)) if same == number => attempt + 1,
                Some((same, false)) if same == number => attempt,
                _ => 0,
            };
            let rows = opposite(going, (week, number), &cells);
            let token = format!("{}:{week}:{number}.{attempt}", going.src);
            match self.write(&rows, &token, &format!("headcount:{}:{number}:", going.src)) {
                Ok(()) => removed.add(&removed_with(&cells)),
                Err(error) if error.is_retryable() && failures < ROUNDS_MAX => {
                    failures += 1;
                    last = Some((number, false));
                    std::thread::sleep(REMOVAL_PAUSE);
                    continue;
                }
                Err(error) => return Err(error),
            }
            last = Some((number, true));
        }
        Err(StoreError::Busy { doing: "take counts out of clickhouse", source: None })
    }

    /// How many removals of this sort a week has seen.
    fn removals(&self, going: Going<'_>, week: u16) -> Result<u64, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/removals_in_week.sql"));
        let query = query.param("kind", going.kind).param("src", going.src).param("week", week);
        let rows: Vec<Removals> = self.link.rows("read the ledger", TIMEOUT, query)?;
        Ok(rows.first().map_or(0, |row| row.removals))
    }

    /// What a week still counts of it, a block at most.
    fn standing_cells(&self, going: Going<'_>, week: u16) -> Result<Vec<Cell>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/standing_cells.sql"));
        let query = query
            .param("week", week)
            .param("site", going.site)
            .param("before", going.before)
            .param("cells_max", CELLS_PER_REMOVAL_MAX);
        self.link.rows("read what is to go", TIMEOUT, query)
    }

    /// Merges a week to one part.
    pub(super) fn merge(&self, week: Day) -> Result<(), StoreError> {
        let sql = include_str!("sql/merge_week.sql").replace("{WEEK}", &week.to_string());
        let began = Instant::now();
        loop {
            let query = self.link.client.query_raw(&sql);
            match self.link.execute("merge a week", MERGE_TIMEOUT, query) {
                Err(StoreError::Server { source, .. })
                    if source.code().is_some_and(|code| MERGE_BUSY.contains(&code))
                        && began.elapsed() < MERGE_BUSY_TIMEOUT =>
                {
                    std::thread::sleep(MERGE_PAUSE);
                }
                other => return other,
            }
        }
    }

    /// Hides every count of days before `oldest_kept`, and deletes those of the weeks before its
    /// week, so that nothing stays longer than a week after it was hidden. Weeks are dropped whole;
    /// before, floors are written that stand for their part of the ledger. Old buckets that arrived
    /// late lie in younger weeks and are taken out of them.
    ///
    /// # Errors
    /// As [`Writer::erase_site`].
    pub fn purge_older(&mut self, oldest_kept: Day) -> Result<Removed, StoreError> {
        if facts::day(&self.link, facts::OLDEST_READABLE_DAY)? < oldest_kept {
            self.set_oldest_readable(oldest_kept)?;
        }
        let mut removed = self.finish_erasures()?;
        let cut = week_of(oldest_kept);
        let date = date(cut)?;
        let before = cut.0.saturating_mul(DAY_SECONDS);
        let going = Going { site: "", before, kind: RETENTION, src: "(retention)" };
        let late = include_str!("sql/weeks_with_old.sql");
        removed.add(&self.clear(going, |it| it.link.client.query_raw(late).param("cut", date))?);
        removed.add(&self.drop_weeks(cut, date)?);
        Ok(removed)
    }

    /// Drops the weeks before `cut`, where no readable day lies any more.
    fn drop_weeks(&self, cut: Day, date: u16) -> Result<Removed, StoreError> {
        let doing = "drop old weeks";
        let ask = |sql: &str| self.link.client.query_raw(sql).param("cut", date);
        let weeks = || -> Result<Vec<Week>, StoreError> {
            self.link.rows(doing, TIMEOUT, ask(include_str!("sql/weeks_before.sql")))
        };
        if weeks()?.is_empty() {
            return Ok(Removed::default());
        }
        if facts::day(&self.link, facts::FLOORED_BEFORE_DAY)? < cut {
            // Until every other writer has seen that these days go, and has stopped to fill them:
            // a ledger row that came after the floors would be lost.
            std::thread::sleep(NOTES_AGE_MAX + NOTES_AGE_MARGIN);
            self.stop("headcount:")?;
            self.write_floors(cut, date)?;
            // From here on the floors count, and the rows of the old weeks do not.
            facts::put(&self.link, &[(facts::FLOORED_BEFORE_DAY, cut.0.into())])?;
        }
        let totals: Vec<Totals> =
            self.link.rows(doing, TIMEOUT, ask(include_str!("sql/totals_before.sql")))?;
        for Week { week } in weeks()? {
            let day = Day(week.into()).to_string();
            let sql = include_str!("sql/drop_week.sql").replace("{WEEK}", &day);
            self.link.execute(doing, TIMEOUT, self.link.client.query_raw(&sql))?;
        }
        Ok(totals.first().map_or_else(Removed::default, |row| Removed {
            cells: row.cells,
            totals: counts([
                row.views_sum,
                row.visitors_sum,
                row.visits_sum,
                row.clicks_sum,
                row.refused_sum,
            ]),
        }))
    }

    /// Writes one row for every unbroken run of ranges in the weeks before `cut`, all in one
    /// block into the first week that is kept.
    pub(super) fn write_floors(&self, cut: Day, date: u16) -> Result<(), StoreError> {
        let doing = "write the floors of the ledger";
        let floored = facts::day(&self.link, facts::FLOORED_BEFORE_DAY)?;
        self.stop("headcount:(floor):")?;
        let ask = |sql: &str| self.link.client.query_raw(sql).param("cut", date);
        let written: Vec<Floors> =
            self.link.rows(doing, TIMEOUT, ask(include_str!("sql/floors_at.sql")))?;
        if written.iter().any(|row| row.floors > 0) {
            return Ok(());
        }
        let ranges = ask(include_str!("sql/ranges_before.sql"));
        let ranges: Vec<Range> =
            self.link.rows(doing, TIMEOUT, ranges.param("floored", super::rows::date(floored)?))?;
        let seqs: Vec<LastSeq> =
            self.link.rows(doing, TIMEOUT, ask(include_str!("sql/last_seqs_before.sql")))?;
        let rows = floors(cut, date, (&ranges, &seqs));
        if rows.is_empty() {
            return Ok(());
        }
        self.write(&rows, &format!("(floor):{cut}"), &format!("headcount:(floor):{cut}:"))
    }
}

impl Cell {
    fn numbers(&self) -> [i64; 5] {
        [self.views_sum, self.visitors_sum, self.visits_sum, self.clicks_sum, self.refused_sum]
    }
}

/// What is gone with these cells.
fn removed_with(cells: &[Cell]) -> Removed {
    let mut removed =
        Removed { cells: u64::try_from(cells.len()).unwrap_or(u64::MAX), ..Removed::default() };
    for cell in cells {
        removed.totals.add(&counts(cell.numbers()));
    }
    removed
}

fn counts(numbers: [i64; 5]) -> Counts {
    let [views, visitors, visits, clicks, refused] =
        numbers.map(|number| u64::try_from(number).unwrap_or(0));
    Counts { views, visitors, visits, clicks, refused }
}

/// The cells with the opposite sign, and the ledger row of them.
fn opposite<'a>(
    going: Going<'a>,
    (week, number): (u16, u64),
    cells: &'a [Cell],
) -> Vec<CountRow<'a>> {
    let mut totals = [0i64; 5];
    let mut rows: Vec<CountRow<'a>> = cells
        .iter()
        .map(|cell| {
            let numbers = cell.numbers().map(|number| number.wrapping_neg());
            for (sum, number) in totals.iter_mut().zip(numbers) {
                *sum = sum.wrapping_add(number);
            }
            CountRow {
                week,
                kind: cell.code,
                site: &cell.host,
                bucket: cell.second,
                name: &cell.name,
                target: &cell.target,
                ..CountRow::default()
            }
            .with_numbers(numbers)
        })
        .collect();
    let ledger = CountRow {
        week,
        kind: going.kind,
        src: going.src,
        lo: number,
        hi: number,
        closed_day: week,
        cells: u32::try_from(cells.len()).unwrap_or(u32::MAX),
        n: 1,
        ..CountRow::default()
    };
    rows.push(ledger.with_numbers(totals));
    rows
}

/// The floors for ranges in order of source and `lo`; the last floor of a source has its streams.
fn floors<'a>(
    cut: Day,
    date: u16,
    (ranges, seqs): (&'a [Range], &'a [LastSeq]),
) -> Vec<CountRow<'a>> {
    let mut rows: Vec<CountRow<'a>> = Vec::new();
    for range in ranges {
        if let Some(run) = rows.last_mut()
            && run.src == range.source
            && run.hi.checked_add(1) == Some(range.lo)
        {
            run.hi = range.last;
            continue;
        }
        rows.push(CountRow {
            week: date,
            kind: FLOOR,
            src: &range.source,
            lo: range.lo,
            hi: range.last,
            bucket: cut.0.saturating_mul(DAY_SECONDS),
            closed_day: date,
            n: 1,
            ..CountRow::default()
        });
    }
    for seq in seqs {
        if let Some(row) = rows.iter_mut().rfind(|row| row.src == seq.source) {
            row.last_seqs.push((seq.collector, seq.epoch, seq.seq));
        }
    }
    rows
}
