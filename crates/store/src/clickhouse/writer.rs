//! The writer: one insert, one block, one part, with its ledger row inside; and what the ledger
//! says afterwards.
//!
//! What it is not: sure. After an unclear answer it does not guess; the caller reads the standing
//! back, and fences before a new attempt.
//!
//! What surprises: a success answer is no proof either. A token whose record outlived its part
//! makes the server say "written" and write nothing; only the ledger row tells.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use clickhouse::Row;
use headcount_core::ledger::{Standing, Stream};
use headcount_core::time::Day;
use serde::Deserialize;

use super::link::Link;
use super::rows::{CountRow, rows_of, week_for, week_of};
use super::{ApplyError, Settings, connect, facts};
use crate::close::Closed;
use crate::error::StoreError;
use crate::insert::Insert;
use crate::question::Books;

/// Longest wait for an insert: longer than a loaded server takes to merge its way out.
const INSERT_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for the ledger.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the notes of erased sites, and of what is left of them.
const NOTES_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest wait for an audit, which reads the whole table.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(600);
/// How old the notes of what to leave out may be.
pub(super) const NOTES_AGE_MAX: Duration = Duration::from_secs(2);
/// How long to look for running inserts after they were told to stop.
const FENCE_TIMEOUT: Duration = Duration::from_secs(30);
const FENCE_PAUSE: Duration = Duration::from_millis(100);
/// Where running inserts cannot be seen (chDB), how long one may still need.
const BLIND_PAUSE: Duration = Duration::from_millis(500);

/// A writer of the store. One source must not be written by two at the same time.
pub struct Writer {
    pub(super) link: Link,
    /// What was read of each source.
    standings: HashMap<String, Known>,
    notes: Notes,
    settings: Vec<(&'static str, &'static str)>,
    sees_queries: bool,
    /// Tells this writer's queries from those of others.
    id: u64,
    sent: u64,
}

/// A standing, and where its last row begins.
#[derive(Clone, Default)]
struct Known {
    standing: Standing,
    last_lo: u64,
}

/// What other writers must know of removals, and when it was read.
#[derive(Default)]
struct Notes {
    erased: HashSet<String>,
    /// What closed days do with values.
    closed: Closed,
    /// No insert goes into a week before this one: it may be dropped already.
    first_week: Day,
    read_at: Option<Instant>,
}

#[derive(Row, Deserialize)]
struct StandingRow {
    collector: u64,
    epoch: u64,
    seq: u64,
    applied: u64,
    last_lo: u64,
}

#[derive(Row, Deserialize)]
struct Site {
    site: String,
}

#[derive(Row, Deserialize)]
struct Running {
    running: u64,
}

#[derive(Row, Deserialize)]
struct BooksRow {
    audit_delta: i64,
    broken_tiles: u64,
}

impl Writer {
    /// Connects, brings the schema up to date, checks every setting that counting exactly once
    /// rests on, and finishes erasures that were killed.
    ///
    /// # Errors
    /// One line each: [`StoreError::Unreachable`], [`StoreError::WrongPassword`],
    /// [`StoreError::NoDatabase`], [`StoreError::OldServer`], [`StoreError::NewerSchema`],
    /// [`StoreError::Setting`]; others say what failed.
    pub fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let mut link = Link::new(settings, false)?;
        connect::greet(&link, settings)?;
        let insert_settings = connect::insert_settings(&link)?;
        connect::migrate(&link, settings)?;
        connect::check_table(&link)?;
        if link.cluster.is_some() {
            link.client = link.client.clone().with_setting("select_sequential_consistency", "1");
        }
        let sees_queries = connect::sees_queries(&link)?;
        let mut writer = Self {
            link,
            standings: HashMap::new(),
            notes: Notes::default(),
            settings: insert_settings,
            sees_queries,
            id: random()?,
            sent: 0,
        };
        writer.finish_erasures()?;
        Ok(writer)
    }

    /// How a source stands in the ledger, read from it now: its last position, and the last batch
    /// of every stream.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn standing(&mut self, src: &str) -> Result<Standing, StoreError> {
        let mut known = self.standings.remove(src).unwrap_or_default();
        let rows = self.ledger_since(src, known.last_lo)?;
        let applied = rows.iter().map(|row| row.applied).max().unwrap_or(0);
        if applied < known.standing.applied {
            // The server was set back, to a backup for example: nothing read before holds.
            known = Known::default();
            known.take(&self.ledger_since(src, 0)?);
        } else {
            known.take(&rows);
        }
        let standing = known.standing.clone();
        self.standings.insert(src.to_owned(), known);
        Ok(standing)
    }

    fn ledger_since(&self, src: &str, lo: u64) -> Result<Vec<StandingRow>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/standing.sql"));
        let query = query.param("src", src).param("lo", lo);
        self.link.rows("read the ledger", LEDGER_TIMEOUT, query)
    }

    /// Sends the cells of an insert and its ledger row as one block. `attempt` is 0 until an
    /// answer of success was followed by an absent ledger row; then it goes up, after
    /// [`Writer::fence`]. Cells of erased sites are left out, of the ledger row's totals too.
    ///
    /// Read [`Writer::standing`] after every call: it alone says what was applied.
    ///
    /// # Errors
    /// [`ApplyError::Unclear`] if it may have been written, [`ApplyError::Refused`] if not; an
    /// insert that is not the next one after the last standing read is refused.
    pub fn apply(&mut self, insert: &Insert, attempt: u32) -> Result<(), ApplyError> {
        self.expect_next(insert).map_err(ApplyError::Refused)?;
        self.refresh_notes().map_err(ApplyError::Refused)?;
        let week = week_for(insert).max(self.notes.first_week);
        let rows = rows_of(insert, week, (&self.notes.erased, self.notes.closed))
            .map_err(ApplyError::Refused)?;
        let (src, lo) = (&insert.src, insert.lo);
        let token =
            if attempt == 0 { format!("{src}:{lo}") } else { format!("{src}:{lo}.{attempt}") };
        self.sent += 1;
        self.write(&rows, &token, &prefix(src, lo)).map_err(ApplyError::of_insert)
    }

    fn expect_next(&mut self, insert: &Insert) -> Result<(), StoreError> {
        insert.check()?;
        let applied = match self.standings.get(&insert.src) {
            Some(known) => known.standing.applied,
            None => self.standing(&insert.src)?.applied,
        };
        let expected = applied.saturating_add(1);
        if insert.lo == expected {
            Ok(())
        } else {
            Err(StoreError::OutOfOrder { src: insert.src.clone(), lo: insert.lo, expected })
        }
    }

    /// One block into one partition.
    pub(super) fn write(
        &self,
        rows: &[CountRow<'_>],
        token: &str,
        prefix: &str,
    ) -> Result<(), StoreError> {
        let query_id = format!("{prefix}{:016x}:{}", self.id, self.sent);
        self.link.run("insert counts", INSERT_TIMEOUT, async {
            let mut insert = self.link.client.insert::<CountRow<'_>>("counts").await?;
            for (name, value) in &self.settings {
                insert = insert.with_setting(*name, *value);
            }
            insert = insert
                .with_setting("insert_deduplication_token", token)
                .with_setting("query_id", query_id)
                .with_setting("wait_end_of_query", "1");
            for row in rows {
                insert.write(row).await?;
            }
            insert.end().await
        })
    }

    /// Makes sure that no insert of a source that begins at `lo` is still running: kills it and
    /// looks until it is gone.
    ///
    /// # Errors
    /// [`StoreError::Server`] when it cannot be killed or looked for, or does not end.
    pub fn fence(&mut self, src: &str, lo: u64) -> Result<(), StoreError> {
        self.stop(&prefix(src, lo))
    }

    /// Stops every query whose id begins so.
    pub(super) fn stop(&self, prefix: &str) -> Result<(), StoreError> {
        let doing = "stop a running insert";
        if !self.sees_queries {
            std::thread::sleep(BLIND_PAUSE);
            return Ok(());
        }
        let sql = |sql: &str| match self.link.cluster.as_deref().map(connect::identifier) {
            Some(cluster) => {
                sql.replace("KILL QUERY", &format!("KILL QUERY ON CLUSTER {cluster}")).replace(
                    "system.processes",
                    &format!("clusterAllReplicas({cluster}, system.processes)"),
                )
            }
            None => sql.to_owned(),
        };
        let kill = self.link.client.query_raw(&sql(include_str!("sql/kill_inserts.sql")));
        self.link.execute(doing, FENCE_TIMEOUT, kill.param("prefix", prefix))?;
        let began = Instant::now();
        loop {
            let look = self.link.client.query_raw(&sql(include_str!("sql/running_inserts.sql")));
            let rows: Vec<Running> =
                self.link.rows(doing, LEDGER_TIMEOUT, look.param("prefix", prefix))?;
            if rows.iter().all(|row| row.running == 0) {
                return Ok(());
            }
            if began.elapsed() > FENCE_TIMEOUT {
                let source = super::ServerFault::Silent { seconds: FENCE_TIMEOUT.as_secs() };
                return Err(StoreError::Server { doing, source });
            }
            std::thread::sleep(FENCE_PAUSE);
        }
    }

    /// Reads the notes again if they are old.
    fn refresh_notes(&mut self) -> Result<(), StoreError> {
        if self.notes.read_at.is_some_and(|at| at.elapsed() < NOTES_AGE_MAX) {
            return Ok(());
        }
        let read_at = Some(Instant::now());
        let floored = facts::day(&self.link, facts::FLOORED_BEFORE_DAY)?;
        let readable = facts::day(&self.link, facts::OLDEST_READABLE_DAY)?;
        let erased = self.sites(include_str!("sql/erased_sites.sql"))?.into_iter().collect();
        let closed = Closed {
            before: facts::day(&self.link, facts::CLOSING_BEFORE_DAY)?,
            k: facts::day(&self.link, facts::CLOSED_WITH_K)?.0,
        };
        self.notes = Notes { erased, closed, first_week: floored.max(week_of(readable)), read_at };
        Ok(())
    }

    /// The sites that a query of the notes finds now.
    pub(super) fn sites(&self, sql: &str) -> Result<Vec<String>, StoreError> {
        let query = self.link.client.query_raw(sql);
        let rows: Vec<Site> = self.link.rows("list the erased sites", NOTES_TIMEOUT, query)?;
        Ok(rows.into_iter().map(|row| row.site).collect())
    }

    /// Forgets the notes, so that the next insert reads them.
    pub(super) fn forget_notes(&mut self) {
        self.notes = Notes::default();
    }

    /// Adds up counts and ledger, and writes the result down for readers; `now` in Unix seconds.
    ///
    /// # Errors
    /// When the table cannot be read. Books that do not balance are no error here.
    pub fn audit(&mut self, now: u64) -> Result<Books, StoreError> {
        let books = audit(&self.link, now)?;
        facts::put_audit(&self.link, &books)?;
        Ok(books)
    }

    /// The last audit that a writer has written down; none before the first.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn last_audit(&self) -> Result<Option<Books>, StoreError> {
        facts::last_audit(&self.link)
    }

    /// Hides all counts of days before `day` from every view and question, at once.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn set_oldest_readable(&mut self, day: Day) -> Result<(), StoreError> {
        facts::put(&self.link, &[(facts::OLDEST_READABLE_DAY, day.0.into())])?;
        self.forget_notes();
        Ok(())
    }
}

#[cfg(test)]
impl Writer {
    /// From now on fences kill and look, as on a server.
    pub(super) fn sees_queries_now(&mut self) {
        self.sees_queries = true;
    }

    /// As a writer that read the notes just before a site was erased.
    pub(super) fn overlook_erasures(&mut self) {
        self.notes = Notes { read_at: Some(Instant::now()), ..Notes::default() };
    }
}

impl Known {
    fn take(&mut self, rows: &[StandingRow]) {
        for row in rows {
            if row.applied >= self.standing.applied {
                self.standing.applied = row.applied;
                self.last_lo = row.last_lo;
            }
            // A ledger row without last batches joins to zeros.
            if row.seq > 0 {
                let stream = Stream { collector: row.collector, epoch: row.epoch };
                let last = self.standing.last_seqs.entry(stream).or_default();
                *last = row.seq.max(*last);
            }
        }
    }
}

/// The beginning of the ids of all queries that insert a range of a source from `lo`.
fn prefix(src: &str, lo: u64) -> String {
    format!("headcount:{src}:{lo}:")
}

/// A number by chance.
pub(super) fn random() -> Result<u64, StoreError> {
    getrandom::u64().map_err(|source| StoreError::Random { source })
}

/// Adds up the whole table.
pub(super) fn audit(link: &Link, now: u64) -> Result<Books, StoreError> {
    let query = link.client.query_raw(include_str!("sql/books.sql"));
    let rows: Vec<BooksRow> = link.rows("add up the books", AUDIT_TIMEOUT, query)?;
    let (delta, broken) = rows.first().map_or((1, 1), |row| (row.audit_delta, row.broken_tiles));
    Ok(Books { audit_delta: delta.unsigned_abs(), tiled: broken == 0, checked_at: now })
}
