//! Periods: the words and dates of a `date_range` as whole days of the site's zone.
//!
//! What it is not: a time zone's calendar; see [`crate::time_zone`].
//!
//! What surprises: a range that begins before the oldest day that is kept is narrowed and says so;
//! one that also ends before it is refused, because zeros would be untrue.

use headcount_core::time::Day;
use headcount_store::question::TimeBucket;
use headcount_store::zone::Zone;
use serde_json::Value;

use super::BadQuery;

/// Longest period of one question: a year and a month, so that a year can be compared by months.
pub const RANGE_DAYS_MAX: u32 = 400;
/// Longest period whose plain `time` means days; beyond it, months.
const DAYS_SHOWN_MAX: u32 = 92;
/// Seconds in a UTC day.
const DAY_SECONDS: i64 = 86_400;
/// The word for every day with counts.
pub(crate) const ALL: &str = "all";
/// The words, for error texts.
pub(crate) const RANGES: &str = "day, 7d, 28d, 30d, 91d, month, 6mo, 12mo, year, all or \
    a list of two dates such as [\"2026-01-01\", \"2026-02-01\"]";

/// The days that can be asked about, of the site's zone.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The running day.
    pub today: Day,
    /// The oldest day that retention lets anyone read.
    pub oldest: Day,
    /// The first day with counts of this site, if it has any.
    pub first: Option<Day>,
    /// Where a moment is a day.
    pub zone: Zone,
}

/// Whole UTC days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
    /// Whether the beginning was moved to the oldest day that is kept.
    pub narrowed: bool,
}

impl Range {
    /// Number of days.
    pub fn days(self) -> u32 {
        self.to.0.saturating_sub(self.from.0).saturating_add(1)
    }

    /// The bucket that plain `time` means for this range.
    pub fn bucket(self) -> TimeBucket {
        match self.days() {
            ..=1 => TimeBucket::Hour,
            2..=DAYS_SHOWN_MAX => TimeBucket::Day,
            _ => TimeBucket::Month,
        }
    }

    /// Every bucket that lies in the range, even in part, as the store writes them.
    pub fn labels(self, bucket: TimeBucket) -> Vec<String> {
        self.labels_in(bucket, &Zone::default())
    }

    /// [`Range::labels`] where the days are those of a zone; hours are written in UTC.
    pub fn labels_in(self, bucket: TimeBucket, zone: &Zone) -> Vec<String> {
        let days = || (self.from.0..=self.to.0).map(Day);
        let mut labels: Vec<String> = match bucket {
            TimeBucket::Hour => days()
                .flat_map(|day| {
                    (zone.first_hour(day).0..=zone.last_hour(day).0).map(headcount_core::time::Hour)
                })
                .map(|hour| hour.to_string())
                .collect(),
            TimeBucket::Day => days().map(|day| day.to_string()).collect(),
            TimeBucket::Week => days().map(|day| day.monday().to_string()).collect(),
            TimeBucket::Month => days().map(|day| month_start(day, 0).to_string()).collect(),
        };
        labels.dedup();
        labels
    }
}

/// The oldest day of a zone of which every hour is kept, where retention keeps UTC days from `oldest`
/// on. East of UTC the day of that name has begun before they do.
pub fn oldest_whole(oldest: Day, zone: &Zone) -> Day {
    if zone.first_hour(oldest) < oldest.first_hour() { oldest.plus(1) } else { oldest }
}

/// A range from a word such as `7d`; `None` for an unknown word. Each ends today.
pub fn named(word: &str, bounds: &Bounds) -> Option<Range> {
    let today = bounds.today;
    let from = match word {
        "day" => today,
        "7d" => today.minus(6),
        "28d" => today.minus(27),
        "30d" => today.minus(29),
        "91d" => today.minus(90),
        "month" => month_start(today, 0),
        "6mo" => month_start(today, 5),
        "12mo" => month_start(today, 11),
        "year" => Day::of_civil(today.civil().0, 1, 1)?,
        ALL => {
            let first = bounds.first.unwrap_or(today);
            let kept = bounds.oldest.max(today.minus(RANGE_DAYS_MAX - 1));
            return Some(Range { from: first.max(kept).min(today), to: today, narrowed: false });
        }
        _ => return None,
    };
    Some(Range { from: from.max(bounds.oldest), to: today, narrowed: from < bounds.oldest })
}

/// A range of two given days.
///
/// # Errors
/// A range that runs backwards, is too long, or lies before everything that is kept.
pub fn between(from: Day, to: Day, bounds: &Bounds) -> Result<Range, BadQuery> {
    if from > to {
        return Err(BadQuery::new(format!(
            "the first day {from} must not be after the last day {to}"
        )));
    }
    if to < bounds.oldest {
        let oldest = bounds.oldest;
        return Err(BadQuery::new(format!(
            "the period ends before {oldest}, the oldest day that is kept: ask for {oldest} or later"
        )));
    }
    let range = Range { from: from.max(bounds.oldest), to, narrowed: from < bounds.oldest };
    if range.days() > RANGE_DAYS_MAX {
        let days = range.days();
        return Err(BadQuery::new(format!(
            "the period has {days} days: ask for at most {RANGE_DAYS_MAX}"
        )));
    }
    Ok(range)
}

/// Reads the API's `date_range`.
pub(crate) fn read(value: &Value, bounds: &Bounds) -> Result<Range, BadQuery> {
    let unknown = || BadQuery::new(format!("date_range is not known: use {RANGES}"));
    match value {
        Value::String(word) => named(word, bounds).ok_or_else(unknown),
        Value::Array(pair) => {
            let [from, to] = pair.as_slice() else {
                return Err(BadQuery::new(
                    "date_range as a list must hold two dates, the first and the last",
                ));
            };
            let day = |value: &Value, at: usize| {
                value.as_str().and_then(|text| day_of(text, &bounds.zone)).ok_or_else(|| {
                    BadQuery::new(format!(
                        "date_range[{at}] is not a date: write 2026-01-31 or 2026-01-31T12:00:00Z"
                    ))
                })
            };
            between(day(from, 0)?, day(to, 1)?, bounds)
                .map_err(|bad| BadQuery::new(format!("date_range: {bad}")))
        }
        _ => Err(unknown()),
    }
}

/// The day of an ISO date, or of an ISO date and time; with an offset, the day it was in the zone.
pub fn day_of(text: &str, zone: &Zone) -> Option<Day> {
    let Some((date, rest)) = text.split_at_checked(10) else { return Day::parse(text) };
    let day = Day::parse(date)?;
    if rest.is_empty() {
        return Some(day);
    }
    let clock = rest.strip_prefix(['T', ' '])?;
    let (clock, offset_seconds) = split_offset(clock)?;
    let seconds = seconds_of(clock)?;
    let Some(offset_seconds) = offset_seconds else { return Some(day) };
    let moment = i64::from(day.0) * DAY_SECONDS + seconds - offset_seconds;
    u64::try_from(moment).ok().map(|moment| zone.day_at(moment))
}

/// `12:00:00+02:00` as `12:00:00` and 7200; without an offset it is local time.
fn split_offset(clock: &str) -> Option<(&str, Option<i64>)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, Some(0)));
    }
    let Some(at) = clock.find(['+', '-']) else { return Some((clock, None)) };
    let (clock, offset) = clock.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = offset.get(1..)?;
    let (hours, minutes) =
        offset.split_once(':').or_else(|| offset.split_at_checked(2)).unwrap_or((offset, "00"));
    let seconds = two_digits(hours, 23)? * 3_600 + two_digits(minutes, 59)? * 60;
    Some((clock, Some(sign * seconds)))
}

/// `12:30`, `12:30:59` or `12:30:59.123` as seconds since midnight.
fn seconds_of(clock: &str) -> Option<i64> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut parts = clock.split(':');
    let hours = two_digits(parts.next()?, 23)?;
    let minutes = two_digits(parts.next()?, 59)?;
    let seconds = parts.next().map_or(Some(0), |text| two_digits(text, 60))?;
    parts.next().is_none().then_some(hours * 3_600 + minutes * 60 + seconds)
}

fn two_digits(text: &str, max: i64) -> Option<i64> {
    let valid = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| valid && *number <= max)
}

/// The first day of the month that lies `back` months before this day's.
pub(crate) fn month_start(day: Day, back: u32) -> Day {
    let (year, month, _) = day.civil();
    let months = (year * 12 + month - 1).saturating_sub(back);
    Day::of_civil(months / 12, months % 12 + 1, 1).unwrap_or_default()
}

/// The first day of the month after this day's.
pub(crate) fn month_after(day: Day) -> Day {
    month_start(month_start(day, 0).plus(31), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a date")
    }

    fn bounds() -> Bounds {
        Bounds {
            today: day("2026-11-21"),
            oldest: day("2025-11-21"),
            first: Some(day("2026-03-05")),
            zone: Zone::default(),
        }
    }

    #[test]
    fn words_end_today() {
        for (word, from) in [
            ("day", "2026-11-21"),
            ("7d", "2026-11-15"),
            ("28d", "2026-10-25"),
            ("30d", "2026-10-23"),
            ("91d", "2026-08-23"),
            ("month", "2026-11-01"),
            ("6mo", "2026-06-01"),
            ("12mo", "2025-12-01"),
            ("year", "2026-01-01"),
            ("all", "2026-03-05"),
        ] {
            let range = named(word, &bounds()).expect(word);
            assert_eq!((range.from, range.to), (day(from), bounds().today), "{word}");
        }
        assert_eq!(named("24h", &bounds()), None);
    }

    #[test]
    fn all_is_clamped_to_what_is_kept() {
        let old = Bounds { first: Some(day("2019-01-01")), ..bounds() };
        assert_eq!(named("all", &old).expect("all").from, old.oldest);
        let long = Bounds { oldest: day("2019-01-01"), ..old.clone() };
        assert_eq!(named("all", &long).expect("all").days(), RANGE_DAYS_MAX);
        let none = Bounds { first: None, ..bounds() };
        assert_eq!(named("all", &none).expect("all").days(), 1);
    }

    #[test]
    fn times_are_reduced_to_their_day() {
        for (text, want) in [
            ("2026-01-01", Some("2026-01-01")),
            ("2026-01-01T00:30:00+02:00", Some("2025-12-31")),
            ("2026-01-01T23:30:00-01:00", Some("2026-01-02")),
            ("2026-01-01T12:00:00Z", Some("2026-01-01")),
            ("2026-01-01 12:00:00", Some("2026-01-01")),
            ("2026-01-01T12:00:00.250+0530", Some("2026-01-01")),
            ("2026-01-01T12:00", Some("2026-01-01")),
            ("1970-01-01T00:00:00+02:00", None),
            ("2026-01-01T", None),
            ("2026-01-01T25:00:00Z", None),
            ("2026-01-01T12:00:00.Z", None),
            ("2026-01-01T12:00:00+x", None),
            ("2026-13-01", None),
            ("2026-01-0ä", None),
            ("", None),
        ] {
            assert_eq!(day_of(text, &Zone::default()), want.map(day), "{text}");
        }
    }

    #[test]
    fn labels_cover_the_range() {
        let range = between(day("2026-10-30"), day("2026-11-03"), &bounds()).expect("a range");
        assert_eq!(range.labels(TimeBucket::Hour).len(), 120);
        assert_eq!(range.labels(TimeBucket::Day).len(), 5);
        assert_eq!(range.labels(TimeBucket::Week), ["2026-10-26", "2026-11-02"]);
        assert_eq!(range.labels(TimeBucket::Month), ["2026-10-01", "2026-11-01"]);
    }
}
