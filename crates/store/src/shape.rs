//! What tables and columns there are: for a map of the data, not for questions.
//!
//! What it is not: the schema of this build. It says what is found, whoever made it.
//!
//! What surprises: a file that another process holds for itself is read as it lies on the disk,
//! without what still stands in its log.

use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use crate::error::{Doing as _, StoreError};

/// A column of a table or view, as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The table or view.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Its type, in the words of its database; empty where there is none.
    pub kind: String,
}

/// Values of attributes on days that are closed, as counts only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SmallCells {
    /// Values that kept their names, one for each site, day and attribute.
    pub named: u64,
    /// Visitors of the smallest of them; visits where no value of its table has a visitor.
    pub smallest: Option<u64>,
    /// How many have fewer than was asked for.
    pub below: u64,
    /// Sums of values that lost their names.
    pub folded: u64,
    /// Sites with such a day.
    pub sites: u64,
    /// Sites of which less than 80 % of those days' visitors (or visits) are in named countries.
    pub unusable: u64,
}

/// Hits that can be read of which the text policy took something, over all sites, as counts only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// `page`, `click`, `source` or `utm`.
    pub kind: String,
    /// Hits with a text of this kind: views, of clicks clicks.
    pub hits: u64,
    /// Of these, those whose text has a part taken out.
    pub parts: u64,
    /// Of these, those of whose text nothing is left.
    pub whole: u64,
}

/// Every column of every table and view of an SQLite file, in order.
///
/// # Errors
/// When the file cannot be read.
pub fn columns(path: &Path) -> Result<Vec<Column>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let shared = Connection::open_with_flags(path, flags).and_then(|db| read(&db));
    shared.or_else(|_| read(&lying(path)?)).doing("read which tables there are")
}

/// The file as it lies there, without a lock.
fn lying(path: &Path) -> rusqlite::Result<Connection> {
    let encoded = percent_encode(path.as_os_str().as_encoded_bytes(), NON_ALPHANUMERIC);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{encoded}?immutable=1"), flags)
}

fn read(db: &Connection) -> rusqlite::Result<Vec<Column>> {
    let mut get = db.prepare(include_str!("sql/columns.sql"))?;
    let rows = get.query_map([], |row| {
        Ok(Column { table: row.get(0)?, name: row.get(1)?, kind: row.get(2)? })
    })?;
    rows.collect()
}

/// How many rows of a counts file have a shape that no count has, such as a value of an attribute
/// with a click target. The books do not see them.
///
/// # Errors
/// When the file cannot be read.
pub fn odd_rows(path: &Path) -> Result<u64, StoreError> {
    let doing = "look for odd rows";
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).doing(doing)?;
    let odd: i64 =
        db.query_row(include_str!("sql/odd_rows.sql"), [], |row| row.get(0)).doing(doing)?;
    Ok(odd.unsigned_abs())
}

/// Looks how small the values of attributes are that kept their names on the closed days of a counts
/// file, and how many have fewer visitors than `k`.
///
/// # Errors
/// When the file cannot be read.
pub fn small_cells(path: &Path, k: u32) -> Result<SmallCells, StoreError> {
    let doing = "look for small cells";
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).doing(doing)?;
    let row = |row: &rusqlite::Row<'_>| {
        let number = |at| row.get::<_, Option<i64>>(at).map(|number| number.map(i64::unsigned_abs));
        Ok(SmallCells {
            named: number(0)?.unwrap_or(0),
            smallest: number(1)?,
            below: number(2)?.unwrap_or(0),
            folded: number(3)?.unwrap_or(0),
            sites: number(4)?.unwrap_or(0),
            unusable: number(5)?.unwrap_or(0),
        })
    };
    db.query_row(include_str!("sql/small_cells.sql"), [k], row).doing(doing)
}

/// Counts, for each kind of text, the hits of a counts file of which the text policy took something.
///
/// # Errors
/// When the file cannot be read.
pub fn taken(path: &Path) -> Result<Vec<Taken>, StoreError> {
    let doing = "look what the text policy took";
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).doing(doing)?;
    let mut get = db.prepare(include_str!("sql/taken.sql")).doing(doing)?;
    let rows = get.query_map([], |row| {
        let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
        Ok(Taken { kind: row.get(0)?, hits: number(1)?, parts: number(2)?, whole: number(3)? })
    });
    rows.and_then(Iterator::collect).doing(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whoever_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        // A name that means something in an address.
        let path = dir.path().join("a?b#c %41.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE t (a TEXT, b INTEGER); CREATE VIEW v AS SELECT a FROM t")
            .unwrap();
        let column = |table: &str, name: &str, kind: &str| Column {
            table: table.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
        };
        let expect =
            [column("t", "a", "TEXT"), column("t", "b", "INTEGER"), column("v", "a", "TEXT")];
        assert_eq!(columns(&path).unwrap(), expect);
        db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        assert_eq!(columns(&path).unwrap(), expect);
        assert!(columns(&dir.path().join("none.db")).is_err());
    }
}
