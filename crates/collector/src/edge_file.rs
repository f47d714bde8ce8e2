//! The edge file: what an answered hit rests on until the other side has written it down.
//!
//! What it is not: a history. It holds names and counts of unfinished days and batches on their
//! way, nothing older and nothing of a visitor.
//!
//! What surprises: a group commit writes one row of increments (`journal`) instead of one row a
//! cell; the release, once a second, folds them. That makes a hit's share of the disk a few bytes
//! (measured in `benches/README.md`, reasoned in `crates/README.md`).

mod damage;
mod mark;
mod rows;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use headcount_core::batch::BatchId;
use headcount_core::leak::{self, Leak};
use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use headcount_transport::Record;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use thiserror::Error;

use self::mark::Mark;
use crate::names::{Name, SiteId};
use crate::release::{EdgeCell, EdgeKey, Held};

/// Version of the schema that this build reads and writes.
pub const SCHEMA_VERSION: i64 = 2;
/// `application_id` of an edge file: "HCte".
const APPLICATION_ID: i64 = 0x4843_7465;
/// Pages in the write-ahead log before it is folded into the file: 4 MiB, so that a small disk is
/// not filled by the log alone.
const WAL_PAGES: u32 = 1_000;
/// How long another process may hold the file before opening it fails.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// What went wrong with the edge file.
#[derive(Debug, Error)]
pub enum EdgeFileError {
    /// Another process holds the file.
    #[error("the edge file is in use by another process; stop that one or choose another data_dir")]
    InUse,
    /// The file belongs to something else.
    #[error("the edge file is not one of Headcount's; choose another data_dir or move it away")]
    Foreign,
    /// Written by a newer build.
    #[error(
        "the edge file has schema {found}, this build reads {SCHEMA_VERSION}; upgrade headcount"
    )]
    Newer {
        /// The version found.
        found: i64,
    },
    /// Written by a build from before the first release.
    #[error(
        "the edge file has schema {found}, from before the first release; let the build that wrote \
         it send everything, then remove the file"
    )]
    Older {
        /// The version found.
        found: i64,
    },
    /// The file holds less than was once seen on the disk.
    #[error(
        "the edge file has lost its last commits ({found} of {noted}): it was cut, or is an older \
         copy. Restore it; or remove edge.mark beside it to go on without what is lost"
    )]
    Behind {
        /// Commits in the file.
        found: u64,
        /// Commits that were on the disk.
        noted: u64,
    },
    /// Bytes of the file have changed or are missing.
    #[error(
        "the edge file is damaged ({what}); nothing was counted from it. Restore it, or move it \
         away to begin a new one: counts that had not left it are then lost"
    )]
    Damaged {
        /// Where.
        what: &'static str,
    },
    /// The mark beside the file cannot be opened.
    #[error("the mark of the edge file (edge.mark) cannot be opened")]
    Mark(#[source] std::io::Error),
    /// No room on the disk.
    #[error("the disk of the edge file is full")]
    Full(#[source] rusqlite::Error),
    /// The disk failed to keep what it was given; nothing written since can be relied on.
    #[error("the disk of the edge file failed")]
    Disk(#[source] rusqlite::Error),
    /// Anything else.
    #[error("the edge file cannot be used")]
    Other(#[source] rusqlite::Error),
}

impl EdgeFileError {
    /// Whether the same write may succeed later, on the same open file.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InUse | Self::Full(_) | Self::Other(_) => true,
            Self::Foreign
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Behind { .. }
            | Self::Damaged { .. }
            | Self::Mark(_)
            | Self::Disk(_) => false,
        }
    }
}

impl From<rusqlite::Error> for EdgeFileError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(ErrorCode::NotADatabase) => Self::Foreign,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { what: "its structure" },
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::SystemIoFailure) => Self::Disk(error),
            _ => Self::Other(error),
        }
    }
}

/// The file, open and held by this process alone.
pub struct EdgeFile {
    db: Connection,
    collector: u64,
    epoch: u64,
    /// The last number given, per partition, in the running epoch.
    lanes: BTreeMap<u32, u64>,
    /// Commits with counts in them, ever.
    commits: u64,
    mark: Mark,
}

/// What a start finds in the file.
pub struct Recovered {
    /// Cells that have not left.
    pub held: Held,
    /// Names of unfinished days.
    pub names: Vec<Name>,
    /// Batches that were not acknowledged, in order.
    pub outbox: VecDeque<Record>,
    /// Whether the last group commit was cut off in the middle. No hit of it was answered: what
    /// is noted in the mark is there.
    pub cut_off: bool,
}

/// Everything that one transaction does.
#[derive(Default)]
pub struct Step<'a> {
    /// Names that the file does not hold yet.
    pub names: &'a [Name],
    /// Increments of a group of hits.
    pub increments: &'a [EdgeCell],
    /// A release, with its batches already encoded.
    pub release: Option<Folding<'a>>,
    /// Outbox rows of these partitions up to these batches are safe on the other side.
    pub acked: &'a [(u32, BatchId)],
}

/// The release's part of a transaction: the journal becomes rows of cells and batches.
#[derive(Default)]
pub struct Folding<'a> {
    /// Cells to write whole.
    pub write: &'a [EdgeCell],
    /// Cells to delete.
    pub delete: &'a [(SiteId, EdgeKey)],
    /// What is left in the journal afterwards: nothing, but for an erasure.
    pub journal: &'a [EdgeCell],
    /// Encoded batches to send and their partitions, in order.
    pub batches: Vec<(u32, Vec<u8>)>,
    /// Names of days before this one may go.
    pub names_before: Option<Day>,
}

impl EdgeFile {
    /// Opens or makes the file and reads everything in it.
    ///
    /// # Errors
    /// [`EdgeFileError`]; a damaged file is refused whole, never counted in part.
    pub fn open(path: &Path, fresh_id: u64) -> Result<(Self, Recovered), EdgeFileError> {
        let cut_off = damage::log_is_cut_off(path)?;
        let db = Connection::open(path)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
        let is_new = tables == 0 && version == 0 && application == 0;
        if !is_new && application != APPLICATION_ID {
            return Err(EdgeFileError::Foreign);
        }
        if version > SCHEMA_VERSION {
            return Err(EdgeFileError::Newer { found: version });
        }
        if !is_new && version < SCHEMA_VERSION {
            return Err(EdgeFileError::Older { found: version });
        }
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        // Pages that become free are overwritten too: the journal's rows are one commit's cells.
        db.pragma_update(None, "secure_delete", "ON")?;
        db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        // Writing the file anew would leave a copy of it in the system's temporary folder.
        db.pragma_update(None, "temp_store", "MEMORY")?;
        if is_new {
            create(&db, fresh_id)?;
        }
        damage::check_structure(&db)?;
        let (mark, noted) = Mark::open(path).map_err(EdgeFileError::Mark)?;
        let lanes = rows::lanes(&db)?;
        let mut file = Self { db, collector: 0, epoch: 0, lanes, commits: 0, mark };
        file.collector = file.meta("collector")?;
        file.epoch = file.meta("epoch")?;
        file.commits = file.meta("commits")?;
        let recovered = file.recover(cut_off)?;
        if file.commits < noted {
            return Err(EdgeFileError::Behind { found: file.commits, noted });
        }
        Ok((file, recovered))
    }

    /// The collector's number and the file's epoch.
    pub fn lane(&self) -> (u64, u64) {
        (self.collector, self.epoch)
    }

    /// The sequence number of the last batch of a partition in the running epoch; 0 for none.
    pub fn last_seq(&self, partition: u32) -> u64 {
        self.lanes.get(&partition).copied().unwrap_or(0)
    }

    /// The number of a site, given at its first use and never reused.
    ///
    /// # Errors
    /// [`EdgeFileError`] if it cannot be written.
    pub fn site_id(&mut self, host: &SiteHost) -> Result<SiteId, EdgeFileError> {
        self.db.execute("INSERT OR IGNORE INTO sites (host) VALUES (?1)", [host.as_str()])?;
        let id =
            self.db
                .query_row("SELECT id FROM sites WHERE host = ?1", [host.as_str()], |r| r.get(0))?;
        Ok(SiteId(id))
    }

    /// Every site the file knows.
    ///
    /// # Errors
    /// [`EdgeFileError`] if it cannot be read.
    pub fn sites(&self) -> Result<Vec<(SiteId, String)>, EdgeFileError> {
        let mut statement = self.db.prepare("SELECT id, host FROM sites ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((SiteId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Begins a new epoch, because the other side has applied more than this file ever sent: it
    /// was restored from an older copy. Whatever it holds went out before.
    ///
    /// # Errors
    /// [`EdgeFileError`] if it cannot be written.
    pub fn begin_epoch(&mut self, epoch: u64) -> Result<(), EdgeFileError> {
        let transaction = self.db.transaction()?;
        transaction.execute_batch(
            "DELETE FROM outbox; DELETE FROM journal; DELETE FROM cells; DELETE FROM lanes;",
        )?;
        rows::put_meta(&transaction, "commits", self.commits)?;
        rows::put_meta(&transaction, "epoch", epoch)?;
        transaction.commit()?;
        (self.epoch, self.lanes) = (epoch, BTreeMap::new());
        Ok(())
    }

    /// Begins a new epoch and keeps everything: the rows of the outbox keep their old numbers, and
    /// new batches begin at 1. Done at every start before Kafka, where nobody can say whether this
    /// file is an older copy: its numbers are then never given to other counts a second time.
    ///
    /// # Errors
    /// [`EdgeFileError`] if it cannot be written.
    pub fn renew_epoch(&mut self, epoch: u64) -> Result<(), EdgeFileError> {
        let transaction = self.db.transaction()?;
        transaction.execute("DELETE FROM lanes", [])?;
        rows::put_meta(&transaction, "epoch", epoch)?;
        transaction.commit()?;
        (self.epoch, self.lanes) = (epoch, BTreeMap::new());
        Ok(())
    }

    /// Does one step, durably and whole or not at all. Returns the records of its batches.
    ///
    /// # Errors
    /// [`EdgeFileError`]; then nothing of the step is in the file, unless the disk failed in the
    /// moment of syncing.
    pub fn commit(&mut self, step: Step<'_>) -> Result<Vec<Record>, EdgeFileError> {
        let transaction = self.db.transaction()?;
        let mut commits = self.commits;
        rows::put_names(&transaction, step.names)?;
        if !step.increments.is_empty() {
            commits += 1;
            rows::put_journal(&transaction, commits, step.increments)?;
        }
        let mut records = Vec::new();
        // Only a release moves them.
        let mut lanes = None;
        if let Some(folding) = step.release {
            commits = fold(&transaction, commits, &folding)?;
            let moved = lanes.insert(self.lanes.clone());
            for (partition, payload) in folding.batches {
                let seq = moved.entry(partition).or_default();
                *seq += 1;
                let id = BatchId { collector: self.collector, epoch: self.epoch, seq: *seq };
                let record = Record { id, partition, payload };
                rows::put_record(&transaction, &record)?;
                records.push(record);
            }
            for (partition, last_seq) in moved.iter() {
                if self.lanes.get(partition) != Some(last_seq) {
                    rows::put_lane(&transaction, *partition, *last_seq)?;
                }
            }
        }
        rows::delete_records(&transaction, step.acked)?;
        if let Some(seen) = leak::seen(Leak::EdgeFile) {
            transaction.execute_batch("CREATE TABLE IF NOT EXISTS leaked (text)")?;
            transaction.execute("INSERT INTO leaked VALUES (?1)", [seen])?;
        }
        transaction.commit()?;
        if let Some(lanes) = lanes {
            self.lanes = lanes;
        }
        self.committed(commits);
        Ok(records)
    }

    fn committed(&mut self, commits: u64) {
        if commits != self.commits {
            self.commits = commits;
            self.mark.note(commits);
        }
    }

    /// Removes everything of a site, its names and its number too. Its batches leave on their own.
    ///
    /// # Errors
    /// [`EdgeFileError`]; then nothing was removed.
    pub fn erase_site(&mut self, site: SiteId, rest: &Folding<'_>) -> Result<(), EdgeFileError> {
        let transaction = self.db.transaction()?;
        let commits = fold(&transaction, self.commits, rest)?;
        transaction.execute("DELETE FROM names WHERE site = ?1", [site.0])?;
        transaction.execute("DELETE FROM sites WHERE id = ?1", [site.0])?;
        transaction.commit()?;
        self.committed(commits);
        Ok(())
    }

    /// Bytes of the file when its log is folded into it.
    ///
    /// # Errors
    /// [`EdgeFileError`] if it cannot be read.
    pub fn size_bytes(&self) -> Result<u64, EdgeFileError> {
        let number = |name| self.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((number("page_count")? * number("page_size")?).cast_unsigned())
    }

    /// Writes the file anew: each page has its rows in the order of their keys, not in that of their
    /// coming, and nothing of what deleted rows have left behind, be it whole pages or copies
    /// between the rows of others. In the memory of all of it, while it lasts.
    ///
    /// # Errors
    /// [`EdgeFileError`] if the disk does not take it.
    pub fn write_anew(&mut self) -> Result<(), EdgeFileError> {
        self.db.execute_batch("VACUUM")?;
        self.checkpoint()
    }

    /// Folds the write-ahead log into the file and empties it, so that deleted bytes are gone.
    ///
    /// # Errors
    /// [`EdgeFileError`] if the disk does not take it.
    pub fn checkpoint(&mut self) -> Result<(), EdgeFileError> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// The database, for a test that makes it refuse something.
    #[cfg(test)]
    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }

    fn meta(&self, key: &str) -> Result<u64, EdgeFileError> {
        let found: Option<i64> = self
            .db
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()?;
        found.map(i64::cast_unsigned).ok_or(EdgeFileError::Damaged { what: "table meta" })
    }

    fn recover(&mut self, cut_off: bool) -> Result<Recovered, EdgeFileError> {
        if self.meta("checksum")? != rows::meta_checksum(self.collector, self.epoch, self.commits) {
            return Err(EdgeFileError::Damaged { what: "table meta" });
        }
        let names = rows::names(&self.db)?;
        let cells = rows::cells(&self.db)?;
        let (journal, commits) = rows::journal(&self.db, self.commits)?;
        self.commits = commits;
        let outbox = rows::outbox(&self.db, self.collector)?;
        damage::check_references(&names, [&cells, &journal], &self.sites()?)?;
        damage::check_order(&outbox, self.epoch, &self.lanes)?;
        Ok(Recovered { held: Held::recovered(cells, journal), names, outbox, cut_off })
    }
}

fn create(db: &Connection, fresh_id: u64) -> Result<(), EdgeFileError> {
    let transaction = db.unchecked_transaction()?;
    transaction.execute_batch(include_str!("../sql/edge_schema.sql"))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    for (key, value) in
        [("collector", fresh_id), ("epoch", fresh_id.rotate_left(32)), ("commits", 0)]
    {
        transaction.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)",
            params![key, value.cast_signed()],
        )?;
    }
    rows::refresh_meta_checksum(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Folds the journal, as one more commit after `commits`; what is left of it is another. Returns
/// the number of the last.
fn fold(
    transaction: &Transaction<'_>,
    commits: u64,
    folding: &Folding<'_>,
) -> Result<u64, EdgeFileError> {
    let folded = commits + 1;
    transaction.execute("DELETE FROM journal", [])?;
    rows::put_meta(transaction, "commits", folded)?;
    rows::put_journal(transaction, folded + 1, folding.journal)?;
    rows::put_cells(transaction, folding.write)?;
    rows::delete_cells(transaction, folding.delete)?;
    if let Some(day) = folding.names_before {
        transaction.execute("DELETE FROM names WHERE day < ?1", [day.0])?;
    }
    Ok(folded + u64::from(!folding.journal.is_empty()))
}

#[cfg(test)]
mod tests;
