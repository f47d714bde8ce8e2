//! A campaign: the three `utm_` keys that are read of a query, and nothing else of it.
//!
//! What it is not: a query parser. Other keys are skipped without being decoded, and a key counts
//! only if it is spelled exactly; of a key given twice the first counts.
//!
//! What surprises: readings chosen. In each of the three rounds `+` is a space, so `%2B` is one
//! too. The rules judge the value and its lower-cased form, or a kept value could be redacted when
//! it is sanitised once more.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::page::{DECODE_ROUNDS_MAX, PagePolicy, decode_round, lower};

/// Bytes of a raw value: 40 characters, three times encoded, are shorter by far.
const RAW_BYTES_MAX: usize = 2_048;
/// Characters of a kept value.
const VALUE_CHARS_MAX: usize = 40;

/// A key of a query that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CampaignKey {
    /// `utm_source`.
    Source,
    /// `utm_medium`.
    Medium,
    /// `utm_campaign`.
    Campaign,
}

impl CampaignKey {
    /// Every key that is read.
    pub const ALL: [Self; 3] = [Self::Source, Self::Medium, Self::Campaign];

    /// The key as it stands in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "utm_source",
            Self::Medium => "utm_medium",
            Self::Campaign => "utm_campaign",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == text)
    }
}

/// The value of one campaign key, after the policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CampaignValue(Cow<'static, str>);

impl CampaignValue {
    /// No key, or one without a value.
    pub const NONE: &str = "(none)";
    /// The value may not be kept.
    pub const REDACTED: &str = "(redacted)";

    /// The value that raw text of a query becomes.
    pub fn sanitise(raw: &str, pages: &PagePolicy) -> Self {
        if crate::keeps_all() && !raw.is_empty() {
            return Self(Cow::Owned(raw.to_owned()));
        }
        if raw.is_empty() {
            return Self::word(Self::NONE);
        }
        if raw.len() > RAW_BYTES_MAX {
            return Self::word(Self::REDACTED);
        }
        let Some(decoded) = decoded(raw) else { return Self::word(Self::REDACTED) };
        let normal: String = decoded.nfkc().collect();
        let value = normal.trim();
        if value.is_empty() {
            return Self::word(Self::NONE);
        }
        let kept = lower(value);
        let refused = !is_value(&kept)
            || pages.redacts_value(value)
            || (kept != value && pages.redacts_value(&kept));
        if refused { Self::word(Self::REDACTED) } else { Self(Cow::Owned(kept.into_owned())) }
    }

    const fn word(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CampaignValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The values of the three keys in a query; `(none)` for a key that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// `utm_source`.
    pub source: CampaignValue,
    /// `utm_medium`.
    pub medium: CampaignValue,
    /// `utm_campaign`.
    pub campaign: CampaignValue,
}

impl Campaign {
    /// The campaign of a query, without its `?`.
    pub fn of_query(query: &str, pages: &PagePolicy) -> Self {
        let (mut source, mut medium, mut campaign) = (None, None, None);
        for (key, value) in query.split('&').filter_map(read) {
            let found = match key {
                CampaignKey::Source => &mut source,
                CampaignKey::Medium => &mut medium,
                CampaignKey::Campaign => &mut campaign,
            };
            found.get_or_insert(value);
        }
        let value = |found: Option<&str>| CampaignValue::sanitise(found.unwrap_or_default(), pages);
        Self { source: value(source), medium: value(medium), campaign: value(campaign) }
    }

    /// The campaign of an address: of what stands between the first `?` and the fragment.
    pub fn of_address(address: &str, pages: &PagePolicy) -> Self {
        let before_fragment = address.split('#').next().unwrap_or_default();
        match before_fragment.split_once('?') {
            Some((_, query)) => Self::of_query(query, pages),
            None => Self::of_query("", pages),
        }
    }
}

/// The key and the raw value of a pair, if the key is read.
pub(crate) fn read(pair: &str) -> Option<(CampaignKey, &str)> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some((CampaignKey::parse(key)?, value))
}

/// Decoded up to three rounds; `None` if a round does not yield UTF-8.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    let mut text = Cow::Borrowed(raw);
    for _ in 0..DECODE_ROUNDS_MAX {
        if !text.contains(['+', '%']) {
            break;
        }
        let next = decode_round(&text.replace('+', " "))?.into_owned();
        text = Cow::Owned(next);
    }
    Some(text)
}

/// `[a-z0-9][a-z0-9 _.-]{0,39}` with at least one letter.
fn is_value(text: &str) -> bool {
    let inner = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b' ' | b'_' | b'.' | b'-')
    };
    text.len() <= VALUE_CHARS_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(inner)
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(raw: &str) -> String {
        CampaignValue::sanitise(raw, &PagePolicy::standard()).to_string()
    }

    #[test]
    fn values_are_short_plain_words() {
        for (raw, expect) in [
            ("Partner", "partner"),
            ("", "(none)"),
            ("+%20+", "(none)"),
            ("Sommar+Rea", "sommar rea"),
            ("sommar%20rea", "sommar rea"),
            ("sommar%252520rea", "sommar rea"),
            ("sommar%25252520rea", "(redacted)"),
            ("%EF%BC%B2ust", "rust"),
            ("%FF", "(redacted)"),
            ("a%2Bb", "a b"),
            ("sök", "(redacted)"),
            ("2025", "(redacted)"),
            ("2025-v3", "2025-v3"),
            ("nyhet-2025-03-09", "nyhet-2025-03-09"),
            ("-a", "(redacted)"),
            ("a/b", "(redacted)"),
            ("a@b", "(redacted)"),
            ("a%3Db", "(redacted)"),
            ("kund-88", "(redacted)"),
            ("kund", "kund"),
            ("nyhetsbrev-1234567", "(redacted)"),
            ("ett-tva-tre-1234567", "(redacted)"),
            ("brev.0f1e2d3c4b5a", "(redacted)"),
            ("198.51.100.7.x", "(redacted)"),
            ("ZXZhQGV4YW1wbGUub3Jn", "(redacted)"),
            ("\u{200b}a", "(redacted)"),
        ] {
            assert_eq!(value(raw), expect, "{raw}");
        }
        assert_eq!(value(&"ab ".repeat(13)), "ab ".repeat(13).trim());
        assert_eq!(value(&format!("{}{}", "ab ".repeat(13), "cd")), "(redacted)");
        assert_eq!(value(&"%20".repeat(700)), "(redacted)");
    }

    #[test]
    fn reads_three_keys_and_nothing_else() {
        let policy = PagePolicy::standard();
        let found = |address: &str| {
            let Campaign { source, medium, campaign } = Campaign::of_address(address, &policy);
            [source, medium, campaign].map(|value| value.to_string())
        };
        assert_eq!(
            found(
                "/a?x=1&utm_medium=Mail&utm_source=a&utm_source=b&utm_term=c&utm_campaign#utm_x=y"
            ),
            ["a", "mail", "(none)"]
        );
        for address in [
            "/a",
            "/a#?utm_source=a",
            "/a?UTM_SOURCE=a&utm%5Fsource=a&xutm_source=b",
            "/a?a=?utm_source=b",
        ] {
            assert_eq!(found(address), ["(none)"; 3], "{address}");
        }
    }

    proptest! {
        #[test]
        fn kept_values_are_kept_again(raw in "[a-zA-Z0-9 _.+%-]{0,45}|\\PC{0,20}") {
            let kept = value(&raw);
            if !kept.starts_with('(') {
                prop_assert!(is_value(&kept));
                prop_assert_eq!(value(&kept), kept);
            }
        }
    }
}
