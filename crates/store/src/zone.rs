//! A site's local time, as the offsets from UTC that hold from one instant to the next.
//!
//! What it is not: a calendar of zones. Who knows names such as `Europe/Stockholm` makes one.
//!
//! What surprises: counts have UTC hours, so a day of a half-hour zone begins with the first UTC hour
//! that begins on it: in India, at 00:30. No hour is split, and none is counted twice.

use std::sync::Arc;

use headcount_core::time::{Day, Hour};

const DAY_SECONDS: i64 = 86_400;
/// No place is further from UTC than this many hours.
const OFFSET_HOURS_MAX: u32 = 26;

/// From when on which offset holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The first second with this offset, in Unix time.
    pub at: u32,
    /// Local time minus UTC, in seconds.
    pub offset_seconds: i32,
}

/// The offsets of a place. The default is UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Before the first shift, in seconds.
    offset_seconds: i32,
    /// In order of time.
    shifts: Arc<[Shift]>,
}

impl Zone {
    /// A place with an offset at first, and its shifts in order of time. Offsets of more than a day
    /// are cut to a day.
    pub fn new(offset_seconds: i32, shifts: impl IntoIterator<Item = Shift>) -> Self {
        let cut = |seconds: i32| seconds.clamp(-86_400, 86_400);
        let mut shifts: Vec<Shift> = shifts
            .into_iter()
            .map(|shift| Shift { offset_seconds: cut(shift.offset_seconds), ..shift })
            .collect();
        shifts.sort_by_key(|shift| shift.at);
        Self { offset_seconds: cut(offset_seconds), shifts: shifts.into() }
    }

    /// Whether local time is always UTC.
    pub fn is_utc(&self) -> bool {
        self.offset_seconds == 0 && self.shifts.iter().all(|shift| shift.offset_seconds == 0)
    }

    /// Local time minus UTC at an instant of Unix time, in seconds.
    pub fn offset_at(&self, unix_seconds: u64) -> i32 {
        let after = self.shifts.partition_point(|shift| u64::from(shift.at) <= unix_seconds);
        let shift = after.checked_sub(1).and_then(|at| self.shifts.get(at));
        shift.map_or(self.offset_seconds, |shift| shift.offset_seconds)
    }

    /// The local day on which a UTC hour begins.
    pub fn day_of(&self, hour: Hour) -> Day {
        self.day_at(hour.unix_seconds())
    }

    /// The local day of an instant.
    pub fn day_at(&self, unix_seconds: u64) -> Day {
        let local = i64::try_from(unix_seconds)
            .unwrap_or(i64::MAX)
            .saturating_add(i64::from(self.offset_at(unix_seconds)));
        Day(u32::try_from(local.div_euclid(DAY_SECONDS)).unwrap_or(0))
    }

    /// The first UTC hour that begins on this local day or later.
    pub fn first_hour(&self, day: Day) -> Hour {
        let middle = day.first_hour().0;
        let hours =
            middle.saturating_sub(OFFSET_HOURS_MAX)..=middle.saturating_add(OFFSET_HOURS_MAX);
        hours.map(Hour).find(|hour| self.day_of(*hour) >= day).unwrap_or(day.first_hour())
    }

    /// The last UTC hour that begins on this local day.
    pub fn last_hour(&self, day: Day) -> Hour {
        Hour(self.first_hour(day.plus(1)).0.saturating_sub(1))
    }

    /// Unix seconds of the shifts, and the offsets before the first and after each.
    pub(crate) fn table(&self) -> (Vec<u32>, Vec<i32>) {
        let offsets = self.shifts.iter().map(|shift| shift.offset_seconds);
        let starts = self.shifts.iter().map(|shift| shift.at).collect();
        (starts, std::iter::once(self.offset_seconds).chain(offsets).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn days_of_a_summer_time_have_23_and_25_hours() {
        let shift = |at, offset_seconds| Shift { at, offset_seconds };
        // 2026-03-29T01:00Z and 2026-10-25T01:00Z.
        let zone = Zone::new(3_600, [shift(1_774_746_000, 7_200), shift(1_792_890_000, 3_600)]);
        let hours = |text: &str| {
            let day = day(text);
            let (first, last) = (zone.first_hour(day), zone.last_hour(day));
            assert!((first.0..=last.0).all(|hour| zone.day_of(Hour(hour)) == day));
            (first.to_string(), last.0 - first.0 + 1)
        };
        assert_eq!(hours("2026-03-28"), ("2026-03-27T23:00:00Z".into(), 24));
        assert_eq!(hours("2026-03-29"), ("2026-03-28T23:00:00Z".into(), 23));
        assert_eq!(hours("2026-10-25"), ("2026-10-24T22:00:00Z".into(), 25));
        assert_eq!(hours("2026-11-01"), ("2026-10-31T23:00:00Z".into(), 24));
    }

    #[test]
    fn a_day_of_a_half_hour_zone_begins_with_its_first_whole_hour() {
        let india = Zone::new(19_800, []);
        // 19:00 UTC is 00:30 there.
        assert_eq!(india.first_hour(day("2026-11-21")).to_string(), "2026-11-20T19:00:00Z");
        assert_eq!(india.last_hour(day("2026-11-21")).to_string(), "2026-11-21T18:00:00Z");
        assert!(Zone::default().is_utc() && !india.is_utc());
    }

    proptest! {
        #[test]
        fn days_tile_the_hours(
            offsets in proptest::collection::vec((0u32..400 * 96, -56i32..57), 0..4), start in -56i32..57,
        ) {
            // Shifts by quarters of an hour, at most two days apart from another, would go back
            // over midnight; real ones come months apart.
            let mut offsets = offsets;
            offsets.sort_unstable();
            offsets.dedup_by_key(|it| it.0 / (96 * 40));
            let shifts = offsets.iter().map(|(at, quarters)| Shift {
                at: 86_400 * 20_000 + at * 900,
                offset_seconds: quarters * 900,
            });
            let zone = Zone::new(start * 900, shifts);
            for day in (19_990..20_410).map(Day) {
                prop_assert_eq!(zone.last_hour(day).0 + 1, zone.first_hour(day.plus(1)).0);
                prop_assert!(zone.first_hour(day) <= zone.first_hour(day.plus(1)));
            }
        }
    }
}
