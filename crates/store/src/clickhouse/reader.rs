//! The reader: questions to the store while others write it.
//!
//! What it is not: able to write. Every query is sent with `readonly` (or its profile has it), and it
//! asks views and notes only, so the role of analysts is enough for it.
//!
//! What surprises: it may be shared between threads; each call is a request of its own.

use std::time::Duration;

use clickhouse::Row;
use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use serde::Deserialize;

use super::fault::{TIMEOUT_EXCEEDED, TOO_MANY_ROWS};
use super::link::Link;
use super::rows::DAY_SECONDS;
use super::{ServerFault, Settings, ask, connect, facts};
use crate::answer::too_large;
use crate::error::StoreError;
use crate::kind;
use crate::question::{Answer, Books, Question, Refused};
use crate::shape::{Column, SmallCells, Taken};

/// Longest time for one call of a reader.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer the answer may need on its way.
const WAY_TIMEOUT: Duration = Duration::from_secs(5);

/// A read-only client of the store.
pub struct Reader {
    pub(super) link: Link,
    /// Longest wait of this side.
    timeout: Duration,
}

#[derive(Row, Deserialize)]
struct RefusedRow {
    name: String,
    refused_sum: i64,
}

#[derive(Row, Deserialize)]
struct Host {
    host: String,
}

#[derive(Row, Deserialize)]
struct ColumnRow {
    table: String,
    name: String,
    kind: String,
}

#[derive(Row, Deserialize)]
struct Odd {
    odd: u64,
}

#[derive(Row, Deserialize)]
struct Erased {
    site: String,
}

#[derive(Row, Deserialize)]
struct SmallRow {
    named: u64,
    smallest: i64,
    below: u64,
    folded: u64,
    sites: u64,
    unusable: u64,
}

#[derive(Row, Deserialize)]
struct TakenRow {
    kind: String,
    hits: i64,
    parts: i64,
    whole: i64,
}

#[derive(Row, Deserialize)]
struct First {
    cells: u64,
    second: u32,
}

impl Reader {
    /// Connects and checks that the schema is this build's.
    ///
    /// # Errors
    /// As [`super::Writer::connect`], and [`StoreError::Missing`] and [`StoreError::OlderSchema`]
    /// before a writer has made the tables.
    pub fn connect(settings: &Settings) -> Result<Self, StoreError> {
        Self::with_timeout(settings, ANSWER_TIMEOUT)
    }

    /// As [`Reader::connect`], with another time limit for each call; it is at least a millisecond.
    ///
    /// # Errors
    /// As [`Reader::connect`].
    pub fn with_timeout(settings: &Settings, timeout: Duration) -> Result<Self, StoreError> {
        let mut link = Link::new(settings, true)?;
        connect::greet(&link, settings)?;
        connect::check_schema(&link, settings)?;
        let seconds = timeout.max(Duration::from_millis(1)).as_secs_f64();
        let may_send_readonly = connect::may_send_readonly(&link)?;
        link.client =
            link.client.clone().with_setting("max_execution_time", format!("{seconds:.3}"));
        if may_send_readonly {
            link.client = link.client.clone().with_setting("readonly", "1");
        }
        Ok(Self { link, timeout: timeout.saturating_add(WAY_TIMEOUT) })
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`StoreError::Unanswerable`] with a sentence for the analyst, [`StoreError::TimedOut`], or
    /// what failed.
    pub fn ask(&self, question: &Question) -> Result<Answer, StoreError> {
        limited(ask::ask(&self.link, self.timeout, question))
    }

    /// Beacons of a site that were not counted from day `from` to day `to`, both included, by
    /// reason, in the order of the closed list; reasons that did not occur are left out.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn refused(&self, site: &SiteHost, from: Day, to: Day) -> Result<Vec<Refused>, StoreError> {
        let (first, last) = ask::seconds(from, to);
        let query = self.link.client.query_raw(include_str!("sql/refused.sql"));
        let query = query.param("site", site.as_str()).param("from", first).param("to", last);
        let rows: Vec<RefusedRow> =
            limited(self.link.rows("add up refusals", self.timeout, query))?;
        let mut found: Vec<(i64, Refused)> = rows
            .into_iter()
            .map(|row| {
                let refused = u64::try_from(row.refused_sum).unwrap_or(0);
                (kind::reason_order(&row.name), Refused { reason: row.name, refused })
            })
            .collect();
        found.sort_by_key(|it| it.0);
        Ok(found.into_iter().map(|it| it.1).collect())
    }

    /// Every column of every table and view of the database that this user may see, in order.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn columns(&self) -> Result<Vec<Column>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/columns.sql"));
        let doing = "read which tables there are";
        let rows: Vec<ColumnRow> = limited(self.link.rows(doing, self.timeout, query))?;
        let column = |row: ColumnRow| Column { table: row.table, name: row.name, kind: row.kind };
        Ok(rows.into_iter().map(column).collect())
    }

    /// How many cells have a shape that no count has; see [`crate::shape::odd_rows`].
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn odd_rows(&self) -> Result<u64, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/odd_rows.sql"));
        let rows: Vec<Odd> = limited(self.link.rows("look for odd rows", self.timeout, query))?;
        Ok(rows.first().map_or(0, |row| row.odd))
    }

    /// How small the values of attributes on closed days are; see [`crate::shape::small_cells`].
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn small_cells(&self, k: u32) -> Result<SmallCells, StoreError> {
        let closed = facts::day(&self.link, facts::CLOSED_BEFORE_DAY);
        let before = u16::try_from(limited(closed)?.0).unwrap_or(u16::MAX);
        let query = self.link.client.query_raw(include_str!("sql/small_cells.sql"));
        let query = query.param("k", k).param("before", before);
        let rows: Vec<SmallRow> =
            limited(self.link.rows("look for small cells", self.timeout, query))?;
        let cells = |row: &SmallRow| SmallCells {
            named: row.named,
            smallest: (row.named > 0).then(|| row.smallest.unsigned_abs()),
            below: row.below,
            folded: row.folded,
            sites: row.sites,
            unusable: row.unusable,
        };
        Ok(rows.first().map(cells).unwrap_or_default())
    }

    /// Of how many hits the text policy took something; see [`crate::shape::taken`].
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn taken(&self) -> Result<Vec<Taken>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/taken.sql"));
        let doing = "look what the text policy took";
        let rows: Vec<TakenRow> = limited(self.link.rows(doing, self.timeout, query))?;
        let taken = |TakenRow { kind, hits, parts, whole }| {
            let [hits, parts, whole] = [hits, parts, whole].map(i64::unsigned_abs);
            Taken { kind, hits, parts, whole }
        };
        Ok(rows.into_iter().map(taken).collect())
    }

    /// The last audit that a writer has written down; none before the first.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn books_now(&self) -> Result<Option<Books>, StoreError> {
        limited(facts::last_audit(&self.link))
    }

    /// Whether the server answers and its tables can be read; it costs next to nothing.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.oldest_readable().map(drop)
    }

    /// Every site that has a readable count, sorted. It reads the name of the site in every row.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn sites_with_counts(&self) -> Result<Vec<SiteHost>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/sites_with_counts.sql"));
        let rows: Vec<Host> = limited(self.link.rows("list the sites", self.timeout, query))?;
        Ok(rows.iter().filter_map(|row| SiteHost::parse(&row.host).ok()).collect())
    }

    /// Every site that was erased and not added again since, sorted.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn erased_sites(&self) -> Result<Vec<SiteHost>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/erased_sites.sql"));
        let doing = "list the erased sites";
        let rows: Vec<Erased> = limited(self.link.rows(doing, self.timeout, query))?;
        Ok(rows.iter().filter_map(|row| SiteHost::parse(&row.site).ok()).collect())
    }

    /// The server's own logs that this user sees, sorted: a second record beside the counts.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn server_logs(&self) -> Result<Vec<String>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/server_logs.sql"));
        let rows: Vec<Host> = limited(self.link.rows("list the logs", self.timeout, query))?;
        Ok(rows.into_iter().map(|row| row.host).collect())
    }

    /// The first day of a site that has any readable count.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn first_day(&self, site: &SiteHost) -> Result<Option<Day>, StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/first_second.sql"));
        let query = query.param("site", site.as_str());
        let rows: Vec<First> = limited(self.link.rows("find the first day", self.timeout, query))?;
        Ok(rows.first().filter(|row| row.cells > 0).map(|row| Day(row.second / DAY_SECONDS)))
    }

    /// Days before this one are not shown (retention).
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn oldest_readable(&self) -> Result<Day, StoreError> {
        limited(facts::day(&self.link, facts::OLDEST_READABLE_DAY))
    }

    /// UTC days before this one are closed: attribute values of few visitors have lost their names, and
    /// what comes for them now is late. Day 0 if none is.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn closed_before(&self) -> Result<Day, StoreError> {
        limited(facts::day(&self.link, facts::CLOSED_BEFORE_DAY))
    }
}

#[cfg(test)]
impl Reader {
    /// Adds up counts and ledger now, as a writer does, in the time of one call.
    pub(super) fn audit(&self, now: u64) -> Result<Books, StoreError> {
        super::writer::audit(&self.link, now)
    }

    /// Whether the server declines a write that is sent as this reader's queries are.
    pub(super) fn refuses_to_write(&self) -> bool {
        let query = self.link.client.query_raw("INSERT INTO facts (key) VALUES ('x')");
        let refused = self.link.execute("write", self.timeout, query);
        matches!(refused, Err(StoreError::Server { source, .. }) if source.code() == Some(164))
    }
}

/// What the server's limits mean for the one who asked.
fn limited<T>(result: Result<T, StoreError>) -> Result<T, StoreError> {
    result.map_err(|error| match &error {
        StoreError::Server { source, .. } => match source {
            ServerFault::Refused { code: TIMEOUT_EXCEEDED, .. } | ServerFault::Silent { .. } => {
                StoreError::TimedOut
            }
            ServerFault::Refused { code, .. } if TOO_MANY_ROWS.contains(code) => too_large(),
            _ => error,
        },
        _ => error,
    })
}
