//! The numbers that stand for kinds of cells, attributes and reasons in the file.
//!
//! What it is not: the batch format, though both rest on the order of `Attribute::ALL` and
//! `RefusalReason::ALL`, to which is only ever added.
//!
//! What surprises: every attribute is a kind of its own, so that one attribute over a period is
//! one stretch of the table.

use headcount_core::cell::{Attribute, CellKey};
use headcount_core::refusal::RefusalReason;
use rusqlite::Connection;

use crate::error::{Doing as _, StoreError};

/// The whole site in one hour.
pub(super) const SITE: i64 = 1;
/// One page in one hour.
pub(super) const PAGE: i64 = 2;
/// One click target on one page in one hour.
pub(super) const CLICK: i64 = 3;
/// One refusal reason in one day.
pub(super) const REFUSAL: i64 = 4;
/// The first attribute; the others follow in the order of [`Attribute::ALL`].
const FIRST_ATTRIBUTE: i64 = 16;

/// The kind of one attribute's cells.
pub(super) fn attribute_kind(attribute: Attribute) -> i64 {
    let kinds = FIRST_ATTRIBUTE..;
    kinds.zip(Attribute::ALL).find(|(_, other)| *other == attribute).map_or(0, |(kind, _)| kind)
}

/// The number of a reason.
pub(super) fn reason_code(reason: RefusalReason) -> i64 {
    (1..).zip(RefusalReason::ALL).find(|(_, other)| *other == reason).map_or(0, |(code, _)| code)
}

/// The reason of a number.
pub(super) fn reason_of(code: i64) -> Option<RefusalReason> {
    (1..).zip(RefusalReason::ALL).find(|(other, _)| *other == code).map(|(_, reason)| reason)
}

/// Every kind with whether its bucket is an hour (else a day).
pub(super) fn kinds() -> impl Iterator<Item = (i64, bool)> {
    [(SITE, true), (PAGE, true), (CLICK, true), (REFUSAL, false)]
        .into_iter()
        .chain(Attribute::ALL.map(|attribute| (attribute_kind(attribute), false)))
}

/// Whether `a` of this kind is the id of a name.
pub(super) fn a_is_name(kind: i64) -> bool {
    kind == PAGE || kind == CLICK || kind >= FIRST_ATTRIBUTE
}

/// Whether `b` of this kind is the id of a name.
pub(super) fn b_is_name(kind: i64) -> bool {
    kind == CLICK
}

/// A cell's kind, bucket, `a` and `b`, with `N` for the names.
pub(super) fn parts<N>(key: CellKey<N>) -> (i64, i64, Part<N>, Part<N>) {
    let none = || Part::Number(0);
    match key {
        CellKey::Site { hour } => (SITE, hour.0.into(), none(), none()),
        CellKey::Page { hour, page } => (PAGE, hour.0.into(), Part::Name(page), none()),
        CellKey::Click { hour, page, target } => {
            (CLICK, hour.0.into(), Part::Name(page), Part::Name(target))
        }
        CellKey::Attribute { day, attribute, value } => {
            (attribute_kind(attribute), day.0.into(), Part::Name(value), none())
        }
        CellKey::Refusal { day, reason } => {
            (REFUSAL, day.0.into(), Part::Number(reason_code(reason)), none())
        }
    }
}

/// What `a` or `b` of a cell is.
pub(super) enum Part<N> {
    /// A name of the dictionary.
    Name(N),
    /// A number that stands for itself.
    Number(i64),
}

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
