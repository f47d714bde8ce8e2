//! Named places where a crash test kills the process.
//!
//! What it is not: in the way. Without `HEADCOUNT_FAILPOINT` the check is one relaxed load.
//!
//! What surprises: it is in the shipped binary, so that what is tested is what is shipped. It can
//! do one thing only, abort, and only for who sets the environment of the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The names on a hit's way, in its order.
pub const NAMES: [&str; 12] = [
    "hit-clean",
    "hit-added",
    "commit-before",
    "commit-after",
    "commit-before-answers",
    "commit-between-answers",
    "ship-before",
    "ship-after",
    "apply-before",
    "apply-after",
    "ack-after",
    "ship-acked",
];

/// The names on the way of an erasure, in its order.
pub const ERASING: [&str; 5] =
    ["erase-edge", "erase-cleared", "erase-chunk", "erase-wiped", "erase-done"];
/// The names on the way of the close of a day.
pub const CLOSING: [&str; 2] = ["close-before", "close-day"];

static ARMED: OnceLock<(String, AtomicU64)> = OnceLock::new();

/// Arms a failpoint as `NAME` or `NAME:N`: the Nth time it is passed, the process aborts.
///
/// # Errors
/// The names there are, if `text` names none of them.
pub fn arm(text: &str) -> Result<(), String> {
    let (name, count) = text.split_once(':').unwrap_or((text, "1"));
    let count = count.parse().ok().filter(|n| *n > 0);
    let is_known = NAMES.contains(&name) || ERASING.contains(&name) || CLOSING.contains(&name);
    match (is_known, count) {
        (true, Some(count)) => {
            ARMED.get_or_init(|| (name.to_owned(), AtomicU64::new(count)));
            Ok(())
        }
        _ => Err(format!(
            "no failpoint `{text}`; write NAME or NAME:N with one of {NAMES:?}, {ERASING:?}, {CLOSING:?}"
        )),
    }
}

/// Passes the place `name`.
#[inline]
pub fn hit(name: &'static str) {
    if let Some((armed, left)) = ARMED.get()
        && armed == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
