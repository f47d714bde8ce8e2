//! How long counts are kept as they are, and when a UTC day is closed.
//!
//! What it is not: the keeping itself; the store does that.
//!
//! What surprises: a day is closed hours after its end, because what was counted in its last minute
//! may still be on its way. What comes later than that loses the names of its values.

use headcount_core::time::{Day, Hour};

/// Hours after its end in which a day still takes what is on its way: longer than an edge, Kafka and
/// ClickHouse need together when all are well. Finer rows live no longer than a day and this.
const GRACE_HOURS: u32 = 2;

/// What a store is kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// UTC days that counts are kept.
    pub retention_days: u32,
    /// Values of attributes with fewer visitors in a day lose their names at its close. 0 and 1
    /// close nothing.
    pub k: u32,
}

/// The first day that is not closed at this hour.
pub(crate) fn closed_before(now: Hour) -> Day {
    Hour(now.0.saturating_sub(GRACE_HOURS)).day()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_closed_two_hours_after_its_end() {
        let day = Day(20_778);
        assert_eq!(closed_before(day.last_hour()), day);
        assert_eq!(closed_before(Hour(day.last_hour().0 + 2)), day);
        assert_eq!(closed_before(Hour(day.last_hour().0 + 3)), day.plus(1));
    }
}
