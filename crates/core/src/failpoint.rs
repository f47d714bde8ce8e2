//! Named places where a crash test kills the process, or lets a thread of it fail.
//!
//! What it is not: in the way. Without `HEADCOUNT_FAILPOINT` the check is one relaxed load.
//!
//! What surprises: it is in the shipped binary, so that what is tested is what is shipped. It can
//! do two things only, abort or panic, and only for who sets the environment of the process.

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

/// The names in threads, tasks and requests that a test lets panic, where the others do not reach.
pub const WORKING: [&str; 10] = [
    "core-accepts",
    "core-sweeps",
    "core-hears",
    "house-kept",
    "request-entered",
    "question-asked",
    "token-looked-up",
    "sites-looked-up",
    "line-taken",
    "file-looked-at",
];

static ARMED: OnceLock<Armed> = OnceLock::new();

struct Armed {
    name: String,
    left: AtomicU64,
    panics: bool,
}

/// Arms a failpoint as `NAME` or `NAME:N`: the Nth time it is passed, the process aborts. With
/// `panic:` before it, the thread panics.
///
/// # Errors
/// The names there are, if `text` names none of them.
pub fn arm(text: &str) -> Result<(), String> {
    let (panics, place) = match text.strip_prefix("panic:") {
        Some(place) => (true, place),
        None => (false, text),
    };
    let (name, count) = place.split_once(':').unwrap_or((place, "1"));
    let count = count.parse().ok().filter(|n| *n > 0);
    let groups: [&[&str]; 4] = [&NAMES, &ERASING, &CLOSING, &WORKING];
    let is_known = groups.iter().any(|names| names.contains(&name));
    match (is_known, count) {
        (true, Some(count)) => {
            let left = AtomicU64::new(count);
            ARMED.get_or_init(|| Armed { name: name.to_owned(), left, panics });
            Ok(())
        }
        _ => Err(format!("no failpoint `{text}`; write NAME or NAME:N with one of {groups:?}")),
    }
}

/// Passes the place `name`.
#[inline]
pub fn hit(name: &'static str) {
    if let Some(armed) = ARMED.get()
        && armed.name == name
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        fall(armed.panics);
    }
}

#[cold]
#[expect(clippy::panic, reason = "what it is for")]
fn fall(panics: bool) {
    if panics {
        panic!("kanarie: what a panic says is not to be told");
    }
    std::process::abort();
}
