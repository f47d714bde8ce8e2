//! A secret: a password or the like, which no log shows.
//!
//! What it is not: kept from the memory of the process.
//!
//! What surprises: it has no `Display`; whoever sends it must ask for its text by name.

use std::fmt;

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who asks for it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown() {
        let secret = Secret::new("swordfish");
        assert_eq!((format!("{secret:?}").as_str(), secret.text()), ("REDACTED", "swordfish"));
    }
}
