//! Waiting for what comes by itself.
//!
//! What it is not: for loops that send; whoever sends must see each answer.
//!
//! What surprises: it looks once more than the patience says, so that a machine that stood still is
//! no reason to fail.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

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
