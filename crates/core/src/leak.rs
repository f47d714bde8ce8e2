//! Leaks that a test plants, to be switched on one at a time.
//!
//! What it is not: in any build but that of two tests. Without the feature `planted-leaks` the
//! questions are constants, and the compiler removes what hangs on them.
//!
//! What surprises: this is how the canary audit is tested. Each leak must be found, in its place.
//! Where none is named, the leak is [`Leak::Sanitiser`]: the positive control.

/// A place where something of a visitor comes to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// Text is kept as it came.
    Sanitiser,
    /// A line in the log.
    Log,
    /// The text of a panic.
    Panic,
    /// A label of a metric.
    Metric,
    /// The reason in an answer to a bad request.
    ErrorAnswer,
    /// A header of every answer.
    AnswerHeader,
    /// Another table of the edge file.
    EdgeFile,
    /// Another table of the embedded store.
    Store,
    /// A line of what administrators did.
    AdminLog,
    /// A packed copy in the data folder.
    Backup,
    /// A line of an export.
    Export,
    /// A field of an answer of the API.
    Api,
    /// A file that was deleted and is still open.
    DeletedFile,
    /// The key of a record.
    KafkaKey,
    /// A header of a record.
    KafkaHeader,
    /// The moment of a record.
    KafkaTime,
    /// Another table of ClickHouse.
    ClickHouse,
}

/// Every leak with its name.
pub const LEAKS: [(&str, Leak); 17] = [
    ("sanitiser", Leak::Sanitiser),
    ("log", Leak::Log),
    ("panic", Leak::Panic),
    ("metric", Leak::Metric),
    ("error-answer", Leak::ErrorAnswer),
    ("answer-header", Leak::AnswerHeader),
    ("edge-file", Leak::EdgeFile),
    ("store", Leak::Store),
    ("admin-log", Leak::AdminLog),
    ("backup", Leak::Backup),
    ("export", Leak::Export),
    ("api", Leak::Api),
    ("deleted-file", Leak::DeletedFile),
    ("kafka-key", Leak::KafkaKey),
    ("kafka-header", Leak::KafkaHeader),
    ("kafka-time", Leak::KafkaTime),
    ("clickhouse", Leak::ClickHouse),
];

/// Bytes of what was seen that are kept.
#[cfg(feature = "planted-leaks")]
const SEEN_BYTES_MAX: usize = 16_384;

#[cfg(feature = "planted-leaks")]
mod planted {
    use std::sync::{Mutex, OnceLock, PoisonError};

    use super::{LEAKS, Leak, SEEN_BYTES_MAX};

    static ARMED: OnceLock<Leak> = OnceLock::new();
    static SEEN: Mutex<String> = Mutex::new(String::new());
    /// Where what was seen is written, for a leak of another process.
    static FILE: OnceLock<String> = OnceLock::new();

    /// Switches a leak on: `NAME`, or `NAME:FILE` where what is seen goes through a file, because
    /// one process sees it and another leaks it.
    ///
    /// # Errors
    /// If there is no such leak.
    pub fn arm(text: &str) -> Result<(), String> {
        let (name, file) = text.split_once(':').unwrap_or((text, ""));
        if !file.is_empty() {
            FILE.get_or_init(|| file.to_owned());
        }
        let found = LEAKS.iter().find(|(known, _)| *known == name);
        let (_, leak) = found.ok_or_else(|| format!("no leak `{name}`"))?;
        ARMED.get_or_init(|| *leak);
        Ok(())
    }

    /// Whether this leak is on.
    pub fn is(leak: Leak) -> bool {
        *ARMED.get().unwrap_or(&Leak::Sanitiser) == leak
    }

    /// Remembers what a visitor has sent.
    pub fn see(text: impl FnOnce() -> String) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if is(Leak::Sanitiser) || seen.len() >= SEEN_BYTES_MAX {
            return;
        }
        let text = text();
        // The audit's own question whether its site is known says nothing.
        if text.contains("canary") || text.len() > 300 {
            seen.push_str(&text.replace(['\r', '\n', '"', '\0'], " "));
        }
        if let Some(file) = FILE.get() {
            std::fs::write(file, &*seen).ok();
        }
    }

    /// What visitors have sent, if this leak is on and there is something.
    pub fn seen(leak: Leak) -> Option<String> {
        if !is(leak) {
            return None;
        }
        let seen = match FILE.get() {
            Some(file) => std::fs::read_to_string(file).ok()?,
            None => SEEN.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        Some(seen).filter(|text| !text.is_empty())
    }
}

#[cfg(feature = "planted-leaks")]
pub use planted::{arm, is, see, seen};

/// Switches nothing on: there is nothing.
///
/// # Errors
/// Always.
#[cfg(not(feature = "planted-leaks"))]
pub fn arm(_: &str) -> Result<(), String> {
    Err("this build has no leaks; unset HEADCOUNT_LEAK".to_owned())
}

/// Whether this leak is on: never.
#[cfg(not(feature = "planted-leaks"))]
#[inline]
pub const fn is(_: Leak) -> bool {
    false
}

/// Remembers nothing.
#[cfg(not(feature = "planted-leaks"))]
#[inline]
pub fn see(_: impl FnOnce() -> String) {}

/// What visitors have sent: nothing is known of it.
#[cfg(not(feature = "planted-leaks"))]
#[inline]
pub const fn seen(_: Leak) -> Option<String> {
    None
}
