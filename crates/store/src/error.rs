//! Everything that can go wrong at the border of the store.
//!
//! What it is not: an answer about counts. A question the store declines by design is one variant
//! ([`StoreError::Unanswerable`]) with a sentence meant for the analyst.
//!
//! What surprises: the texts say what to do next, because they end in a terminal.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

pub use crate::clickhouse::ServerFault;

/// A failure of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file is something else; nothing in it was touched.
    #[error(
        "{path} is not a {expected} of headcount; move it away or choose another data directory"
    )]
    ForeignFile {
        /// Which file.
        path: PathBuf,
        /// What was expected there.
        expected: &'static str,
    },
    /// A newer headcount wrote the file; nothing in it was touched.
    #[error(
        "{path} has schema {found}, and this headcount knows up to {known}; \
         start the newer headcount, or restore a backup from before the upgrade"
    )]
    NewerSchema {
        /// Which file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version of this build.
        known: i64,
    },
    /// An older headcount wrote the file and a reader may not change it.
    #[error(
        "{path} has the older schema {found} (this headcount has {known}); \
         start `headcount up` or `headcount aggregate` once, which brings it up to date"
    )]
    OlderSchema {
        /// Which file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version of this build.
        known: i64,
    },
    /// There is no such file yet.
    #[error("{path} does not exist; start `{made_by}` first")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// The command that makes it.
        made_by: &'static str,
    },
    /// The file is ours and its content cannot be trusted any more.
    #[error("{path} is damaged ({why}); stop headcount and restore the file from a backup")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What did not hold.
        why: String,
    },
    /// An insert that is not the next one of its source.
    #[error("insert of {src} starts at {lo}, and the ledger waits for {expected}")]
    OutOfOrder {
        /// The source.
        src: String,
        /// Where the insert starts.
        lo: u64,
        /// Where it should start: one after what was applied.
        expected: u64,
    },
    /// An insert that contradicts itself.
    #[error("insert refused: {why}")]
    BadInsert {
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A question that has no answer, by design or because it contradicts itself.
    #[error("{why}")]
    Unanswerable {
        /// A sentence for the analyst.
        why: String,
    },
    /// A site cannot be added while its erasure is still waiting.
    #[error("{host} is being erased; add it again when `headcount site list` no longer shows it")]
    ErasureOpen {
        /// The site.
        host: String,
    },
    /// Nobody may be let in to a site that was erased.
    #[error("{host} was erased; to count it again: headcount site add {host}")]
    SiteErased {
        /// The site.
        host: String,
    },
    /// The answer took longer than a reader may.
    #[error("the question took too long; ask for a shorter period or a coarser time")]
    TimedOut,
    /// Another process or a long read held the file for longer than the busy timeout.
    #[error("{doing}: the file is in use by another process or a long read; try again")]
    Busy {
        /// What was being done.
        doing: &'static str,
        /// The cause, where SQLite gave one.
        #[source]
        source: Option<rusqlite::Error>,
    },
    /// No room left on the disk.
    #[error("{doing}: the disk is full; make room and it goes on")]
    DiskFull {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The ClickHouse server's address is no address.
    #[error("the address of clickhouse must look like http://host:8123, without user and password")]
    BadAddress,
    /// No ClickHouse server answers there.
    #[error("clickhouse at {url} does not answer; check the address, and that it runs")]
    Unreachable {
        /// Where.
        url: String,
        /// The cause.
        #[source]
        source: ServerFault,
    },
    /// The ClickHouse server does not take this user and password.
    #[error("clickhouse at {url} refuses user {user}; check user and password")]
    WrongPassword {
        /// Where.
        url: String,
        /// Who.
        user: String,
    },
    /// The ClickHouse server has no such database.
    #[error(
        "clickhouse at {url} has no database {database}; create it: CREATE DATABASE {database}"
    )]
    NoDatabase {
        /// Where.
        url: String,
        /// Which.
        database: String,
    },
    /// The ClickHouse server is too old.
    #[error("clickhouse at {url} is version {found}, and headcount needs {needed}; upgrade it")]
    OldServer {
        /// Where.
        url: String,
        /// Its version.
        found: String,
        /// The oldest version that will do.
        needed: &'static str,
    },
    /// A setting of ClickHouse on which the protocol rests is not as it must be.
    #[error("clickhouse setting {name} is {found}, and headcount needs {needed}; {remedy}")]
    Setting {
        /// Which.
        name: String,
        /// Its value, or what the server says about it.
        found: String,
        /// The value that is needed.
        needed: String,
        /// What to do.
        remedy: String,
    },
    /// A call to ClickHouse failed.
    #[error("failed to {doing}")]
    Server {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: ServerFault,
    },
    /// The operating system would not create or open the file.
    #[error("failed to open {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// There is something else than a file.
    #[error("failed to open {path}: it is a folder")]
    Folder {
        /// Where.
        path: PathBuf,
    },
    /// The operating system gave no random bytes for a token.
    #[error("no random bytes from the operating system")]
    Random {
        /// The cause.
        #[source]
        source: getrandom::Error,
    },
    /// Any other failure of SQLite.
    #[error("failed to {doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without a human changing the data. After an apply,
    /// read the progress back first: a failed commit may have been written.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::DiskFull { .. } | Self::Unreachable { .. } => true,
            Self::Server { source, .. } => source.is_retryable(),
            Self::Sqlite { source, .. } => {
                source.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
            }
            Self::ForeignFile { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::OutOfOrder { .. }
            | Self::BadInsert { .. }
            | Self::Unanswerable { .. }
            | Self::ErasureOpen { .. }
            | Self::SiteErased { .. }
            | Self::TimedOut
            | Self::BadAddress
            | Self::WrongPassword { .. }
            | Self::NoDatabase { .. }
            | Self::OldServer { .. }
            | Self::Setting { .. }
            | Self::Open { .. }
            | Self::Folder { .. }
            | Self::Random { .. } => false,
        }
    }

    /// A question the store declines, with the sentence that says why.
    pub(crate) fn unanswerable(why: impl Into<String>) -> Self {
        Self::Unanswerable { why: why.into() }
    }

    /// A file whose content does not hold.
    pub(crate) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }
}

/// Says what was being done when SQLite failed, and sorts the failure.
pub(crate) trait Doing<T> {
    /// `doing` completes "failed to …".
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::Busy { doing, source: Some(source) }
            }
            Some(ErrorCode::DiskFull) => StoreError::DiskFull { doing, source },
            Some(ErrorCode::OperationInterrupted) => StoreError::TimedOut,
            Some(ErrorCode::DatabaseCorrupt) => {
                StoreError::Damaged { path: PathBuf::from("the file"), why: source.to_string() }
            }
            _ => StoreError::Sqlite { doing, source },
        })
    }
}
