//! A source: the site a visit came from, as a registrable domain or a word in brackets.
//!
//! What it is not: a referrer. Path, query, user info, port and subdomain never leave this file.
//!
//! What surprises: the registrable domain is that of the ICANN section of the public suffix list,
//! so `anna.blogspot.com` is `blogspot.com`, also when it is the site's own domain. Readings
//! chosen: a host equal to one of the site's is `(internal)` before anything else is asked, so a
//! site on `localhost` or an address works; an own domain is internal even if it looks random; a
//! host that is itself a public suffix, or no valid host, is `(other)`.

mod host;

use std::borrow::Cow;
use std::fmt;

use crate::page::{Run, after_two_slashes, after_web_scheme, runs, split_authority, trimmed};
use crate::site::SiteHost;

use self::host::{Host, is_private, registrable};

/// Characters of a hexadecimal run that makes a label random.
const HEX_CHARS_MIN: usize = 12;
/// Characters, and changes between letters and digits, of a mixed run that makes a label random.
const MIXED_CHARS_MIN: usize = 16;
const MIXED_CHANGES_MIN: usize = 3;
/// Schemes by which apps name themselves as referrers.
const APP_SCHEMES: [&str; 2] = ["android-app", "ios-app"];

/// Where a visit came from, after the policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(Cow<'static, str>);

/// The domains that are a site's own: of its host and its aliases.
#[derive(Clone, Debug, Default)]
pub struct SiteDomains {
    hosts: Vec<Box<str>>,
    domains: Vec<Box<str>>,
}

impl SiteDomains {
    /// The domains of these hosts.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a SiteHost>) -> Self {
        let mut own = Self::default();
        for host in hosts {
            let host = host.as_str();
            own.hosts.push(host.into());
            if let Some(Host::Name(name)) = Host::of_authority(host)
                && !is_private(&name)
                && let Some(domain) = registrable(&name)
            {
                own.domains.push(domain.into());
            }
        }
        own
    }

    fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| **own == *host)
    }

    fn has_domain(&self, domain: &str) -> bool {
        self.domains.iter().any(|own| **own == *domain)
    }
}

impl Source {
    /// No referrer.
    pub const DIRECT: &str = "(direct)";
    /// An app.
    pub const APP: &str = "(app)";
    /// An address instead of a name.
    pub const IP: &str = "(ip)";
    /// A name of an internal network.
    pub const PRIVATE: &str = "(private)";
    /// The site itself.
    pub const INTERNAL: &str = "(internal)";
    /// Everything else, and sources beyond a limit.
    pub const OTHER: &str = "(other)";

    /// The source that a referrer names.
    pub fn sanitise(raw: &str, own: &SiteDomains) -> Self {
        if crate::keeps_all() && !raw.is_empty() {
            return Self(Cow::Owned(raw.to_owned()));
        }
        let text = trimmed(raw);
        if text.is_empty() {
            return Self::word(Self::DIRECT);
        }
        if let Some(rest) = after_web_scheme(&text).and_then(after_two_slashes) {
            return Self::of_authority(split_authority(rest).0, own);
        }
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let app = APP_SCHEMES.iter().any(|app| scheme.eq_ignore_ascii_case(app));
        Self::word(if app { Self::APP } else { Self::OTHER })
    }

    /// The source with this authority (`user@host:port`).
    pub(crate) fn of_authority(authority: &str, own: &SiteDomains) -> Self {
        let Some(host) = Host::of_authority(authority) else { return Self::word(Self::OTHER) };
        if own.has_host(host.as_str()) {
            return Self::word(Self::INTERNAL);
        }
        let name = match &host {
            Host::Address(_) => return Self::word(Self::IP),
            Host::Name(name) if is_private(name) => return Self::word(Self::PRIVATE),
            Host::Name(name) => name,
        };
        match registrable(name) {
            Some(domain) if own.has_domain(domain) => Self::word(Self::INTERNAL),
            Some(domain) if !is_random(domain) => Self(Cow::Owned(domain.to_owned())),
            _ => Self::word(Self::OTHER),
        }
    }

    /// Whether the visit came from the site itself.
    pub fn is_internal(&self) -> bool {
        self.0 == Self::INTERNAL
    }

    const fn word(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// The source as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the first label looks drawn by chance.
fn is_random(domain: &str) -> bool {
    let label = domain.split('.').next().unwrap_or_default();
    runs(label.as_bytes()).filter(Run::is_mixed).any(|run| {
        (run.len() >= HEX_CHARS_MIN && run.is_hex())
            || (run.len() >= MIXED_CHARS_MIN && run.changes() >= MIXED_CHANGES_MIN)
    })
}

#[cfg(test)]
mod tests;
