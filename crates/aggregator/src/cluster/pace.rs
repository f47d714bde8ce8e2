//! How soon something that failed is tried again.
//!
//! What it is not: a clock. Whoever asks brings the moment.
//!
//! What surprises: only a written insert sets it back. A server without room for an insert still
//! answers every question about the ledger, and those answers say nothing about the room.

use std::time::{Duration, Instant};

/// The first pause.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The pause after the last failure, if there was one since something worked.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Not before this moment, which came this long after the failure.
    wait: Option<(Instant, Duration)>,
}

impl Pace {
    /// Whether it is too early to try again.
    pub(super) fn is_early(&self, now: Instant) -> bool {
        self.wait.is_some_and(|(until, _)| now < until)
    }

    /// Something failed: the next pause is twice as long as the last one.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = self.wait.map_or(PAUSE_FIRST, |(_, pause)| (pause * 2).min(PAUSE_MAX));
        self.wait = Some((now + pause, pause));
    }

    /// What was waited for is done.
    pub(super) fn worked(&mut self) {
        self.wait = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_the_longest_and_begin_anew_after_a_success() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for expect_ms in [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            assert!(!pace.is_early(now));
            pace.failed(now);
            let pause = Duration::from_millis(expect_ms);
            assert!(pace.is_early(now + pause - Duration::from_millis(1)));
            now += pause;
        }
        pace.worked();
        pace.failed(now);
        assert!(!pace.is_early(now + PAUSE_FIRST));
    }
}
