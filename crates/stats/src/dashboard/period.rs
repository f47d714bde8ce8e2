//! The dashboard's period: from the address to days, and to links for other periods.
//!
//! What it is not: strict. A period that cannot be read becomes the last seven days (of a shared
//! link, the month that it lies in), with a line that says why.
//!
//! What surprises: every link is made here, percent-encoded, from clean parts; nothing of the
//! request's address is repeated.

use headcount_core::time::Day;
use headcount_store::question::TimeBucket;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::export;
use crate::query::BadQuery;
use crate::query::date::{self, Bounds, Range, month_after, month_start};
use crate::viewer::Viewer;

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
pub(crate) const MONTH: &str = "month";
/// Those that a list may be widened to.
const WIDER: [&str; 3] = ["7d", "30d", "12mo"];
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
    /// Whether it is, as any of a shared link, a month from its first day on.
    months: bool,
}

impl Period {
    /// Reads `period`, or `from` and `to`, which win.
    pub(crate) fn read(
        word: Option<&str>,
        days: [Option<&str>; 2],
        bounds: &Bounds,
        viewer: &Viewer,
    ) -> Self {
        let [from, to] = days.map(|text| text.filter(|text| !text.is_empty()));
        if viewer.is_share() {
            return Self::month(word, [from, to], bounds);
        }
        if from.is_some() || to.is_some() {
            return match export::range([from, to], bounds) {
                Ok(range) => Self { range, word: None, notice: narrowed(range), months: false },
                Err(bad) => {
                    Self::fallback(bounds, Some(format!("{bad}. These are the last 7 days.")))
                }
            };
        }
        let word = word.unwrap_or(DEFAULT);
        let known = PERIODS.iter().find(|(known, _)| *known == word).map(|(known, _)| *known);
        match known.and_then(|known| Some((known, named(known, bounds)?))) {
            Some((known, range)) => {
                Self { range, word: Some(known), notice: narrowed(range), months: false }
            }
            None => Self::fallback(
                bounds,
                Some("That period is not known. These are the last 7 days.".to_owned()),
            ),
        }
    }

    /// Given days.
    #[cfg(test)]
    pub(crate) fn since(from: Day, to: Day) -> Self {
        let range = Range { from, to, narrowed: false };
        Self { range, word: None, notice: None, months: false }
    }

    fn fallback(bounds: &Bounds, notice: Option<String>) -> Self {
        let last = bounds.today;
        let range = Range { from: last.minus(6).max(bounds.oldest), to: last, narrowed: false };
        Self { range, word: Some(DEFAULT), notice, months: false }
    }

    /// The month of the first of these days that can be read, for a shared link; else this month.
    fn month(word: Option<&str>, [from, to]: [Option<&str>; 2], bounds: &Bounds) -> Self {
        let read = |text: Option<&str>| text.and_then(|text| date::day_of(text, &bounds.zone));
        let day = read(from).or(read(to)).unwrap_or(bounds.today);
        let range = month_of(day.clamp(bounds.oldest, bounds.today), bounds);
        let asked = match (from, to) {
            (None, None) => word.is_none_or(|word| word == MONTH),
            _ => whole_month([from, to], bounds).is_ok(),
        };
        let notice = (!asked).then(|| {
            let oldest = long(bounds.oldest);
            format!("A shared view shows one whole month, the first of them from {oldest} on.")
        });
        let word = (range.to == bounds.today).then_some(MONTH);
        Self { range, word, notice, months: true }
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
        let from = if self.months || self.word == Some(MONTH) {
            month_start(from, 1)
        } else if whole_months {
            month_start(from, months)
        } else {
            from.minus(days)
        };
        let last = from.plus(days.saturating_sub(1)).min(self.range.from.minus(1)).min(to);
        (from >= bounds.oldest).then_some(Range { from, to: last, narrowed: false })
    }

    /// The periods with a name that are longer and end with this one, shortest first, as far as
    /// counts are kept; none of a shared link, which shows a month and nothing around it.
    pub(crate) fn wider(&self, bounds: &Bounds) -> Vec<Self> {
        let to = self.range.to.min(bounds.today);
        if self.months || self.range.from > to {
            return Vec::new();
        }
        let bounds_then = Bounds { today: to, ..bounds.clone() };
        let mut longest = self.range.from;
        let mut found = Vec::new();
        for word in WIDER {
            let Some(range) = named(word, &bounds_then) else { continue };
            if range.from < longest {
                longest = range.from;
                let word = (to == bounds.today).then_some(word);
                found.push(Self { range, word, notice: None, months: false });
            }
        }
        found
    }

    /// The period of the same length just before, if any of it is kept.
    pub(crate) fn earlier(&self, bounds: &Bounds) -> Option<[Day; 2]> {
        let to = self.range.from.minus(1);
        if self.months {
            return (to >= bounds.oldest).then(|| [month_start(to, 0), to]);
        }
        (to >= bounds.oldest && to < self.range.from)
            .then(|| [to.minus(self.range.days() - 1).max(bounds.oldest), to])
    }

    /// The period of the same length just after, if it has begun.
    pub(crate) fn later(&self, bounds: &Bounds) -> Option<[Day; 2]> {
        let from = self.range.to.plus(1);
        if self.months {
            return (from <= bounds.today)
                .then(|| month_of(from, bounds))
                .map(|range| [range.from, range.to]);
        }
        (from <= bounds.today).then(|| [from, from.plus(self.range.days() - 1).min(bounds.today)])
    }
}

/// The month of a day, up to today.
fn month_of(day: Day, bounds: &Bounds) -> Range {
    let to = month_after(day).minus(1).min(bounds.today);
    Range { from: month_start(day, 0), to, narrowed: false }
}

/// The month that two dates are the beginning and the end of; this month without dates.
///
/// # Errors
/// Any other days.
pub(crate) fn whole_month(
    [from, to]: [Option<&str>; 2],
    bounds: &Bounds,
) -> Result<Range, BadQuery> {
    let this = month_of(bounds.today, bounds);
    let from = from.map_or_else(|| this.from.to_string(), str::to_owned);
    let to = to.map_or_else(|| bounds.today.to_string(), str::to_owned);
    let asked = export::range([Some(&from), Some(&to)], bounds)?;
    let month = month_of(asked.from, bounds);
    let last = month_after(month.from).minus(1);
    if asked.narrowed || asked.from != month.from || !(month.to..=last).contains(&asked.to) {
        return Err(BadQuery::new(
            "a shared link shows one whole month: from must be the first day of a month and to its \
             last day, or today",
        ));
    }
    Ok(month)
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

#[cfg(test)]
mod tests {
    use headcount_store::zone::Zone;

    use super::*;
    use crate::session::Access;
    use crate::tests::fake::host;

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a date")
    }

    fn bounds(oldest: &str) -> Bounds {
        let zone = Zone::default();
        Bounds { today: day("2026-11-21"), oldest: day(oldest), first: None, zone }
    }

    /// First days of the wider periods, and which of them have a name.
    fn wider(asked: [&str; 2], oldest: &str, viewer: &Viewer) -> (String, usize) {
        let bounds = bounds(oldest);
        let asked = Period::read(None, asked.map(Some), &bounds, viewer);
        let found = asked.wider(&bounds);
        let mut after = asked.range.from;
        for period in &found {
            assert_eq!(period.range.to, asked.range.to.min(bounds.today));
            assert!(period.range.from < after, "each is longer than the one before");
            after = period.range.from;
        }
        let from: Vec<String> = found.iter().map(|it| it.range.from.to_string()).collect();
        (from.join(" "), found.iter().filter(|it| it.word.is_some()).count())
    }

    #[test]
    fn wider_periods_end_with_the_asked_one_and_are_kept() {
        let analyst = Viewer::new(Access::ALL);
        for (from, to, oldest, found, named) in [
            ("2026-11-21", "2026-11-21", "2025-11-22", "2026-11-15 2026-10-23 2025-12-01", 3),
            ("2026-11-15", "2026-11-21", "2025-11-22", "2026-10-23 2025-12-01", 2),
            ("2026-11-10", "2026-11-21", "2025-11-22", "2026-10-23 2025-12-01", 2),
            ("2026-10-23", "2026-11-21", "2025-11-22", "2025-12-01", 1),
            ("2025-12-01", "2026-11-21", "2025-11-22", "", 0),
            ("2026-10-07", "2026-10-07", "2025-11-22", "2026-10-01 2026-09-08 2025-11-22", 0),
            // Not before what is kept, and nothing twice.
            ("2026-11-21", "2026-11-21", "2026-11-01", "2026-11-15 2026-11-01", 2),
            ("2026-11-21", "2026-11-21", "2026-11-21", "", 0),
            // To come.
            ("2026-11-20", "2026-12-24", "2025-11-22", "2026-11-15 2026-10-23 2025-12-01", 3),
            ("2026-12-01", "2026-12-24", "2025-11-22", "", 0),
        ] {
            assert_eq!(
                wider([from, to], oldest, &analyst),
                (found.to_owned(), named),
                "{from} {to}"
            );
        }
        let share = Viewer::of_share(host("example.org"), "hc_x".to_owned());
        assert_eq!(wider(["2026-10-01", "2026-10-31"], "2025-11-22", &share), (String::new(), 0));
    }
}
