//! The machine's clock, read here and nowhere else.
//!
//! What it is not: trusted to run forward. Who keeps state by it guards against its jumps.
//!
//! What surprises: a clock before 1970 reads as 1970.

use std::time::{SystemTime, UNIX_EPOCH};

use headcount_core::time::Clock;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the one real clock")]
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}
