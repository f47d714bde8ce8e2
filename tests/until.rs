//! Waiting: for what comes by itself, and for a day that does not end meanwhile.
//!
//! What it is not: for loops that send; whoever sends must see each answer.
//!
//! What surprises: it looks once more than the patience says, so that a machine that stood still is
//! no reason to fail. And a test that begins shortly before midnight begins after it.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// How long anything may take that comes by itself: a start, an answer, a count. Only a test that fails
/// waits so long, so it is for a machine twenty times as slow as ours.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than a test takes that counts visitors.
const CALM_SECONDS: u64 = 600;
/// Seconds of the UTC day at which counts become others: its end, when marks and crowds go, and the
/// moment when the day before is closed (`GRACE_HOURS` of `crates/aggregator/src/keeping.rs`).
const TURNS: [u64; 2] = [86_400, 2 * 3_600];

/// Looks again and again until it is so; `false` if it never was.
pub(crate) fn until(patience: Duration, mut look: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let is_late = Instant::now() > deadline;
        if look() {
            return true;
        }
        if is_late {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until no turn of the day is near. Only the first call of a test waits: later ones would bring
/// the turn into it. Threads of a test have no name, and are of one that has begun.
pub(crate) fn calm_day() {
    thread_local! {
        static BEGUN: Cell<bool> = const { Cell::new(false) };
    }
    if BEGUN.replace(true) || std::thread::current().name().is_none() {
        return;
    }
    while let Some(left) = until_turn(seconds_of_day()) {
        std::thread::sleep(left.min(PAUSE * 50));
    }
}

/// How long until the next turn of the day, where that is soon.
fn until_turn(second: u64) -> Option<Duration> {
    let left = TURNS.into_iter().filter_map(|turn| turn.checked_sub(second)).min()?;
    (1..=CALM_SECONDS).contains(&left).then(|| Duration::from_secs(left))
}

#[expect(clippy::disallowed_methods, reason = "the servers under test read this clock")]
fn seconds_of_day() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() % 86_400
}

#[test]
fn a_test_waits_for_the_turn_of_the_day_and_not_for_another_hour() {
    let seconds = |second| until_turn(second).map(|left| left.as_secs());
    for calm in [0, 3_599, 2 * 3_600, 12 * 3_600 - 1, 86_400 - CALM_SECONDS - 1] {
        assert_eq!(seconds(calm), None, "{calm}");
    }
    assert_eq!(seconds(2 * 3_600 - 1), Some(1));
    assert_eq!(seconds(86_400 - CALM_SECONDS), Some(CALM_SECONDS));
    assert_eq!(seconds(86_399), Some(1));
}
