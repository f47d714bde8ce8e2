//! Opening an SQLite file of ours: is it ours, do we know its schema, is it whole.
//!
//! What it is not: aware of what the tables mean. Each file has its [`FileKind`].
//!
//! What surprises: a file that is not ours is never written to, not even to switch its journal
//! mode; so the questions come first and the pragmas after.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::{Doing as _, StoreError};
use crate::owner;

/// How long to wait for another process before giving up. SQLite is not fair to who waits: eight threads of
/// a test that write one after the other take that long on a slow disk.
const BUSY_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 300 } else { 5 });
/// How long to wait before asking again, where SQLite does not wait by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// The smallest page of an SQLite file (<https://sqlite.org/fileformat2.html>).
const PAGE_BYTES_MIN: u64 = 512;

/// A kind of file of ours.
pub(crate) struct FileKind {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// Written into the file's header (`PRAGMA application_id`).
    pub(crate) application_id: i32,
    /// Every migration in order; the schema version is how many were applied.
    pub(crate) migrations: &'static [&'static str],
    /// Settings of every writing connection.
    pub(crate) pragmas: &'static str,
    /// What the migrations make, worked out at the first opening of a file of this kind.
    pub(crate) schema: OnceLock<Schema>,
}

/// Name and text of every object that SQLite did not make itself, sorted.
type Schema = Vec<(String, String)>;

/// What a file says about itself.
enum Found {
    /// Nothing yet.
    Empty,
    /// Ours, at this schema version.
    Ours(i64),
}

impl FileKind {
    /// The schema version of this build.
    fn known(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// Opens for writing; creates the file (readable by its owner only) and migrates it.
    pub(crate) fn open(&self, path: &Path) -> Result<Connection, StoreError> {
        create_private(path)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        self.refuse_stump(path)?;
        let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let version = match self.found(&conn, path)? {
            Found::Empty => {
                // Only a file without tables can still be given this.
                conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").doing("create the file")?;
                0
            }
            Found::Ours(version) => version,
        };
        if version > self.known() {
            return Err(self.newer(path, version));
        }
        use_wal(&conn)?;
        conn.execute_batch(self.pragmas).doing("set up the connection")?;
        self.migrate(&mut conn, path)?;
        self.check_whole(&conn, path)?;
        self.check_schema(&conn, path)?;
        Ok(conn)
    }

    /// Opens for reading only.
    pub(crate) fn open_read_only(&self, path: &Path) -> Result<Connection, StoreError> {
        let missing = || StoreError::Missing { path: path.to_owned(), made_by: "headcount up" };
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(StoreError::Folder { path: path.to_owned() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
            Err(source) => return Err(StoreError::Open { path: path.to_owned(), source }),
        }
        self.refuse_stump(path)?;
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
            .doing("set up the connection")?;
        match self.found(&conn, path)? {
            Found::Empty => Err(missing()),
            Found::Ours(found) if found > self.known() => Err(self.newer(path, found)),
            Found::Ours(found) if found < self.known() => {
                Err(StoreError::OlderSchema { path: path.to_owned(), found, known: self.known() })
            }
            Found::Ours(_) => self.check_schema(&conn, path).map(|()| conn),
        }
    }

    /// SQLite takes a file of a few bytes for an empty one and would write over it.
    fn refuse_stump(&self, path: &Path) -> Result<(), StoreError> {
        let length = std::fs::metadata(path)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?
            .len();
        if (1..PAGE_BYTES_MIN).contains(&length) { Err(self.foreign(path)) } else { Ok(()) }
    }

    fn newer(&self, path: &Path, found: i64) -> StoreError {
        StoreError::NewerSchema { path: path.to_owned(), found, known: self.known() }
    }

    fn foreign(&self, path: &Path) -> StoreError {
        StoreError::ForeignFile { path: path.to_owned(), expected: self.name }
    }

    fn found(&self, conn: &Connection, path: &Path) -> Result<Found, StoreError> {
        // In one transaction: another process may be creating the file right now.
        let read = || -> rusqlite::Result<(i32, i64, i64)> {
            let tx = conn.unchecked_transaction()?;
            let id = tx.query_row("PRAGMA application_id", [], |row| row.get(0))?;
            let version = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            let objects =
                tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            Ok((id, version, objects))
        };
        match read() {
            Ok((0, 0, 0)) => Ok(Found::Empty),
            Ok((id, version, _)) if id == self.application_id => Ok(Found::Ours(version)),
            Ok(_) => Err(self.foreign(path)),
            Err(error) => Err(match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => self.foreign(path),
                Some(ErrorCode::DatabaseCorrupt) => StoreError::damaged(path, error.to_string()),
                _ => return Err(error).doing("read the file's header"),
            }),
        }
    }

    fn migrate(&self, conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
        let tx = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a migration")?;
        // Read again: another process may have migrated while this one waited for the lock.
        let version: i64 = tx
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .doing("read the schema version")?;
        if version > self.known() {
            return Err(self.newer(path, version));
        }
        let done = usize::try_from(version)
            .map_err(|_| StoreError::damaged(path, "its schema version is negative"))?;
        if done < self.migrations.len() {
            for script in self.migrations.iter().skip(done) {
                tx.execute_batch(script).doing("migrate the schema")?;
            }
            tx.pragma_update(None, "application_id", self.application_id)
                .doing("migrate the schema")?;
            tx.pragma_update(None, "user_version", self.known()).doing("migrate the schema")?;
        }
        tx.commit().doing("migrate the schema")
    }

    /// Every page, order, index and constraint of the file.
    fn check_whole(&self, conn: &Connection, path: &Path) -> Result<(), StoreError> {
        let verdict: rusqlite::Result<String> =
            conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        match verdict {
            Ok(verdict) if verdict == "ok" => Ok(()),
            Ok(verdict) => Err(StoreError::damaged(path, verdict)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                Err(StoreError::damaged(path, error.to_string()))
            }
            Err(error) => Err(error).doing("check the file"),
        }
    }

    /// Every table and view is what this build's migrations make: a view that says something else
    /// would answer with wrong counts. What others added is theirs.
    fn check_schema(&self, conn: &Connection, path: &Path) -> Result<(), StoreError> {
        let (wanted, found) = (self.schema()?, schema_of(conn)?);
        match wanted.iter().find(|object| found.binary_search(object).is_err()) {
            None => Ok(()),
            Some((name, _)) => {
                Err(StoreError::damaged(path, format!("{name} is missing or was changed")))
            }
        }
    }

    fn schema(&self) -> Result<&Schema, StoreError> {
        if let Some(schema) = self.schema.get() {
            return Ok(schema);
        }
        let fresh = Connection::open_in_memory().doing("check the schema")?;
        for script in self.migrations {
            fresh.execute_batch(script).doing("check the schema")?;
        }
        let made = schema_of(&fresh)?;
        Ok(self.schema.get_or_init(|| made))
    }
}

fn schema_of(conn: &Connection) -> Result<Schema, StoreError> {
    let mut statement = conn
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name, sql")
        .doing("read the schema")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing("read the schema")?
        .collect::<rusqlite::Result<Vec<_>>>()
        .doing("read the schema")?;
    Ok(rows)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).doing("open the file")?;
    conn.busy_timeout(BUSY_TIMEOUT).doing("open the file")?;
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
        .doing("open the file")?;
    Ok(conn)
}

/// Waits for others as any statement does, but by itself: the switch reads first and then wants to
/// write, and who already reads is never made to wait by `SQLite`, but told at once that it is busy
/// (<https://sqlite.org/c3ref/busy_handler.html>: two such could wait for each other for ever).
fn use_wal(conn: &Connection) -> Result<(), StoreError> {
    let mode = |sql| conn.query_row(sql, [], |row| row.get::<_, String>(0));
    if mode("PRAGMA journal_mode").doing("read the journal mode")? == "wal" {
        return Ok(());
    }
    let doing = "switch to a write-ahead log";
    let give_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        let found = mode("PRAGMA journal_mode = WAL").doing(doing);
        match found {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) | Err(StoreError::Busy { .. }) if Instant::now() < give_up => {
                std::thread::sleep(BUSY_PAUSE);
            }
            Ok(_) => return Err(StoreError::Busy { doing, source: None }),
            Err(error) => return Err(error),
        }
    }
}

/// Makes an empty file that only the folder's owner reads; SQLite gives `-wal` and `-shm` the same
/// rights and, as root, the same owner. A link to a file is followed, one to nothing is not.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut new = std::fs::OpenOptions::new();
    match new.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::OpenOptions::new().write(true).open(path)?;
        }
        made => drop(made?),
    }
    owner::hand_over(path)
}

#[cfg(test)]
mod tests;
