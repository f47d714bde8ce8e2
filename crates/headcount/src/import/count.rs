//! Counting one file: how far it was counted, and the next commit.
//!
//! What it is not: a judge. Lines go to the collector's, batches to the store.
//!
//! What surprises: a file has two places in the ledger, because its attributes may have to wait for
//! a crowd when its pages need not. From the first to the second, attributes alone are counted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headcount_collector::import::{LogJudge, Part, Pending, Skipped};
use headcount_core::batch::Batch;
use headcount_core::failpoint;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Day};
use headcount_store::control::{self, Control};
use headcount_store::sqlite::{ImportNote, Writer};
use headcount_store::{Insert, StoreError, sqlite};

use super::lines::Line;
use super::summary::Summary;
use super::trail::Trail;
use crate::folder;

/// Pause before a write that was refused is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Cells of one file between two commits: more are a second's write.
const CELLS_MAX: usize = 50_000;

/// Where counts go.
pub(crate) struct Books {
    writer: Writer,
    control: Control,
    host: SiteHost,
    folder: std::path::PathBuf,
    clock: Arc<dyn Clock>,
    /// Lines of one file between two commits at most.
    commit_lines: u64,
    /// Whether it was told to stop: then a write that is refused is not tried again.
    stop: Arc<AtomicBool>,
}

impl Books {
    /// Opens the store of a data folder.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open(
        data_dir: &Path,
        host: &SiteHost,
        clock: &Arc<dyn Clock>,
        (commit_lines, stop): (u64, Arc<AtomicBool>),
    ) -> anyhow::Result<Self> {
        Ok(Self {
            commit_lines: commit_lines.max(1),
            stop,
            writer: Writer::open(&data_dir.join(sqlite::FILE_NAME))?,
            control: Control::open(&data_dir.join(control::FILE_NAME))?,
            host: host.clone(),
            folder: data_dir.to_owned(),
            clock: Arc::clone(clock),
        })
    }

    /// What is noted of the site's files.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn notes(&self) -> anyhow::Result<Vec<ImportNote>> {
        Ok(self.writer.imports(&self.host)?)
    }

    /// Forgets a file, if nothing of it was counted: neither a view nor a refusal.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub(crate) fn forget_empty(&mut self, note: &ImportNote) -> anyhow::Result<bool> {
        Ok(self.writer.forget_empty_import(note)?)
    }

    fn applied(&mut self, src: &str) -> anyhow::Result<u64> {
        Ok(self.writer.progress(src)?.applied)
    }

    /// Writes what was counted and how far the file has come, or nothing of it.
    fn apply(&mut self, inserts: &[Insert], note: &ImportNote) -> anyhow::Result<()> {
        while let Err(error) = self.try_apply(inserts, note)? {
            if !error.is_retryable() {
                return Err(why(error));
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(error).context(
                    "stopped while the store refused a write; what was not written is counted \
                     when this is run again",
                );
            }
            tracing::warn!(error = %error, "store refused a write, trying again");
            std::thread::sleep(RETRY_PAUSE);
        }
        Ok(())
    }

    /// Writes once. Whoever erases notes it first and then waits for the lock: what is written
    /// before the note is erased, and nothing is written after it. The lock is held for one
    /// attempt, so that a store that refuses does not keep an erasure waiting.
    fn try_apply(
        &mut self,
        inserts: &[Insert],
        note: &ImportNote,
    ) -> anyhow::Result<Result<(), StoreError>> {
        let _lock = folder::lock_erasing(&self.folder)?;
        let is_gone = self.control.tombstones()?.contains(&self.host)
            || self.control.erasures_open()?.contains(&self.host);
        if is_gone {
            bail!("{} was erased in the meantime; the import has stopped", self.host);
        }
        Ok(self.writer.apply_import(&self.host, inserts, note))
    }

    fn insert(
        &self,
        src: String,
        (lo, hi): (u64, u64),
        batches: Vec<Batch>,
    ) -> anyhow::Result<Insert> {
        let totals = Insert::totals_of(&batches).context("counts beyond what a store takes")?;
        let closed_day = self.clock.hour().day();
        Ok(Insert { src, lo, hi, closed_day, batches, totals, last_seqs: Vec::new() })
    }
}

/// Another name's file, with the same lines, was counted further in the meantime.
#[derive(Debug)]
pub(crate) struct CountedElsewhere;

impl std::fmt::Display for CountedElsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the same file is counted elsewhere at this moment; run it again")
    }
}

impl std::error::Error for CountedElsewhere {}

fn why(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::OutOfOrder { .. } => CountedElsewhere.into(),
        error => error.into(),
    }
}

/// What taking a line came to.
pub(crate) enum Taken {
    /// It is counted.
    Counted,
    /// It is counted, and counts were written, or so many lines had been counted before: see
    /// [`Counting::tidy`].
    Tidy,
    /// The lines up to it are not those that were noted: this is another file, of which nothing
    /// may be written under this note.
    Another,
}

/// A file that is being counted.
pub(crate) struct Counting {
    name: String,
    note: ImportNote,
    trail: Trail,
    /// Lines whose pages, and whose attributes, the ledger has.
    pages: u64,
    attributes: u64,
    pending: Pending,
    last_day: Day,
    /// Whether nothing was known of it, and none of its lines was counted since.
    is_vain: bool,
}

impl Counting {
    /// Begins a file, or goes on with one that was counted in part.
    ///
    /// # Errors
    /// If the ledger cannot be read, or there is no randomness.
    pub(crate) fn begin(
        name: String,
        known: Option<ImportNote>,
        books: &mut Books,
    ) -> anyhow::Result<Self> {
        let is_vain = known.is_none();
        let note = match known {
            Some(note) => note,
            None => ImportNote { id: drawn()?, ..ImportNote::default() },
        };
        Ok(Self {
            is_vain,
            name,
            pages: books.applied(&note.src())?,
            attributes: books.applied(&note.src_of_attributes())?,
            trail: Trail::new(),
            pending: Pending::default(),
            last_day: note.last_day,
            note,
        })
    }

    /// Lines passed, counted or not.
    pub(crate) fn lines(&self) -> u64 {
        self.trail.lines()
    }

    /// Lines whose attributes wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.pages - self.attributes.min(self.pages)
    }

    /// Its lines, if it was new, has some, and none of them was a view or a refusal.
    pub(crate) fn in_vain(&self) -> Option<u64> {
        Some(self.lines()).filter(|lines| self.is_vain && *lines > 0)
    }

    /// The latest day of a view or a refusal.
    pub(crate) fn last_day(&self) -> Day {
        self.last_day
    }

    /// Whether everything that was counted is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Lets the judge forget what neither this file nor another still needs, if nothing is pending
    /// here. Ask it where this file is alone.
    pub(crate) fn tidy(&self, judge: &mut LogJudge) {
        if self.pending.is_empty() {
            judge.tidy(self.pending.last_day().minus(1));
        }
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// If counts that must leave cannot be written.
    pub(crate) fn take(
        &mut self,
        line: Line<'_>,
        judge: &mut LogJudge,
        (books, summary): (&mut Books, &mut Summary),
    ) -> anyhow::Result<Taken> {
        failpoint::hit("line-taken");
        let number = self.trail.lines() + 1;
        let part = if number <= self.attributes {
            Part::Nothing
        } else if number <= self.pages {
            Part::Attributes
        } else {
            Part::Everything
        };
        let taken = judge.take(line.bytes, part, &mut self.pending);
        self.last_day = self.last_day.max(self.pending.last_day());
        self.is_vain &= !matches!(taken, Ok(_) | Err(Skipped::Refused(_)));
        if part == Part::Everything {
            summary.line((&self.name, number), taken);
        } else {
            summary.known();
        }
        self.trail.pass(line);
        if self.trail.lines() == self.note.lines && !self.trail.is_at(&self.note) {
            return Ok(Taken::Another);
        }
        let since = self.trail.lines().saturating_sub(self.pages.max(self.attributes));
        if self.pending.has_past() {
            // This line is the first of a day that is not over.
            self.write_past(judge, books)?;
        } else if self.pending.pages_len() >= CELLS_MAX || since >= books.commit_lines {
            self.write(judge, books)?;
        } else {
            // Names of what was counted before are learnt, too.
            let is_far = number <= self.pages && number.is_multiple_of(books.commit_lines);
            return Ok(if is_far { Taken::Tidy } else { Taken::Counted });
        }
        Ok(Taken::Tidy)
    }

    /// Writes the pages, and the attributes of all lines but the last.
    fn write_past(&mut self, judge: &mut LogJudge, books: &mut Books) -> anyhow::Result<()> {
        let mut inserts = self.pages_insert(judge, books)?;
        let hi = self.trail.lines() - 1;
        let batches = judge.past_attributes(&mut self.pending);
        let range = (self.attributes + 1, hi);
        inserts.push(books.insert(self.note.src_of_attributes(), range, batches)?);
        self.apply(&inserts, books)?;
        self.attributes = hi;
        Ok(())
    }

    /// Writes everything that may leave.
    ///
    /// # Errors
    /// If it cannot be written, or the site was erased.
    pub(crate) fn write(&mut self, judge: &mut LogJudge, books: &mut Books) -> anyhow::Result<()> {
        let mut inserts = self.pages_insert(judge, books)?;
        let hi = self.trail.lines();
        let attributes_leave = hi > self.attributes && judge.has_crowd(&self.pending);
        if attributes_leave {
            let batches = judge.attributes(&mut self.pending);
            let range = (self.attributes + 1, hi);
            inserts.push(books.insert(self.note.src_of_attributes(), range, batches)?);
        }
        if inserts.is_empty() {
            return Ok(());
        }
        self.apply(&inserts, books)?;
        if attributes_leave {
            self.attributes = hi;
        }
        Ok(())
    }

    /// The insert of the pages that the ledger does not have.
    fn pages_insert(&mut self, judge: &mut LogJudge, books: &Books) -> anyhow::Result<Vec<Insert>> {
        let hi = self.trail.lines();
        if hi <= self.pages {
            return Ok(Vec::new());
        }
        let batches = judge.pages(&mut self.pending);
        Ok(vec![books.insert(self.note.src(), (self.pages + 1, hi), batches)?])
    }

    /// The pages are never behind the attributes, so the note is that of the pages.
    fn apply(&mut self, inserts: &[Insert], books: &mut Books) -> anyhow::Result<()> {
        let hi = self.trail.lines();
        if hi > self.pages {
            self.trail.note(&mut self.note);
            self.note.last_day = self.last_day;
        }
        books.apply(inserts, &self.note)?;
        self.pages = self.pages.max(hi);
        Ok(())
    }
}

fn drawn() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| anyhow::anyhow!("no random bytes"))?;
    Ok(u64::from_le_bytes(bytes))
}
