//! Buckets of time: the UTC hour and the UTC day, and the clock that callers bring.
//!
//! What it is not: a calendar with zones. Counts are kept in UTC; a reader shifts them.
//!
//! What surprises: the hour is the finest time that exists anywhere in Headcount beyond a request.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Seconds in an hour.
const HOUR_SECONDS: u64 = 3_600;
/// Hours in a UTC day (leap seconds do not exist in Unix time).
const DAY_HOURS: u32 = 24;

/// Where the time comes from. Only the binary reads the machine's clock.
pub trait Clock: Send + Sync + 'static {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    fn unix_seconds(&self) -> u64;

    /// The running UTC hour.
    fn hour(&self) -> Hour {
        Hour::of_unix(self.unix_seconds())
    }
}

/// A clock that stands still until it is moved: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(std::sync::atomic::AtomicU64);

impl ManualClock {
    /// A clock that shows `unix_seconds`.
    pub fn at(unix_seconds: u64) -> Self {
        Self(unix_seconds.into())
    }

    /// Moves the clock to `unix_seconds`, backwards too.
    pub fn set(&self, unix_seconds: u64) {
        self.0.store(unix_seconds, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix_seconds(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// A UTC hour, counted from 1970-01-01T00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Hour(pub u32);

impl Hour {
    /// The hour that holds this Unix time (saturating far beyond any real date).
    pub fn of_unix(unix_seconds: u64) -> Self {
        Self(u32::try_from(unix_seconds / HOUR_SECONDS).unwrap_or(u32::MAX))
    }

    /// The day this hour lies in.
    pub fn day(self) -> Day {
        Day(self.0 / DAY_HOURS)
    }

    /// 0 to 23.
    pub fn of_day(self) -> u32 {
        self.0 % DAY_HOURS
    }

    /// Unix time of the hour's first second.
    pub fn unix_seconds(self) -> u64 {
        u64::from(self.0) * HOUR_SECONDS
    }
}

/// A UTC day, counted from 1970-01-01.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Day(pub u32);

impl Day {
    /// The first hour of the day.
    pub fn first_hour(self) -> Hour {
        Hour(self.0.saturating_mul(DAY_HOURS))
    }

    /// The last hour of the day.
    pub fn last_hour(self) -> Hour {
        Hour(self.0.saturating_mul(DAY_HOURS).saturating_add(DAY_HOURS - 1))
    }

    /// The day `days` earlier, or the first day there is.
    pub fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// The first day that is kept today, when this and the days before it are `days` in all. At
    /// least this day is.
    pub fn oldest_kept(self, days: u32) -> Self {
        self.minus(days.saturating_sub(1))
    }

    /// The day `days` later.
    pub fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// 0 is Monday (ISO 8601); 1970-01-01 was a Thursday.
    pub fn weekday(self) -> u32 {
        (self.0 + 3) % 7
    }

    /// The Monday of its week, or the first day there is.
    pub fn monday(self) -> Self {
        self.minus(self.weekday())
    }

    /// Year, month (1 to 12) and day of the month in the Gregorian calendar
    /// (Howard Hinnant's `civil_from_days`).
    pub fn civil(self) -> (u32, u32, u32) {
        let shifted = u64::from(self.0) + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        (narrow(year), narrow(month), narrow(day))
    }

    /// The day of a date, if that date exists and is not before 1970
    /// (Howard Hinnant's `days_from_civil`).
    pub fn of_civil(year: u32, month: u32, day: u32) -> Option<Self> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day)
        {
            return None;
        }
        let shifted_year = u64::from(if month <= 2 { year - 1 } else { year });
        let era = shifted_year / 400;
        let year_of_era = shifted_year % 400;
        let shifted_month = u64::from(if month > 2 { month - 3 } else { month + 9 });
        let day_of_year = (153 * shifted_month + 2) / 5 + u64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let found = Self(u32::try_from((era * 146_097 + day_of_era).checked_sub(719_468)?).ok()?);
        (found.civil() == (year, month, day)).then_some(found)
    }

    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let digits = |range: std::ops::Range<usize>| -> Option<u32> {
            bytes
                .get(range)?
                .iter()
                .try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
        };
        if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
            return None;
        }
        Self::of_civil(digits(0..4)?, digits(5..7)?, digits(8..10)?)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}:00:00Z", self.day(), self.of_day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for day in 0..60_000 {
            let (y, m, d) = Day(day).civil();
            assert_eq!(Day::of_civil(y, m, d), Some(Day(day)));
            assert_eq!(Day::parse(&Day(day).to_string()), Some(Day(day)));
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_none() {
        for text in ["2025-02-29", "2025-13-01", "1969-12-31", "2025-1-1", "", "2025-00-10", "x"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        assert_eq!(Day::parse("2024-02-29").map(Day::weekday), Some(3));
        assert_eq!(Day::parse("2024-02-29").map(Day::monday), Day::parse("2024-02-26"));
        assert_eq!(Day::parse("2024-02-26").map(Day::monday), Day::parse("2024-02-26"));
        assert_eq!(Day(2).monday(), Day(0));
    }
}
