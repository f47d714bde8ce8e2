//! Whether the admin log is whole: every hash, every number, its beginning and its end.
//!
//! What it is not: a proof against who may write the folder. For that a hash must be kept elsewhere.
//!
//! What surprises: a log may begin later than with 1. Then an entry of it says so, and holds the hash
//! that the first one follows. Anybody could write such an entry, so it must be plausible: the first
//! entry that is left is older than entries are kept, or the log was full.

use headcount_core::site::SiteHost;
use headcount_core::time::Hour;
use rusqlite::{Row, Transaction, TransactionBehavior};

use super::mark::{self, Mark};
use super::{Act, ENTRIES_MAX, Entry, Head, NOTHING, START, trimmed};
use crate::control::Control;
use crate::error::{Doing as _, StoreError};

const DOING: &str = "read the admin log";

/// What became of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every entry is the one that was written.
    Whole {
        /// How many there are.
        entries: usize,
        /// The last one; none in an empty log.
        head: Option<Head>,
        /// The ones that were taken out at its beginning; none if it begins with the first.
        trimmed: Option<Trimmed>,
    },
    /// Something was changed.
    Broken {
        /// The first entry that is not what it was, or that is missing.
        seq: i64,
        /// What does not hold.
        why: String,
    },
}

/// Entries that were taken out at the beginning of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// The last of them.
    pub last: i64,
    /// When, as text.
    pub time: String,
    /// By whom.
    pub who: String,
}

impl std::fmt::Display for Trimmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { last, time, who } = self;
        write!(f, "entries up to {last} were taken out on {time} by {who}")
    }
}

impl Control {
    /// Every entry, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_entries(&self) -> Result<Vec<Entry>, StoreError> {
        self.conn
            .prepare_cached(include_str!("../sql/log_entries.sql"))
            .and_then(|mut get| get.query_map([], entry)?.collect())
            .doing(DOING)
    }

    /// The last entry.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_head(&self) -> Result<Option<Head>, StoreError> {
        Ok(self.log_entries()?.last().map(|last| Head { seq: last.seq, hash: last.hash }))
    }

    /// Checks the log from its first entry to its mark; and that it has an entry with the hash
    /// `kept`, which somebody wrote down when it was the last one. Entries are kept for
    /// `retention_days`: what was taken out earlier must have an explanation.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_verify(
        &self,
        kept: Option<[u8; 32]>,
        retention_days: u32,
    ) -> Result<Verdict, StoreError> {
        let (mark, entries) = self.log_and_mark()?;
        let now: i64 =
            self.conn.query_row("SELECT unixepoch()", [], |row| row.get(0)).doing(DOING)?;
        let begun = entries.first().map_or(Ok(None), |first| start(first, &entries));
        let plausible = |trim: Option<&Entry>| match (trim, entries.first()) {
            (Some(trim), Some(first)) => explained(first, trim, (retention_days, now)),
            _ => Ok(()),
        };
        let found = begun.and_then(|trim| {
            plausible(trim)?;
            chain(&entries, trim)?;
            end(&mark, &entries)?;
            match kept {
                Some(kept) if entries.iter().all(|entry| entry.hash != kept) => Err((
                    last(&entries).seq,
                    "no entry has the hash that was kept: the log was made anew, or cut before \
                     that entry, or that entry was trimmed since"
                        .to_owned(),
                )),
                _ => Ok(trim),
            }
        });
        Ok(match found {
            Ok(trim) => Verdict::Whole {
                entries: entries.len(),
                head: Some(last(&entries)).filter(|head| *head != START),
                trimmed: trim.zip(entries.first()).map(|(trim, first)| taken_out(first, trim)),
            },
            Err((seq, why)) => Verdict::Broken { seq, why },
        })
    }

    /// Takes the log as it is: writes an entry about it, and makes that one the mark. The chain
    /// itself is not mended.
    ///
    /// # Errors
    /// When the file or the mark cannot be written.
    pub fn log_accept(&mut self) -> Result<(), StoreError> {
        let was = match mark::read(&self.mark)? {
            Mark::Missing => "without a mark".to_owned(),
            Mark::Damaged => "with a damaged mark".to_owned(),
            Mark::At(head, _) => format!("with its mark at {}", head.seq),
        };
        self.act("accept the admin log", |_, log| {
            log.add(Act::Accept, None::<&SiteHost>, &was)?;
            log.fits = true;
            Ok(())
        })
    }

    /// Mark and entries of one moment: whoever would write either waits.
    fn log_and_mark(&self) -> Result<(Result<Mark, StoreError>, Vec<Entry>), StoreError> {
        let held = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate);
        let held = held.doing(DOING)?;
        let found = (mark::read(&self.mark), self.log_entries()?);
        held.rollback().doing(DOING)?;
        Ok(found)
    }
}

/// What does not hold, and of which entry.
type Broken = (i64, String);

/// The end of the log is where its mark is: not before, and not beyond.
fn end(mark: &Result<Mark, StoreError>, entries: &[Entry]) -> Result<(), Broken> {
    let last = last(entries);
    let broken = |seq, why: &str| Err((seq, why.to_owned()));
    match mark.as_ref().map_err(|error| (last.seq, error.to_string()))? {
        mark if mark.fits(last) => Ok(()),
        Mark::Missing => broken(last.seq, "the mark beside the log is missing"),
        Mark::Damaged => broken(last.seq, "the mark beside the log is damaged"),
        Mark::At(head, _) if head.seq > last.seq => {
            let first = last.seq + 1;
            Err((first, format!("entries {first} to {} are missing", head.seq)))
        }
        Mark::At(head, next) => {
            let is_there = |head: &Head| {
                let is_it = |entry: &Entry| entry.seq == head.seq && entry.hash == head.hash;
                *head == START || entries.iter().any(is_it)
            };
            match next.iter().chain([head]).find(|head| is_there(head)) {
                Some(marked) => broken(
                    marked.seq + 1,
                    "it was written past the mark beside the log, so not by a command of headcount",
                ),
                None => broken(head.seq, "it is another one than its mark says"),
            }
        }
    }
}

/// Where the log ends.
fn last(entries: &[Entry]) -> Head {
    entries.last().map_or(START, |last| Head { seq: last.seq, hash: last.hash })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: row.get(0)?,
        at: row.get(1)?,
        who: row.get(2)?,
        what: row.get(3)?,
        site: row.get(4)?,
        detail: row.get(5)?,
        hash: row.get(6)?,
    })
}

/// Every entry follows the one before it, and the first one those that were taken out.
fn chain(entries: &[Entry], trim: Option<&Entry>) -> Result<(), Broken> {
    let Some(first) = entries.first() else { return Ok(()) };
    let mut before = trim.and_then(|trim| followed(first, trim)).unwrap_or(NOTHING);
    for (seq, entry) in (first.seq..).zip(entries) {
        if entry.seq != seq {
            return Err((seq, "it is missing".to_owned()));
        }
        if entry.expected(&before) != entry.hash {
            return Err((
                seq,
                "it is not what was written, or the one before it is not".to_owned(),
            ));
        }
        before = entry.hash;
    }
    Ok(())
}

/// The entry that says that those before the first one were taken out; none if it is the first of all.
fn start<'a>(first: &Entry, entries: &'a [Entry]) -> Result<Option<&'a Entry>, Broken> {
    if first.seq == 1 {
        return Ok(None);
    }
    let says = |entry: &&Entry| followed(first, entry).is_some();
    let trim = entries.iter().rev().find(says).ok_or_else(|| {
        (first.seq - 1, "it is missing, and no entry says that it was trimmed".to_owned())
    })?;
    Ok(Some(trim))
}

/// The hash that the first entry follows, as an entry about its trimming says.
fn followed(first: &Entry, trim: &Entry) -> Option<[u8; 32]> {
    let (_, hash) = trim.detail.rsplit_once(' ')?;
    let hash = *blake3::Hash::from_hex(hash).ok()?.as_bytes();
    let is_it = trim.what == Act::Trim.as_str() && trim.detail == trimmed(first.seq - 1, &hash);
    is_it.then_some(hash)
}

/// Only what is older than entries are kept is taken out, and of a full log the oldest tenth. An
/// entry of the future explains nothing.
fn explained(first: &Entry, trim: &Entry, (retention_days, now): (u32, i64)) -> Result<(), Broken> {
    let at = u64::try_from(trim.at.min(now)).unwrap_or(0);
    let oldest = Hour::of_unix(at).day().oldest_kept(retention_days).first_hour().unix_seconds();
    let is_old = u64::try_from(first.at).is_ok_and(|at| at < oldest);
    let was_full = trim.seq.saturating_sub(first.seq) >= ENTRIES_MAX - ENTRIES_MAX / 10;
    if is_old || was_full {
        return Ok(());
    }
    Err((
        first.seq - 1,
        format!(
            "{}, and nothing explains that: the log was not full, and entry {} was younger than \
             retention_days = {retention_days}; if it was less then, say so: \
             HEADCOUNT_RETENTION_DAYS=DAYS",
            taken_out(first, trim),
            first.seq
        ),
    ))
}

fn taken_out(first: &Entry, trim: &Entry) -> Trimmed {
    Trimmed { last: first.seq - 1, time: trim.time(), who: trim.who.clone() }
}
