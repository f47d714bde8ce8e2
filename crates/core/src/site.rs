//! The host name of a site, valid or not existing.
//!
//! What it is not: a registered site. That a host is well formed does not make it one of ours.
//!
//! What surprises: `localhost` and address literals are allowed, so that a demo needs no domain.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest host name (RFC 1035, section 2.3.4).
pub const HOST_BYTES_MAX: usize = 253;
/// Longest label of a host name (RFC 1035, section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// A lower-case host name without port, scheme or trailing dot, such as `example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteHost(Box<str>);

/// The text is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a host name: give a bare host such as example.org, without scheme, port or path")]
pub struct NotAHost;

impl SiteHost {
    /// Reads a host name; upper case is folded, a trailing dot dropped.
    ///
    /// # Errors
    /// [`NotAHost`] for an empty or too long name, and for letters outside `a-z 0-9 - .`
    /// (write international names in their `xn--` form) unless it is an IPv6 literal in brackets.
    pub fn parse(text: &str) -> Result<Self, NotAHost> {
        let lower = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let bracketed = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let valid = match bracketed {
            Some(inner) => {
                !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
            }
            None => lower.split('.').all(is_label),
        };
        if valid && lower.len() <= HOST_BYTES_MAX {
            Ok(Self(lower.into_boxed_str()))
        } else {
            Err(NotAHost)
        }
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !label.is_empty()
        && label.len() <= LABEL_BYTES_MAX
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl TryFrom<String> for SiteHost {
    type Error = NotAHost;
    fn try_from(text: String) -> Result<Self, NotAHost> {
        Self::parse(&text)
    }
}

impl From<SiteHost> for String {
    fn from(host: SiteHost) -> Self {
        host.0.into()
    }
}

impl fmt::Display for SiteHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_are_hosts() {
        for good in ["example.org", "EXAMPLE.org.", "localhost", "127.0.0.1", "[::1]", "a_b.c"] {
            assert!(SiteHost::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a..b", "https://a.b", "a.b/c", "a.b:80", "-a.b", "ä.se", "a b", "[x]"]
        {
            assert_eq!(SiteHost::parse(bad), Err(NotAHost), "{bad}");
        }
    }
}
