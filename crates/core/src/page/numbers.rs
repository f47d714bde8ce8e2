//! Dates and joints between groups of digits.
//!
//! What it is not: a calendar of the counts; that is `time`. These dates only say which digits are
//! harmless.
//!
//! What surprises: days and months may have one digit (`9.3.2025`), years have four. Dates are
//! taken out from the left, so `08-12-12-1950` holds the date `12-12-1950` and little else.

use std::ops::Range;

use super::personal::number;
use super::text::{Run, digit_runs};

/// Years of written dates; compact dates are of the same years, but S5 and S6 treat the centuries
/// differently.
const DATE_YEARS: std::ops::RangeInclusive<u32> = 1_900..=2_099;
/// First year whose compact dates are harmless.
const COMPACT_YEAR_MIN: u32 = 2_000;

/// What joins two groups of digits: one or two of space, hyphen, dot and brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joint {
    /// It has a dot.
    pub(super) dotted: bool,
    /// It is one space.
    pub(super) space: bool,
}

impl Joint {
    /// The joint that these bytes are.
    pub(super) fn of(between: &[u8]) -> Option<Self> {
        let fits = matches!(between.len(), 1 | 2)
            && between.iter().all(|byte| matches!(byte, b' ' | b'-' | b'.' | b'(' | b')'));
        fits.then(|| Self { dotted: between.contains(&b'.'), space: between == b" " })
    }
}

/// The joint between two neighbouring groups.
pub(super) fn joint(text: &[u8], before: &Run<'_>, after: &Run<'_>) -> Option<Joint> {
    Joint::of(text.get(before.range().end..after.start)?)
}

/// The year of a date written as exactly eight digits, year first, from 1900 to 2099.
pub(super) fn compact_date(digits: &[u8]) -> Option<u32> {
    let (year, rest) = digits.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    (day.len() == 2 && is_date(number(year), number(month), number(day))).then(|| number(year))
}

/// The places of dates: three groups with one separator throughout, or compact ones of 2000-2099.
pub(super) fn dates(text: &[u8]) -> Vec<Range<usize>> {
    let groups: Vec<_> = digit_runs(text).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = groups.get(at..).filter(|rest| !rest.is_empty()) {
        let (used, range) = match rest {
            [a, b, c, ..] if is_written_date(text, [a, b, c]) => (3, Some(a.start..c.range().end)),
            [a, ..] if compact_date(a.bytes) >= Some(COMPACT_YEAR_MIN) => (1, Some(a.range())),
            _ => (1, None),
        };
        found.extend(range);
        at += used;
    }
    found
}

fn is_written_date(text: &[u8], groups: [&Run<'_>; 3]) -> bool {
    let [a, b, c] = groups;
    let separator =
        |before: &Run<'_>, after: &Run<'_>| match text.get(before.range().end..after.start) {
            Some([byte @ (b'-' | b'.' | b'_' | b' ')]) => Some(*byte),
            _ => None,
        };
    let first = separator(a, b);
    if first.is_none() || first != separator(b, c) {
        return false;
    }
    let [x, y, z] = groups.map(|group| number(group.bytes));
    match groups.map(Run::len) {
        [4, 1 | 2, 1 | 2] => is_date(x, y, z),
        [1 | 2, 1 | 2, 4] => is_date(z, y, x) || is_date(z, x, y),
        _ => false,
    }
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    DATE_YEARS.contains(&year) && (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_written_and_compact_dates() {
        for (text, count) in [
            ("2025-03-09", 1),
            ("2025_03_09", 1),
            ("2025 03 09", 1),
            ("9.3.2025", 1),
            ("03-09-2025", 1),
            ("31-12-1900", 1),
            ("12-31-2099", 1),
            ("29-02-2024", 1),
            ("20250309", 1),
            ("2025-03-09-20250309", 2),
            ("2025-03.09", 0),
            ("2025-03--09", 0),
            ("29-02-2025", 0),
            ("29-02-1900", 0),
            ("31-12-1899", 0),
            ("2100-01-01", 0),
            ("2025-13-09", 0),
            ("2025-00-09", 0),
            ("2025-03-009", 0),
            ("19770228", 0),
            ("25-03-09", 0),
        ] {
            assert_eq!(dates(text.as_bytes()).len(), count, "{text}");
        }
        assert_eq!(compact_date(b"19770228"), Some(1977));
        assert_eq!(compact_date(b"19770230"), None);
        assert_eq!(compact_date(b"202503091"), None);
    }
}
