//! The rules that redact a whole segment, W1 to W9 (policy, part B).
//!
//! What it is not: a search inside a segment. What keeps its neighbours is in `span`.
//!
//! What surprises: readings chosen. W4, W8 and W9 look at the clean text with its case, the others
//! at the lower-cased one. W7 looks at the stem, so `/order.no12` has the extension `.no12` and
//! stays, as the policy says. W8 needs one alphabet throughout: `+` beside `-` or `_` is neither.

use super::text::{Run, lower, runs, split_extension};
use super::words::{Force, Words, is_static};

/// Schemes whose text names a person, a device or a file rather than a page (W3).
const SCHEMES: [&str; 15] = [
    "mailto",
    "tel",
    "sms",
    "callto",
    "whatsapp",
    "skype",
    "sip",
    "sips",
    "http",
    "https",
    "ftp",
    "data",
    "javascript",
    "urn",
    "did",
];

/// How the secrets of well-known services begin (W4).
const SECRET_PREFIXES: [&str; 22] = [
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "pk_live_",
    "pk_test_",
    "cs_live_",
    "cs_test_",
    "whsec_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "SG.",
];

/// How base64 of a JSON object begins (W4), and how many characters must follow.
const JSON_BEGINS: (&str, usize) = ("eyJ", 8);
/// Characters that must follow the beginning of a secret (W4).
const SECRET_REST_MIN: usize = 10;
/// Characters, and decoded bytes, of base64 text (W8).
const BASE64_CHARS_MIN: usize = 12;
const BASE64_BYTES_MIN: usize = 9;
/// Characters of a random name in mixed case (W9), and the share of them in mixed runs.
const RANDOM_CHARS_MIN: usize = 16;
const RANDOM_MIXED_PERCENT: usize = 60;

/// A segment as the rules of part B see it.
pub(super) struct Whole<'a> {
    text: &'a str,
    lower: &'a str,
    stem: &'a str,
}

impl<'a> Whole<'a> {
    /// `lower` is the lower-cased `text`.
    pub(super) fn new(text: &'a str, lower: &'a str) -> Self {
        Self { text, lower, stem: split_extension(lower).0 }
    }

    /// Whether a rule that needs no context redacts the segment: W1 to W4 and W7 to W9.
    pub(super) fn is_redacted(&self, words: &Words) -> bool {
        is_address(self.lower)
            || self.lower.contains('=')
            || has_scheme(self.lower)
            || is_secret(self.text)
            || is_labelled_number(self.stem, words)
            || is_base64_text(self.text)
            || is_random_name(self.text)
    }

    /// Whether the segment before redacts this one: W5 and W6.
    pub(super) fn is_redacted_after(&self, context: Option<Force>) -> bool {
        match context {
            Some(Force::Strong) => !is_static(self.lower) && !is_static(self.stem),
            Some(Force::Weak) => self.stem.bytes().any(|byte| byte.is_ascii_digit()),
            None => false,
        }
    }
}

/// Whether W1 or W4 hits: no owner's rule may keep such a segment.
pub(super) fn is_address_or_secret(text: &str) -> bool {
    is_address(&lower(text)) || is_secret(text)
}

/// W1.
fn is_address(lower: &str) -> bool {
    lower.starts_with('~')
        || lower.contains('@')
        || (lower.contains(['(', '[', '{'])
            && ["(at)", "[at]", "{at}"].iter().any(|spelling| lower.contains(spelling)))
}

/// W3.
fn has_scheme(lower: &str) -> bool {
    lower.split_once(':').is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

/// W4.
fn is_secret(text: &str) -> bool {
    let (begin, rest_min) = JSON_BEGINS;
    if text.len() < begin.len() + rest_min {
        return false; // the other beginnings need even more
    }
    let json = text.contains('J')
        && text.match_indices(begin).any(|(at, _)| {
            let rest = text.as_bytes().get(at + begin.len()..).unwrap_or_default();
            rest.iter().take_while(|byte| is_url_base64(byte)).count() >= rest_min
        });
    json || SECRET_PREFIXES.iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.chars().count() >= SECRET_REST_MIN)
    })
}

/// W7.
fn is_labelled_number(stem: &str, words: &Words) -> bool {
    let label = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    if label.len() == stem.len() || label.is_empty() {
        return false;
    }
    let unmarked = label.strip_suffix(is_mark);
    if unmarked.is_some_and(|name| matches!(name, "id" | "uid" | "ref")) {
        return true;
    }
    std::iter::once(label).chain(unmarked).any(|name| {
        let shortened = ["id", "nr", "no"].iter().filter_map(|end| name.strip_suffix(end));
        std::iter::once(name).chain(shortened).any(|name| {
            words.is_label(name) || name.strip_suffix(is_mark).is_some_and(|n| words.is_label(n))
        })
    })
}

fn is_mark(char: char) -> bool {
    matches!(char, '-' | '_' | '.' | ':' | '#')
}

fn is_url_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// W8.
fn is_base64_text(text: &str) -> bool {
    let length_fits = text.len() >= BASE64_CHARS_MIN && text.len() % 4 != 1;
    let one_alphabet = !(text.contains('+') && text.contains(['-', '_']));
    length_fits && one_alphabet && text.bytes().all(|byte| sextet(byte).is_some()) && {
        let mut decoded = 0;
        let printable = text.as_bytes().chunks(4).all(|chunk| {
            let bits = chunk.iter().fold(0, |bits, b| bits << 6 | sextet(*b).unwrap_or_default());
            let bits = bits << (6 * (4 - chunk.len()));
            let [_, bytes @ ..] = bits.to_be_bytes();
            decoded += chunk.len() - 1;
            bytes.iter().take(chunk.len() - 1).all(|byte| matches!(byte, b' '..=b'~'))
        });
        printable && decoded >= BASE64_BYTES_MIN
    }
}

/// The six bits of a base64 character of either alphabet; a slash never gets here.
fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// W9.
fn is_random_name(text: &str) -> bool {
    if text.len() < RANDOM_CHARS_MIN || !text.as_bytes().iter().all(is_url_base64) {
        return false;
    }
    let (mut mixed, mut all, mut rises) = (0, 0, false);
    for run in runs(text.as_bytes()) {
        all += run.len();
        if run.is_mixed() {
            mixed += run.len();
            rises |= rises_in(&run);
        }
    }
    rises && mixed * 100 >= all * RANDOM_MIXED_PERCENT
}

/// Whether a lower-case letter is directly followed by an upper-case one.
fn rises_in(run: &Run<'_>) -> bool {
    run.bytes.windows(2).any(|pair| match pair {
        [low, high] => low.is_ascii_lowercase() && high.is_ascii_uppercase(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, redacted: bool) {
        let lower = lower(text);
        let found = Whole::new(text, &lower).is_redacted(&Words::default());
        assert_eq!(found, redacted, "{text}");
    }

    #[test]
    fn w1_to_w4() {
        for text in [
            "a@b",
            "@",
            "a(at)b",
            "a(AT)b",
            "a[at]b",
            "a{at}b",
            "~eva",
            "a=b",
            "=",
            "mailto:x",
            "TEL:1",
            "did:web:x",
            "https:x",
            "xeyJabcdefgh",
            "eyJ-_-_-_-_",
            "ghp_0123456789",
            "SG.abcdefghij",
            "AKIA0123456789",
            "whsec_ååååååååå1",
            "ya29.abcdefghijk",
        ] {
            check(text, true);
        }
        for text in [
            "a-at-b",
            "(at",
            "a~",
            "telefon:1",
            "xtel:1",
            "eyJabcdefg",
            "eyjabcdefgh",
            "eyJabcd.efgh",
            "GHP_0123456789",
            "ghp_012345678",
            "akia0123456789x",
            "xghp_0123456789",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn w7_labelled_numbers() {
        for text in [
            "medlem-104",
            "medlem104",
            "user.5",
            "user:5",
            "user_id_5",
            "user-id5",
            "userid-5",
            "kundnr7",
            "kund-nr-7",
            "order-no.12.html",
            "ORDER7",
            "användare9",
            "opt-out-1",
            "id-5",
            "uid:5",
            "ref.12",
            "userno1",
            "kundid.7",
            "users--5",
        ] {
            check(text, true);
        }
        for text in [
            "id5",
            "pnr-5",
            "q-5",
            "u5",
            "ref5",
            "users---5",
            "medlem-x5",
            "xmedlem-5",
            "medlem-",
            "104",
            "order.no12",
            "sid-5",
            "medlem-5x",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn w8_base64_of_text() {
        for text in
            ["ZXZhQGV4YW1wbGUub3Jn", "SGVsbG8sIHdvcmxkIQ", "SGVsbG8gd29ybGR", "Pz4_Pz4_Pz4_"]
        {
            check(text, true);
        }
        for text in [
            "ZXZhQGV4YW",
            "SGVsbG8gd29ybGRa8",
            "integritetspolicy",
            "Pz4+Pz4-Pz4+",
            "SGVsbG8sIHdvcmxkIQ.x",
            "",
        ] {
            assert!(!is_base64_text(text), "{text}");
        }
    }

    #[test]
    fn w9_random_names() {
        for text in ["dQw4w9WgXcQ-aB3xyZ", "aB1aB1aB1aB1aB1aB1"] {
            check(text, true);
        }
        for text in [
            "iPhone15ProMaxGuide.x",
            "getElementById-intro",
            "aB1-getelementbyid",
            "AB1CD2EF3GH4IJ5KL",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn w5_and_w6_read_the_context() {
        let after = |text: &str, force| Whole::new(text, text).is_redacted_after(Some(force));
        assert!(after("eva", Force::Strong) && after(":id", Force::Strong));
        assert!(!after("new", Force::Strong) && !after("new.html", Force::Strong));
        assert!(
            after("a1", Force::Weak) && !after("a.mp3", Force::Weak) && !after("ab", Force::Weak)
        );
    }
}
