//! Single numbers of the file, each with a checksum.
//!
//! What it is not: configuration. The binary owns that and hands over what the views need.
//!
//! What surprises: a number whose checksum is wrong is not given out, it is an error.

use headcount_core::time::Day;
use rusqlite::{Connection, OptionalExtension as _};

use crate::error::{Doing as _, StoreError};
use crate::placement::{chain, text_hash};
use crate::question::Books;

/// Days before this one are not shown by any view.
pub(super) const OLDEST_READABLE_DAY: &str = "oldest_readable_day";
/// Values of attributes of days before this one have been folded, and may be asked for.
pub(super) const CLOSED_BEFORE_DAY: &str = "closed_before_day";
/// With which threshold the last one was.
pub(super) const CLOSED_WITH_K: &str = "closed_with_k";
/// 1 while deleted texts may still have traces in the file.
pub(super) const TEXT_WIPE_DUE: &str = "text_wipe_due";
/// The placement of all counts.
pub(super) const PLACEMENT: &str = "placement";
/// There while rows of the ledger have no seal yet; see [`super::books::reseal`].
pub(super) const RESEAL_DUE: &str = "reseal_due";
/// 1 while the file's free space may still have placements of single rows.
pub(super) const REWRITE_DUE: &str = "rewrite_due";
const AUDIT_DELTA: &str = "audit_delta";
const AUDIT_TILED: &str = "audit_tiled";
const AUDIT_CHECKED_AT: &str = "audit_checked_at";

fn seal(key: &str, value: i64) -> i64 {
    chain(&[text_hash(key), value.cast_unsigned()]).cast_signed()
}

/// Reads a number.
pub(super) fn get(conn: &Connection, key: &str) -> Result<Option<i64>, StoreError> {
    let doing = "read a setting of the counts file";
    let found: Option<(i64, i64)> = conn
        .prepare_cached(include_str!("sql/get_meta.sql"))
        .and_then(|mut get| get.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .doing(doing)?;
    match found {
        Some((value, sealed)) if sealed == seal(key, value) => Ok(Some(value)),
        Some(_) => Err(damaged(conn, "a setting does not match its checksum")),
        None => Ok(None),
    }
}

/// Writes a number.
pub(super) fn put(conn: &Connection, key: &str, value: i64) -> Result<(), StoreError> {
    conn.prepare_cached(include_str!("sql/put_meta.sql"))
        .and_then(|mut put| put.execute((key, value, seal(key, value))))
        .doing("write a setting of the counts file")?;
    Ok(())
}

/// Takes a number out, whatever its checksum.
pub(super) fn take(conn: &Connection, key: &str) -> Result<Option<i64>, StoreError> {
    conn.prepare_cached(include_str!("sql/take_meta.sql"))
        .and_then(|mut take| take.query_row([key], |row| row.get(0)).optional())
        .doing("read a setting of the counts file")
}

/// The placement of all counts, as it was written with them.
pub(super) fn placement(conn: &Connection) -> Result<u64, StoreError> {
    Ok(get(conn, PLACEMENT)?.unwrap_or(0).cast_unsigned())
}

/// Adds to it what a change of counts comes to.
pub(super) fn place(conn: &Connection, change: u64) -> Result<(), StoreError> {
    put(conn, PLACEMENT, placement(conn)?.wrapping_add(change).cast_signed())
}

/// The first day that may be read; day 0 if none was set.
pub(super) fn oldest_readable(conn: &Connection) -> Result<Day, StoreError> {
    let day = get(conn, OLDEST_READABLE_DAY)?.unwrap_or(0);
    u32::try_from(day).map(Day).map_err(|_| damaged(conn, "the oldest readable day is no day"))
}

/// The last audit that was written down.
pub(super) fn last_audit(conn: &Connection) -> Result<Option<Books>, StoreError> {
    let (Some(delta), Some(tiled), Some(checked_at)) =
        (get(conn, AUDIT_DELTA)?, get(conn, AUDIT_TILED)?, get(conn, AUDIT_CHECKED_AT)?)
    else {
        return Ok(None);
    };
    Ok(Some(Books {
        audit_delta: delta.cast_unsigned(),
        tiled: tiled == 1,
        checked_at: checked_at.cast_unsigned(),
    }))
}

/// Writes an audit down.
pub(super) fn put_audit(conn: &Connection, books: &Books) -> Result<(), StoreError> {
    put(conn, AUDIT_DELTA, books.audit_delta.cast_signed())?;
    put(conn, AUDIT_TILED, books.tiled.into())?;
    put(conn, AUDIT_CHECKED_AT, books.checked_at.cast_signed())
}

/// The file of this connection is damaged.
pub(super) fn damaged(conn: &Connection, why: impl Into<String>) -> StoreError {
    StoreError::damaged(conn.path().unwrap_or("the counts file").as_ref(), why)
}
