//! The control file, `control.db`: which sites are counted, which are being erased, and who may
//! read. Commands and the running process share it.
//!
//! What it is not: configuration (that is the TOML file), and not counts.
//!
//! What surprises: several processes write it. A running process asks [`Control::version`] now and
//! then, which costs microseconds, and reads again when the number changed.

pub mod admin;
mod published;
mod token;

use std::path::{Path, PathBuf};

use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use rusqlite::Connection;

pub use published::{Published, PublishedNoise};
pub use token::{
    Grant, Kind, LABEL_CHARS_MAX, LINK_SECONDS, NewToken, Proof, Role, State, Token, TokenInfo,
    has_form,
};

use self::admin::{Act, Actor};

use crate::error::{Doing as _, StoreError};
use crate::file::FileKind;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "control.db";

static CONTROL_FILE: FileKind = FileKind {
    name: "control file",
    application_id: 0x4843_4B31,
    migrations: &[
        include_str!("control/migrations/0001_control.sql"),
        include_str!("control/migrations/0002_share.sql"),
        include_str!("control/migrations/0003_access.sql"),
        include_str!("control/migrations/0004_admin_log.sql"),
        include_str!("control/migrations/0005_published.sql"),
    ],
    pragmas: "PRAGMA synchronous = FULL;
              PRAGMA secure_delete = ON;
              PRAGMA temp_store = MEMORY;",
    schema: std::sync::OnceLock::new(),
};

/// A connection to the control file. Any number of processes may have one.
pub struct Control {
    conn: Connection,
    /// Who acts through this connection.
    actor: Actor,
    /// Where the admin log's mark is.
    mark: PathBuf,
}

impl Control {
    /// Opens the control file at `path` and creates it if need be.
    ///
    /// # Errors
    /// [`StoreError::ForeignFile`], [`StoreError::NewerSchema`] and [`StoreError::Damaged`] say
    /// what is wrong with the file; others say what failed.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let conn = CONTROL_FILE.open(path)?;
        let mark = path.with_file_name(admin::MARK_FILE_NAME);
        Ok(Self { conn, actor: Actor::Program, mark })
    }

    /// A number that changes when another connection has written. Compare it with an earlier one
    /// of the same [`Control`]; what this one writes itself does not change it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn version(&self) -> Result<i64, StoreError> {
        self.conn
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .doing("read the data version")
    }

    /// Adds a site, and lifts the tombstone of an erasure that is done. False if it was there.
    ///
    /// # Errors
    /// [`StoreError::ErasureOpen`] while the site's erasure is not done: to lift that would keep
    /// what somebody wants gone.
    pub fn site_add(&mut self, host: &SiteHost, today: Day) -> Result<bool, StoreError> {
        let doing = "add a site";
        self.act(doing, |tx, log| {
            let waiting: bool = tx
                .query_row(
                    include_str!("control/sql/is_being_erased.sql"),
                    [host.as_str()],
                    |row| row.get(0),
                )
                .doing(doing)?;
            if waiting {
                return Err(StoreError::ErasureOpen { host: host.to_string() });
            }
            tx.execute(include_str!("control/sql/lift_tombstone.sql"), [host.as_str()])
                .doing(doing)?;
            let added = tx
                .execute(include_str!("control/sql/add_site.sql"), (host.as_str(), today.0))
                .doing(doing)?;
            if added > 0 {
                log.add(Act::SiteAdd, Some(host), "")?;
            }
            Ok(added > 0)
        })
    }

    /// Every site that was added, sorted.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn site_list(&self) -> Result<Vec<SiteHost>, StoreError> {
        self.hosts(include_str!("control/sql/list_sites.sql"))
    }

    /// Asks for a site to be erased: takes it from the list, revokes its tokens, forgets what was
    /// published of it, and leaves a tombstone until [`Control::erasure_done`] and beyond. Asking twice is asking once more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn erasure_request(&mut self, host: &SiteHost, today: Day) -> Result<(), StoreError> {
        let doing = "ask for an erasure";
        let key = (host.as_str(), today.0);
        self.act(doing, |tx, log| {
            tx.execute(include_str!("control/sql/drop_site.sql"), [host.as_str()]).doing(doing)?;
            tx.execute(include_str!("control/sql/revoke_tokens_of_site.sql"), key).doing(doing)?;
            let sql = include_str!("control/sql/forget_published_site.sql");
            tx.execute(sql, [host.as_str()]).doing(doing)?;
            tx.execute(include_str!("control/sql/ask_erasure.sql"), key).doing(doing)?;
            log.add(Act::SiteErase, Some(host), "")?;
            Ok(())
        })
    }

    /// Erasures that wait to be carried out, sorted.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn erasures_open(&self) -> Result<Vec<SiteHost>, StoreError> {
        self.hosts(include_str!("control/sql/list_open_erasures.sql"))
    }

    /// Every tombstone, done or not, sorted: whatever arrives for these sites is dropped.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tombstones(&self) -> Result<Vec<SiteHost>, StoreError> {
        self.hosts(include_str!("control/sql/list_tombstones.sql"))
    }

    /// Notes that every count of the site is gone. False if nobody waited for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn erasure_done(&mut self, host: &SiteHost) -> Result<bool, StoreError> {
        let doing = "note an erasure";
        self.act(doing, |tx, log| {
            let sql = include_str!("control/sql/finish_erasure.sql");
            let changed = tx.execute(sql, [host.as_str()]).doing(doing)?;
            if changed > 0 {
                log.add(Act::SiteErased, Some(host), "")?;
            }
            Ok(changed > 0)
        })
    }

    fn hosts(&self, sql: &str) -> Result<Vec<SiteHost>, StoreError> {
        let doing = "list sites";
        let hosts = self
            .conn
            .prepare_cached(sql)
            .and_then(|mut get| {
                get.query_map([], |row| row.get::<_, String>(0))?
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
            .doing(doing)?;
        hosts.iter().map(|host| self.host(host)).collect()
    }

    fn host(&self, text: &str) -> Result<SiteHost, StoreError> {
        SiteHost::parse(text).map_err(|_| self.damaged("a site in it is no host name"))
    }

    fn damaged(&self, why: &str) -> StoreError {
        let path = self.conn.path().unwrap_or(FILE_NAME);
        StoreError::damaged(path.as_ref(), why)
    }
}

#[cfg(test)]
mod tests;
