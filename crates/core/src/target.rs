//! A click target: a page, an outside domain, or a word for what was clicked.
//!
//! What it is not: a link. Of an outside address only the registrable domain is left, of a mail
//! address or a number only the scheme.
//!
//! What surprises: `ext:(other)` exists: an outside host that says nothing safe is still outside,
//! and so is `https:` without a host. An address that begins with `?` is relative: `(other)`.

use std::borrow::Cow;
use std::fmt;

use crate::page::{
    PagePolicy, after_two_slashes, after_web_scheme, is_slash, split_authority, trimmed,
};
use crate::source::{SiteDomains, Source};

/// Schemes that are kept as a word and nothing else.
const SCHEMES: [&str; 3] = ["mailto", "tel", "sms"];

/// What was clicked, after the policy: a link or a declared event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(Cow<'static, str>);

impl Target {
    /// Everything that has no better word, and targets beyond a limit.
    pub const OTHER: &str = "(other)";
    /// A place in the same page.
    pub const IN_PAGE: &str = "(in-page)";

    /// The target that a link names.
    pub fn sanitise(raw: &str, pages: &PagePolicy, own: &SiteDomains) -> Self {
        if crate::keeps_all() && !raw.is_empty() {
            return Self::event(raw);
        }
        let text = trimmed(raw);
        if text.starts_with('#') {
            return Self(Cow::Borrowed(Self::IN_PAGE));
        }
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if let Some(word) = SCHEMES.into_iter().find(|word| scheme.eq_ignore_ascii_case(word)) {
            return Self(Cow::Borrowed(word));
        }
        let page = || Self(Cow::Owned(pages.sanitise(&text).as_str().to_owned()));
        let outside = match after_web_scheme(&text) {
            Some(rest) => Some(after_two_slashes(rest).unwrap_or_default()),
            None => after_two_slashes(&text),
        };
        if let Some(rest) = outside {
            let source = Source::of_authority(split_authority(rest).0, own);
            if source.is_internal() { page() } else { Self::outside(&source) }
        } else if text.starts_with(is_slash) {
            page()
        } else {
            Self::other()
        }
    }

    fn outside(source: &Source) -> Self {
        if matches!(source.as_str(), Source::IP | Source::PRIVATE) {
            Self(Cow::Owned(source.as_str().to_owned()))
        } else {
            Self(Cow::Owned(format!("ext:{source}")))
        }
    }

    /// The target of what may not be named.
    pub(crate) const fn other() -> Self {
        Self(Cow::Borrowed(Self::OTHER))
    }

    /// The target of a declared event.
    pub(crate) fn event(name: &str) -> Self {
        Self(Cow::Owned(name.to_owned()))
    }

    /// The target as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::site::SiteHost;

    fn target(raw: &str) -> String {
        let own = SiteDomains::new(&[SiteHost::parse("www.example.com").unwrap()]);
        Target::sanitise(raw, &PagePolicy::standard(), &own).to_string()
    }

    #[test]
    fn one_word_page_or_domain_for_every_link() {
        for (raw, expect) in [
            ("mailto:eva@example.org", "mailto"),
            ("MAILTO:x", "mailto"),
            ("ma\nilto:x", "mailto"),
            ("tel:+46", "tel"),
            ("sms:1", "sms"),
            ("callto:1", "(other)"),
            ("javascript:x", "(other)"),
            ("#eva", "(in-page)"),
            ("\t#", "(in-page)"),
            ("", "(other)"),
            ("kontakt.html", "(other)"),
            ("./a", "(other)"),
            ("?a", "(other)"),
            ("http:/a", "ext:(other)"),
            ("https:x", "ext:(other)"),
            ("/boka?steg=2", "/boka"),
            ("/users/eva", "/users/:id"),
            ("\\users\\eva", "/users/:id"),
            ("https://example.com/users/eva#x", "/users/:id"),
            ("https://shop.example.com", "/"),
            ("//example.com/a", "/a"),
            ("//partner.example.org/a", "ext:example.org"),
            ("\\\\partner.example.org/a", "ext:example.org"),
            ("https://eva@partner.example.org:1/a", "ext:example.org"),
            ("https://10.0.0.3/a", "(ip)"),
            ("//nas/a", "(private)"),
            ("https://0f1e2d3c4b5a.com", "ext:(other)"),
            ("https://", "ext:(other)"),
            ("ftp://example.com/", "(other)"),
        ] {
            assert_eq!(target(raw), expect, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn kept_pages_and_domains_are_kept_again(raw in "(https?:|//?|#|mailto:)?\\PC{0,40}") {
            let kept = target(&raw);
            if kept.starts_with('/') {
                prop_assert_eq!(target(&kept), &*kept);
            }
            if let Some(domain) = kept.strip_prefix("ext:").filter(|domain| !domain.starts_with('(')) {
                prop_assert_eq!(target(&format!("//{domain}")), &*kept);
            }
        }
    }
}
