//! Declared events: names that a site's owner wrote down before they may be counted.
//!
//! What it is not: free text. What a page sends is compared with the list and never kept.
//!
//! What surprises: an event is counted as a click [`Target`], so it has no type of its own.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use thiserror::Error;

use crate::target::Target;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 40;
/// Events of one site.
const EVENTS_MAX: usize = 1_000;

/// The events of a site.
#[derive(Clone, Debug, Default)]
pub struct Events(HashSet<Box<str>, RandomState>);

/// Why a list of events is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EventError {
    /// A name that breaks the form.
    #[error("event {0:?} is not a lower-case letter and up to 39 of a-z 0-9 _ . : -")]
    Name(String),
    /// Too many names.
    #[error("more than {EVENTS_MAX} events are declared")]
    TooMany,
}

impl Events {
    /// The events with these names.
    ///
    /// # Errors
    /// [`EventError`] names the first one that is none.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, EventError> {
        let mut events = HashSet::default();
        for name in names {
            let name = name.as_ref();
            if !is_name(name) {
                return Err(EventError::Name(name.to_owned()));
            }
            events.insert(name.into());
            if events.len() > EVENTS_MAX {
                return Err(EventError::TooMany);
            }
        }
        Ok(Self(events))
    }

    /// The target of a declared event; `(other)` for anything else.
    pub fn sanitise(&self, raw: &str) -> Target {
        if crate::keeps_all() {
            return Target::event(raw);
        }
        self.0.get(raw).map_or_else(Target::other, |name| Target::event(name))
    }
}

/// `[a-z][a-z0-9_.:-]{0,39}`.
fn is_name(text: &str) -> bool {
    let inner = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b':' | b'-')
    };
    text.len() <= NAME_CHARS_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declared_names_are_kept() {
        let events = Events::new(["download_pdf", "a:b.c-1"]).unwrap();
        for (raw, kept) in [
            ("download_pdf", "download_pdf"),
            ("a:b.c-1", "a:b.c-1"),
            ("Download_pdf", "(other)"),
            (" download_pdf", "(other)"),
            ("eva_klickade", "(other)"),
            ("", "(other)"),
        ] {
            assert_eq!(events.sanitise(raw).as_str(), kept, "{raw}");
        }
    }

    #[test]
    fn names_have_a_form() {
        for name in ["", "A", "1a", "a b", "å", "_a", &"a".repeat(41)] {
            assert_eq!(Events::new([name]).unwrap_err(), EventError::Name(name.to_owned()));
        }
        assert!(Events::new(["a".repeat(40)]).is_ok());
        let many = (0..=EVENTS_MAX).map(|n| format!("e{n}"));
        assert_eq!(Events::new(many).unwrap_err(), EventError::TooMany);
    }
}
