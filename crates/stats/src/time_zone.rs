//! The time zone of a site, by its name in the time zone database.
//!
//! What it is not: the machine's zone. The database is in the binary, so that every machine answers
//! the same.
//!
//! What surprises: only days, weeks, months and the clock beside a bar follow the zone. Visitors and
//! attributes are counted per UTC day, and nothing that is kept could tell them otherwise.

use std::sync::Arc;

use headcount_core::time::Hour;
use headcount_store::zone::{Shift, Zone};
use jiff::Timestamp;

/// Offsets are looked up from here; older counts than 760 days are never kept.
const FIRST_SECOND: i64 = 1_577_836_800;
/// And until here, 2060-01-01.
const LAST_SECOND: i64 = 2_840_140_800;
/// Changes of the offset at most: four a year is the most that any place has had.
const SHIFTS_MAX: usize = 200;

/// A name and the offsets that belong to it.
#[derive(Clone, Debug)]
pub struct TimeZone {
    name: Arc<str>,
    zone: Zone,
}

impl Default for TimeZone {
    fn default() -> Self {
        Self { name: "UTC".into(), zone: Zone::default() }
    }
}

impl TimeZone {
    /// The zone of a name such as `Europe/Stockholm`; none for a name that is not known.
    pub fn named(name: &str) -> Option<Self> {
        let found = jiff::tz::TimeZone::get(name).ok()?;
        let begin = Timestamp::from_second(FIRST_SECOND).ok()?;
        let shifts = found.following(begin).take(SHIFTS_MAX).map_while(|change| {
            let at = change.timestamp().as_second();
            let at = u32::try_from(at).ok().filter(|_| at < LAST_SECOND)?;
            Some(Shift { at, offset_seconds: change.offset().seconds() })
        });
        let zone = Zone::new(found.to_offset(begin).seconds(), shifts);
        Some(Self { name: found.iana_name().unwrap_or(name).into(), zone })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its offsets.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The clock at the beginning of a UTC hour, such as `14:30`.
    pub(crate) fn clock(&self, hour: Hour) -> String {
        let local = i64::try_from(hour.unix_seconds())
            .unwrap_or(0)
            .saturating_add(i64::from(self.zone.offset_at(hour.unix_seconds())));
        let minutes = local.rem_euclid(86_400) / 60;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// An offset as ISO 8601 writes it, such as `+05:30`.
pub(crate) fn written(offset_seconds: i32) -> String {
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    let minutes = offset_seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_their_names() {
        let stockholm = TimeZone::named("Europe/Stockholm").expect("a zone");
        // 2026-01-01T00:00Z and 2026-07-01T00:00Z.
        let offset = |zone: &TimeZone, at| written(zone.zone().offset_at(at));
        assert_eq!(offset(&stockholm, 1_767_225_600), "+01:00");
        assert_eq!(offset(&stockholm, 1_782_864_000), "+02:00");
        let hour = Hour::of_unix(1_782_864_000);
        assert_eq!(stockholm.clock(hour), "02:00");
        assert_eq!(TimeZone::named("Asia/Kolkata").expect("a zone").clock(hour), "05:30");
        assert_eq!(offset(&TimeZone::named("America/St_Johns").expect("one"), 0), "-03:30");
        assert_eq!(TimeZone::named("UTC").expect("a zone").zone(), &Zone::default());
        for wrong in ["", "Mars/Olympus", "../etc/passwd", "stockholm"] {
            assert!(TimeZone::named(wrong).is_none(), "{wrong}");
        }
    }
}
