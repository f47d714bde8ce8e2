//! The numbers that stand for kinds of cells, attributes and reasons in every store.
//!
//! What it is not: the batch format, though both rest on the order of `Attribute::ALL` and
//! `RefusalReason::ALL`, to which is only ever added.
//!
//! What surprises: every attribute is a kind of its own, so that one attribute over a period is
//! one stretch of the table.

use headcount_core::cell::{Attribute, CellKey};
use headcount_core::refusal::RefusalReason;
use headcount_core::time::{Day, Hour};

/// The whole site in one hour.
pub(crate) const SITE: i64 = 1;
/// One page in one hour.
pub(crate) const PAGE: i64 = 2;
/// One click target on one page in one hour.
pub(crate) const CLICK: i64 = 3;
/// One refusal reason in one day.
pub(crate) const REFUSAL: i64 = 4;
/// The first attribute; the others follow in the order of [`Attribute::ALL`].
const FIRST_ATTRIBUTE: i64 = 16;

/// The kind of one attribute's cells.
pub(crate) fn attribute_kind(attribute: Attribute) -> i64 {
    let kinds = FIRST_ATTRIBUTE..;
    kinds.zip(Attribute::ALL).find(|(_, other)| *other == attribute).map_or(0, |(kind, _)| kind)
}

/// The attribute whose cells are of a kind.
pub(crate) fn attribute_of(kind: i64) -> Option<Attribute> {
    Attribute::ALL.into_iter().find(|attribute| attribute_kind(*attribute) == kind)
}

/// The number of a reason.
pub(crate) fn reason_code(reason: RefusalReason) -> i64 {
    (1..).zip(RefusalReason::ALL).find(|(_, other)| *other == reason).map_or(0, |(code, _)| code)
}

/// The reason of a number.
pub(crate) fn reason_of(code: i64) -> Option<RefusalReason> {
    (1..).zip(RefusalReason::ALL).find(|(other, _)| *other == code).map(|(_, reason)| reason)
}

/// Where a reason stands in the closed list; after it if it is unknown.
pub(crate) fn reason_order(word: &str) -> i64 {
    (1..)
        .zip(RefusalReason::ALL)
        .find(|(_, reason)| reason.as_str() == word)
        .map_or(i64::MAX, |(code, _)| code)
}

/// Every kind with whether its bucket is an hour (else a day).
pub(crate) fn kinds() -> impl Iterator<Item = (i64, bool)> {
    [(SITE, true), (PAGE, true), (CLICK, true), (REFUSAL, false)]
        .into_iter()
        .chain(Attribute::ALL.map(|attribute| (attribute_kind(attribute), false)))
}

/// Whether `a` of this kind is the id of a name.
pub(crate) fn a_is_name(kind: i64) -> bool {
    kind == PAGE || kind == CLICK || kind >= FIRST_ATTRIBUTE
}

/// Whether `b` of this kind is the id of a name.
pub(crate) fn b_is_name(kind: i64) -> bool {
    kind == CLICK
}

/// A cell's kind, bucket, `a` and `b`, with `N` for the names.
pub(crate) fn parts<N>(key: CellKey<N>) -> (i64, i64, Part<N>, Part<N>) {
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

/// The cell of a kind, a bucket, `a` as a number, and its texts; `None` if there is no such cell.
pub(crate) fn key_of<'a>(
    (kind, bucket, code): (i64, i64, i64),
    first: Option<&'a str>,
    second: Option<&'a str>,
) -> Option<CellKey<&'a str>> {
    let bucket = u32::try_from(bucket).ok()?;
    let (hour, day) = (Hour(bucket), Day(bucket));
    Some(match kind {
        SITE => CellKey::Site { hour },
        PAGE => CellKey::Page { hour, page: first? },
        CLICK => CellKey::Click { hour, page: first?, target: second? },
        REFUSAL => CellKey::Refusal { day, reason: reason_of(code)? },
        _ => CellKey::Attribute { day, attribute: attribute_of(kind)?, value: first? },
    })
}

/// What `a` or `b` of a cell is.
pub(crate) enum Part<N> {
    /// A name of the dictionary.
    Name(N),
    /// A number that stands for itself.
    Number(i64),
}
