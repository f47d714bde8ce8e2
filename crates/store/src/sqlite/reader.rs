//! The reader: questions to a counts file that another connection may be writing.
//!
//! What it is not: able to write, by two locks: the file is opened read-only, and the connection
//! refuses.
//!
//! What surprises: an answer has a time limit. A read that goes on for minutes would keep the
//! write-ahead log growing, and keep erased names in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headcount_core::cell::{CellKey, Counts};
use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use rusqlite::{Connection, Row, Transaction};

use super::{COUNTS_FILE, ask, books, close, codes, meta};
use crate::error::{Doing as _, StoreError};
use crate::question::{Answer, Books, Question, Refused};

/// Longest time for one call of a reader, except [`Reader::audit`].
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How many steps of SQLite's machine lie between two looks at the clock: well below 1 ms.
const STEPS_PER_LOOK: i32 = 10_000;

/// A read-only connection. Not shared between threads: open one for each, or put it in a mutex.
pub struct Reader {
    conn: Connection,
    limit: Limit,
    path: PathBuf,
}

/// When the running call must end.
#[derive(Clone)]
struct Limit {
    opened: Instant,
    /// Milliseconds after `opened`.
    ends_ms: Arc<AtomicU64>,
    timeout: Duration,
}

impl Limit {
    fn elapsed_ms(&self, more: Duration) -> u64 {
        u64::try_from(self.opened.elapsed().saturating_add(more).as_millis()).unwrap_or(u64::MAX)
    }

    fn is_over(&self) -> bool {
        self.elapsed_ms(Duration::ZERO) >= self.ends_ms.load(Ordering::Relaxed)
    }
}

impl Reader {
    /// Opens the counts file at `path` for reading. Checks that it is ours and that every table
    /// and view is as this build made it; does not read all of it (see [`Reader::audit`]).
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::ForeignFile`], [`StoreError::NewerSchema`],
    /// [`StoreError::OlderSchema`] and [`StoreError::Damaged`] say what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::with_timeout(path, ANSWER_TIMEOUT)
    }

    /// As [`Reader::open`], with another time limit for each call.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn with_timeout(path: &Path, timeout: Duration) -> Result<Self, StoreError> {
        let mut conn = COUNTS_FILE.open_read_only(path)?;
        if !codes::words_hold(&conn)? {
            return Err(StoreError::damaged(path, "the words of attributes were changed"));
        }
        let ends_ms = Arc::new(AtomicU64::new(u64::MAX));
        let limit = Limit { opened: Instant::now(), ends_ms, timeout };
        let watch = limit.clone();
        conn.progress_handler(STEPS_PER_LOOK, Some(move || watch.is_over()))
            .doing("set a time limit")?;
        Ok(Self { conn, limit, path: path.to_owned() })
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`StoreError::Unanswerable`] with a sentence for the analyst, [`StoreError::TimedOut`], or
    /// what failed.
    pub fn ask(&self, question: &Question) -> Result<Answer, StoreError> {
        self.limited(|tx| ask::ask(tx, question))
    }

    /// Beacons of a site that were not counted from day `from` to day `to`, both included, by
    /// reason, in the order of the closed list; reasons that did not occur are left out.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn refused(&self, site: &SiteHost, from: Day, to: Day) -> Result<Vec<Refused>, StoreError> {
        let doing = "add up refusals";
        self.limited(|tx| {
            let Some(site) = ask::site_id(tx, site.as_str())? else { return Ok(Vec::new()) };
            let from = from.max(meta::oldest_readable(tx)?);
            let mut get = tx.prepare_cached(include_str!("sql/refused.sql")).doing(doing)?;
            let rows = get
                .query_map((site, codes::REFUSAL, from.0, to.0), |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                })
                .doing(doing)?
                .collect::<rusqlite::Result<Vec<_>>>()
                .doing(doing)?;
            rows.into_iter()
                .filter(|(_, refused)| *refused != 0)
                .map(|(code, refused)| {
                    let reason = codes::reason_of(code)
                        .ok_or_else(|| meta::damaged(tx, "a refusal has no known reason"))?;
                    Ok(Refused {
                        reason: reason.as_str().to_owned(),
                        refused: refused.unsigned_abs(),
                    })
                })
                .collect()
        })
    }

    /// The last audit that the writer has written down; none before the first.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn books_now(&self) -> Result<Option<Books>, StoreError> {
        self.limited(|tx| meta::last_audit(tx))
    }

    /// Adds up counts and ledger now, beside the writer and without a time limit; `now` in Unix
    /// seconds is noted in the result. This is also the check that every count stands where it was
    /// put.
    ///
    /// # Errors
    /// When the file cannot be read. Books that do not balance are no error here.
    pub fn audit(&self, now: u64) -> Result<Books, StoreError> {
        let tx = self.conn.unchecked_transaction().doing("begin an audit")?;
        books::audit(&tx, now)
    }

    /// Hands out every cell, by day, and in the same order as long as nobody writes. Without a time
    /// limit. `take` may end it.
    ///
    /// # Errors
    /// What `take` said; or when the file cannot be read, or a cell has no meaning.
    pub fn every_cell<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(&str, CellKey<&str>, Counts) -> Result<(), E>,
    ) -> Result<(), E> {
        let doing = "read every cell";
        let tx = self.conn.unchecked_transaction().doing(doing)?;
        let mut get = tx.prepare(include_str!("sql/every_cell.sql")).doing(doing)?;
        let mut rows = get.query([]).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let host: &str = text(row, 0)?.unwrap_or_default();
            let at = |column| row.get::<_, i64>(column).doing(doing);
            let place = (at(1)?, at(2)?, at(3)?);
            let key = codes::key_of(place, text(row, 4)?, text(row, 5)?);
            let counts = books::unsigned(books::five(row, 6).doing(doing)?);
            let Some((key, counts)) = key.zip(counts) else {
                return Err(meta::damaged(&tx, "a cell has no meaning").into());
            };
            take(host, key, counts)?;
        }
        Ok(())
    }

    /// Every site that has a count, sorted.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn sites_with_counts(&self) -> Result<Vec<SiteHost>, StoreError> {
        let doing = "list the sites";
        self.limited(|tx| {
            let mut get =
                tx.prepare_cached(include_str!("sql/sites_with_counts.sql")).doing(doing)?;
            let hosts = get
                .query_map([], |row| row.get::<_, String>(0))
                .doing(doing)?
                .collect::<rusqlite::Result<Vec<_>>>()
                .doing(doing)?;
            Ok(hosts.iter().filter_map(|host| SiteHost::parse(host).ok()).collect())
        })
    }

    /// The first day of a site that has any readable count.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn first_day(&self, site: &SiteHost) -> Result<Option<Day>, StoreError> {
        let doing = "find the first day";
        self.limited(|tx| {
            let Some(site) = ask::site_id(tx, site.as_str())? else { return Ok(None) };
            let oldest = meta::oldest_readable(tx)?;
            let mut get = tx.prepare_cached(include_str!("sql/first_bucket.sql")).doing(doing)?;
            let mut first: Option<Day> = None;
            for (kind, hourly) in codes::kinds() {
                let oldest = if hourly { oldest.first_hour().0 } else { oldest.0 };
                let bucket: Option<u32> =
                    get.query_row((site, kind, oldest), |row| row.get(0)).doing(doing)?;
                let hour_of = |bucket| headcount_core::time::Hour(bucket).day();
                let day = bucket.map(|b| if hourly { hour_of(b) } else { Day(b) });
                first = first.into_iter().chain(day).min();
            }
            Ok(first)
        })
    }

    /// Days before this one are not shown (retention).
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn oldest_readable(&self) -> Result<Day, StoreError> {
        self.limited(|tx| meta::oldest_readable(tx))
    }

    /// UTC days before this one are closed: attribute values of few visitors have lost their names, and
    /// what comes for them now is late. Day 0 if none is.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`], or what failed.
    pub fn closed_before(&self) -> Result<Day, StoreError> {
        self.limited(|tx| Ok(close::closed(tx)?.before))
    }

    /// The file this reads.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One snapshot of the file for all that `call` reads, and a time limit.
    fn limited<T>(
        &self,
        call: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let tx = self.conn.unchecked_transaction().doing("begin to read")?;
        self.limit.ends_ms.store(self.limit.elapsed_ms(self.limit.timeout), Ordering::Relaxed);
        let result = call(&tx);
        self.limit.ends_ms.store(u64::MAX, Ordering::Relaxed);
        result
    }
}

/// A text of a row; none where the join found nothing.
fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>, StoreError> {
    row.get_ref(column).and_then(|value| Ok(value.as_str_or_null()?)).doing("read every cell")
}
