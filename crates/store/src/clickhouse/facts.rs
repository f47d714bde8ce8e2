//! Single numbers beside the counts: the first readable day, where the floors stand, the last audit.
//!
//! What it is not: configuration. The binary owns that and hands over what the views need.
//!
//! What surprises: facts are never changed. The one with the highest version counts.

use std::time::Duration;

use clickhouse::Row;
use headcount_core::time::Day;
use serde::Deserialize;

use super::link::Link;
use crate::error::StoreError;
use crate::question::Books;

/// Days before this one are not shown by any view.
pub(super) const OLDEST_READABLE_DAY: &str = "oldest_readable_day";
/// Floors stand for the ledger of the weeks before this Monday.
pub(super) const FLOORED_BEFORE_DAY: &str = "floored_before_day";
/// Values of attributes of days before this one have been folded, and may be asked for.
pub(super) const CLOSED_BEFORE_DAY: &str = "closed_before_day";
/// Values of days before this one are not named any more, by no writer.
pub(super) const CLOSING_BEFORE_DAY: &str = "closing_before_day";
/// With which threshold.
pub(super) const CLOSED_WITH_K: &str = "closed_with_k";
const AUDIT_DELTA: &str = "audit_delta";
const AUDIT_TILED: &str = "audit_tiled";
const AUDIT_CHECKED_AT: &str = "audit_checked_at";

/// Longest wait for a note.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Row, Deserialize)]
struct Value {
    value: i64,
}

#[derive(Row, Deserialize)]
struct Fact {
    key: String,
    value: i64,
}

/// Reads a day; day 0 if none was written.
pub(super) fn day(link: &Link, key: &str) -> Result<Day, StoreError> {
    let query = link.client.query_raw(include_str!("sql/get_fact.sql")).param("key", key);
    let found: Vec<Value> = link.rows("read a fact of the store", TIMEOUT, query)?;
    let day = found.first().map_or(0, |fact| fact.value);
    Ok(Day(u32::try_from(day).unwrap_or(0)))
}

/// Writes numbers down, all at once.
pub(super) fn put(link: &Link, facts: &[(&str, i64)]) -> Result<(), StoreError> {
    let query = link.client.query_raw(include_str!("sql/put_facts.sql")).param("facts", facts);
    link.execute("write a fact of the store", TIMEOUT, query)
}

/// The last audit that was written down.
pub(super) fn last_audit(link: &Link) -> Result<Option<Books>, StoreError> {
    let query = link.client.query_raw(include_str!("sql/last_audit.sql"));
    let facts: Vec<Fact> = link.rows("read the last audit", TIMEOUT, query)?;
    let get = |key| facts.iter().find(|fact| fact.key == key).map(|fact| fact.value);
    let (Some(delta), Some(tiled), Some(checked_at)) =
        (get(AUDIT_DELTA), get(AUDIT_TILED), get(AUDIT_CHECKED_AT))
    else {
        return Ok(None);
    };
    Ok(Some(Books {
        audit_delta: delta.unsigned_abs(),
        tiled: tiled == 1,
        checked_at: checked_at.unsigned_abs(),
    }))
}

/// Writes an audit down.
pub(super) fn put_audit(link: &Link, books: &Books) -> Result<(), StoreError> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let facts = [
        (AUDIT_DELTA, number(books.audit_delta)),
        (AUDIT_TILED, books.tiled.into()),
        (AUDIT_CHECKED_AT, number(books.checked_at)),
    ];
    put(link, &facts)
}
