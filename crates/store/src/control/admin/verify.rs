//! Whether the admin log is whole: every hash, every number, its beginning and its end.
//!
//! What it is not: a proof against who may write the folder. For that a hash must be kept elsewhere.
//!
//! What surprises: a log may begin later than with 1. Then an entry of it says so, and holds the hash
//! that the first one follows.

use headcount_core::site::SiteHost;
use rusqlite::{Row, Transaction, TransactionBehavior};

use super::mark::{self, Mark};
use super::{Act, Entry, Head, NOTHING, trimmed};
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
    },
    /// Something was changed.
    Broken {
        /// The first entry that is not what it was, or that is missing.
        seq: i64,
        /// What does not hold.
        why: String,
    },
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
    /// `kept`, which somebody wrote down when it was the last one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log_verify(&self, kept: Option<[u8; 32]>) -> Result<Verdict, StoreError> {
        let (mark, entries) = self.log_and_mark()?;
        let found = chain(&entries).and_then(|()| end(&mark, &entries)).and_then(|()| {
            let is_there = |kept| entries.iter().any(|entry| entry.hash == kept);
            match kept {
                Some(kept) if !is_there(kept) => {
                    let last = entries.last().map_or(0, |entry| entry.seq);
                    Err((
                        last,
                        "no entry has the hash that was kept: the log was made anew, or cut before \
                         that entry, or that entry was trimmed since"
                            .to_owned(),
                    ))
                }
                _ => Ok(()),
            }
        });
        Ok(match found {
            Ok(()) => {
                let head = entries.last().map(|last| Head { seq: last.seq, hash: last.hash });
                Verdict::Whole { entries: entries.len(), head }
            }
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
            Mark::At(head) => format!("with its mark at {}", head.seq),
        };
        let head = self
            .act("accept the admin log", |_, log| log.add(Act::Accept, None::<&SiteHost>, &was))?;
        mark::replace(&self.mark, &head)
            .map_err(|source| StoreError::Open { path: self.mark.clone(), source })
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

/// The end of the log is where its mark is, or beyond.
fn end(mark: &Result<Mark, StoreError>, entries: &[Entry]) -> Result<(), (i64, String)> {
    let last = entries.last().map_or(0, |entry| entry.seq);
    match mark.as_ref().map_err(|error| (last, error.to_string()))? {
        Mark::Missing if entries.is_empty() => Ok(()),
        Mark::Missing => Err((last, "the mark beside the log is missing".to_owned())),
        Mark::Damaged => Err((last, "the mark beside the log is damaged".to_owned())),
        Mark::At(mark) if mark.seq > last => {
            Err((last + 1, format!("entries {} to {} are missing", last + 1, mark.seq)))
        }
        Mark::At(mark) => match entries.iter().find(|entry| entry.seq == mark.seq) {
            Some(entry) if entry.hash == mark.hash => Ok(()),
            _ => Err((mark.seq, "it is another one than its mark says".to_owned())),
        },
    }
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

/// Every entry follows the one before it.
fn chain(entries: &[Entry]) -> Result<(), (i64, String)> {
    let Some(first) = entries.first() else { return Ok(()) };
    let mut before = start(first, entries)?;
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

/// The hash that the first entry follows.
fn start(first: &Entry, entries: &[Entry]) -> Result<[u8; 32], (i64, String)> {
    if first.seq == 1 {
        return Ok(NOTHING);
    }
    let says = |entry: &&Entry| entry.what == Act::Trim.as_str();
    let hash = entries.iter().rev().find(says).and_then(|entry| {
        let (_, hash) = entry.detail.rsplit_once(' ')?;
        let hash = *blake3::Hash::from_hex(hash).ok()?.as_bytes();
        (entry.detail == trimmed(first.seq - 1, &hash)).then_some(hash)
    });
    hash.ok_or_else(|| {
        (first.seq - 1, "it is missing, and no entry says that it was trimmed".to_owned())
    })
}
