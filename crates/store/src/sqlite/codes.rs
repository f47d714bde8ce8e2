//! The words for kinds and reasons in the file.
//!
//! What it is not: their numbers, which every store shares (`kind.rs`).
//!
//! What surprises: a file whose words mean something else is refused, not read.

use headcount_core::cell::Attribute;
use headcount_core::refusal::RefusalReason;
use rusqlite::Connection;

use crate::error::{Doing as _, StoreError};
pub(super) use crate::kind::{
    CLICK, PAGE, Part, REFUSAL, a_is_name, attribute_kind, b_is_name, key_of, kinds, parts,
    reason_code, reason_of,
};

/// The words for kinds and reasons: kind, `a`, word.
fn words() -> impl Iterator<Item = (i64, i64, &'static str)> {
    let attributes = Attribute::ALL.map(|kind| (attribute_kind(kind), 0, kind.as_str()));
    let reasons = RefusalReason::ALL.map(|it| (REFUSAL, reason_code(it), it.as_str()));
    attributes.into_iter().chain(reasons)
}

/// Adds the words that this build knows and the file does not.
pub(super) fn write_words(conn: &Connection) -> Result<(), StoreError> {
    if words_hold(conn)? {
        return Ok(());
    }
    let doing = "write the words of attributes";
    let mut put = conn.prepare(include_str!("sql/add_word.sql")).doing(doing)?;
    for word in words() {
        put.execute(word).doing(doing)?;
    }
    Ok(())
}

/// Whether every word in the file is the one this build means.
pub(super) fn words_hold(conn: &Connection) -> Result<bool, StoreError> {
    let doing = "read the words of attributes";
    let mut get = conn.prepare(include_str!("sql/count_word.sql")).doing(doing)?;
    for word in words() {
        if get.query_row(word, |row| row.get::<_, i64>(0)).doing(doing)? != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}
