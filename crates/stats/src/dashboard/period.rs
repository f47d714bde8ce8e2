//! The dashboard's period: from the address to days, and to links for other periods.
//!
//! What it is not: strict. A period that cannot be read becomes the last seven days, with a line
//! that says why.
//!
//! What surprises: every link is made here, percent-encoded, from clean parts; nothing of the
//! request's address is repeated.

use headcount_core::time::Day;
use headcount_store::question::TimeBucket;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::export;
use crate::query::date::{self, Bounds, Range, month_start};

/// The periods with a link, and their names.
pub(crate) const PERIODS: [(&str, &str); 6] = [
    ("day", "Today"),
    (YESTERDAY, "Yesterday"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    (MONTH, "This month"),
    ("12mo", "12 months"),
];
const YESTERDAY: &str = "yesterday";
const MONTH: &str = "month";
/// The period without any choice.
const DEFAULT: &str = "7d";
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// What may stand unencoded in a query's value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/');

/// The days that a page of the dashboard is about.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    pub(crate) range: Range,
    /// The word of the period; `None` for given days.
    pub(crate) word: Option<&'static str>,
    /// Why it is not the period that was asked for.
    pub(crate) notice: Option<String>,
}

impl Period {
    /// Reads `period`, or `from` and `to`, which win.
    pub(crate) fn read(word: Option<&str>, days: [Option<&str>; 2], bounds: &Bounds) -> Self {
        let [from, to] = days.map(|text| text.filter(|text| !text.is_empty()));
        if from.is_some() || to.is_some() {
            return match export::range(from, to, bounds) {
                Ok(range) => Self { range, word: None, notice: narrowed(range) },
                Err(bad) => {
                    Self::fallback(bounds, Some(format!("{bad}. These are the last 7 days.")))
                }
            };
        }
        let word = word.unwrap_or(DEFAULT);
        let known = PERIODS.iter().find(|(known, _)| *known == word).map(|(known, _)| *known);
        match known.and_then(|known| Some((known, named(known, bounds)?))) {
            Some((known, range)) => Self { range, word: Some(known), notice: narrowed(range) },
            None => Self::fallback(
                bounds,
                Some("That period is not known. These are the last 7 days.".to_owned()),
            ),
        }
    }

    fn fallback(bounds: &Bounds, notice: Option<String>) -> Self {
        let last = bounds.today;
        let range = Range { from: last.minus(6).max(bounds.oldest), to: last, narrowed: false };
        Self { range, word: Some(DEFAULT), notice }
    }

    /// The days for people.
    pub(crate) fn title(&self, today: Day) -> String {
        let Range { from, to, .. } = self.range;
        if from == to && to == today {
            format!("Today, {}", long(to))
        } else if from == to {
            long(from)
        } else {
            format!("{} to {}", long(from), long(to))
        }
    }

    /// The period that this one is compared with, if all of it is kept: the month before for a
    /// month, whole months before for whole months, else as many days before.
    pub(crate) fn before(&self, bounds: &Bounds) -> Option<Range> {
        let Range { from, to, .. } = self.range;
        let days = self.range.days();
        let months = self.range.labels(TimeBucket::Month).len();
        let months = u32::try_from(months).unwrap_or(1);
        let whole_months = days > 31 && from == month_start(from, 0);
        let from = if self.word == Some(MONTH) {
            month_start(from, 1)
        } else if whole_months {
            month_start(from, months)
        } else {
            from.minus(days)
        };
        let last = from.plus(days.saturating_sub(1)).min(self.range.from.minus(1)).min(to);
        (from >= bounds.oldest).then_some(Range { from, to: last, narrowed: false })
    }

    /// The period of the same length just before, if any of it is kept.
    pub(crate) fn earlier(&self, bounds: &Bounds) -> Option<[Day; 2]> {
        let to = self.range.from.minus(1);
        (to >= bounds.oldest && to < self.range.from)
            .then(|| [to.minus(self.range.days() - 1).max(bounds.oldest), to])
    }

    /// The period of the same length just after, if it has begun.
    pub(crate) fn later(&self, bounds: &Bounds) -> Option<[Day; 2]> {
        let from = self.range.to.plus(1);
        (from <= bounds.today).then(|| [from, from.plus(self.range.days() - 1).min(bounds.today)])
    }
}

fn named(word: &str, bounds: &Bounds) -> Option<Range> {
    if word != YESTERDAY {
        return date::named(word, bounds);
    }
    let day = bounds.today.minus(1).max(bounds.oldest);
    Some(Range { from: day, to: day, narrowed: false })
}

fn narrowed(range: Range) -> Option<String> {
    range.narrowed.then(|| format!("Counts from before {} are not kept.", long(range.from)))
}

/// `21 Nov 2026`.
pub(crate) fn long(day: Day) -> String {
    let (year, _, number) = day.civil();
    format!("{number} {} {year}", month(day))
}

/// `Nov`.
pub(crate) fn month(day: Day) -> &'static str {
    let (_, month, _) = day.civil();
    usize::try_from(month).ok().and_then(|at| MONTHS.get(at.checked_sub(1)?)).copied().unwrap_or("")
}

/// An address of the form `path?key=value&…`.
pub(crate) fn href(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    for (at, (key, value)) in pairs.iter().enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        out.extend([key, "="]);
        out.extend(utf8_percent_encode(value, VALUE));
    }
    out
}
