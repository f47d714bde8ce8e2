//! Clean text: what one raw path segment says (policy, step A4).
//!
//! What it is not: safe. Clean text may hold anything a person wrote; the rules judge it.
//!
//! What surprises: the policy is one pass, yet sanitising twice must change nothing. Two readings
//! follow. Removing a format character can bring a letter and its accent together, so NFKC, the
//! removal and the digits are repeated until nothing changes. And a segment may turn out to be
//! `.` or `..` only here (`%252e%252e`, `..;x`, `‥`), which the form resolves like the plain one.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use unicode_normalization::{UnicodeNormalization, is_nfkc};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Rounds of percent-decoding; more layers than this hide something.
pub(crate) const DECODE_ROUNDS_MAX: usize = 3;
/// Characters of one segment.
const SEGMENT_CHARS_MAX: usize = 120;
/// Rounds until normal form, Cf and digits are stable; two suffice for every known character.
const NORMAL_ROUNDS_MAX: usize = 4;

/// The clean text of a raw segment: `None` if the segment can only be `:id` (A4a, A4c, A4e).
pub(crate) fn clean(raw: &str) -> Option<Cow<'_, str>> {
    if raw.bytes().all(is_plain) {
        return is_short(raw).then_some(Cow::Borrowed(raw));
    }
    clean_any(raw).map(Cow::Owned)
}

/// Bytes that every step of A4 leaves as they are.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b'/' | b'\\' | b';' | b'?' | b'#')
}

fn clean_any(raw: &str) -> Option<String> {
    let decoded = decoded(raw)?;
    let text = normal(&decoded)?;
    if has_escape(&text) || text.chars().any(|c| c.is_control() || c == '/' || c == '\\') {
        return None;
    }
    let kept = text.split([';', '?', '#']).next().unwrap_or_default().trim_matches(' ');
    is_short(kept).then(|| kept.to_owned())
}

fn is_short(text: &str) -> bool {
    text.len() <= SEGMENT_CHARS_MAX || text.chars().count() <= SEGMENT_CHARS_MAX
}

/// Percent-decoded, at most three rounds; `None` if a round does not yield UTF-8.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    let mut text = Cow::Borrowed(raw);
    for _ in 0..DECODE_ROUNDS_MAX {
        match decode_round(&text)? {
            Cow::Borrowed(_) => break,
            Cow::Owned(next) => text = Cow::Owned(next),
        }
    }
    Some(text)
}

/// One round of percent-decoding, borrowed if nothing changed; `None` if the bytes are not UTF-8.
pub(crate) fn decode_round(text: &str) -> Option<Cow<'_, str>> {
    match Cow::from(percent_decode(text.as_bytes())) {
        Cow::Borrowed(_) => Some(Cow::Borrowed(text)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// Whether `%` and two hexadecimal digits are left.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|window| match window {
        [b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

/// NFKC without format characters and with ASCII digits; `None` if that does not settle.
fn normal(text: &str) -> Option<Cow<'_, str>> {
    if is_nfkc(text) && text.chars().all(|char| plain_char(char) == Some(char)) {
        return Some(Cow::Borrowed(text));
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..NORMAL_ROUNDS_MAX {
        let next: String = text.nfkc().filter_map(plain_char).collect();
        let settled = is_nfkc(&next);
        text = Cow::Owned(next);
        if settled {
            return Some(text);
        }
    }
    None
}

fn plain_char(char: char) -> Option<char> {
    if char.is_ascii() {
        return Some(char);
    }
    match char.general_category() {
        GeneralCategory::Format => None,
        GeneralCategory::DecimalNumber => Some(ascii_digit(char)),
        _ => Some(char),
    }
}

/// The ASCII digit of a decimal digit: Unicode keeps each script's ten digits in a row from zero,
/// so the place in the row is the value, also where two rows touch.
fn ascii_digit(char: char) -> char {
    let is_digit = |code: &u32| {
        char::from_u32(*code)
            .is_some_and(|c| c.general_category() == GeneralCategory::DecimalNumber)
    };
    let before = (0..u32::from(char)).rev().take_while(is_digit).count();
    u32::try_from(before % 10).ok().and_then(|value| char::from_digit(value, 10)).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn says_what_the_segment_says() {
        for (raw, text) in [
            ("abc", Some("abc")),
            ("Link%C3%B6ping", Some("Linköping")),
            ("rabatt-50%", Some("rabatt-50%")),
            ("50%2x", Some("50%2x")),
            ("%2561", Some("a")),
            ("%252561", Some("a")),
            ("%25252561", None),
            ("%2541", Some("A")),
            ("%25zz", Some("%zz")),
            ("%FFx", None),
            ("%25FF", None),
            ("a%2fb", None),
            ("a%5Cb", None),
            ("a%00b", None),
            ("a%7Fb", None),
            ("a\u{85}b", None),
            ("\u{ff0f}", None),
            ("%\u{664}1", None),
            ("bok;sid=4f2", Some("bok")),
            (";sid=4f2", Some("")),
            ("a%3Bb", Some("a")),
            ("a%3fb", Some("a")),
            ("a%23b", Some("a")),
            ("a\u{37e}b", Some("a")),
            ("  a b  ;x", Some("a b")),
            ("%20%20", Some("")),
            ("\u{a0}a\u{3000}", Some("a")),
            ("a\u{ad}\u{200b}\u{feff}b", Some("ab")),
            ("٠١٢٣٤٥٦٧٨٩", Some("0123456789")),
            ("７７", Some("77")),
            ("\u{1d7ce}\u{1d7ff}", Some("09")),
            ("\u{116d0}\u{116da}\u{116e3}", Some("009")),
            ("e\u{200d}\u{301}", Some("é")),
            ("ﬁ", Some("fi")),
            ("\u{2025}", Some("..")),
        ] {
            assert_eq!(clean(raw).as_deref(), text, "{raw}");
        }
    }

    #[test]
    fn long_segments_are_not_read() {
        assert!(clean(&"a".repeat(120)).is_some());
        assert!(clean(&"a".repeat(121)).is_none());
        assert!(clean(&"ö".repeat(120)).is_some());
        assert!(clean(&"ö".repeat(121)).is_none());
    }

    #[test]
    fn every_decimal_digit_has_its_value() {
        for (zero, nine) in
            [('٠', '٩'), ('०', '९'), ('𞥐', '𞥙'), ('𑜰', '𑜹'), ('\u{ff10}', '\u{ff19}')]
        {
            assert_eq!((ascii_digit(zero), ascii_digit(nine)), ('0', '9'));
        }
        let digits = (0x80..=0x0010_ffff).filter_map(char::from_u32);
        let digits = digits.filter(|c| c.general_category() == GeneralCategory::DecimalNumber);
        let mut of_value = [0; 10];
        for digit in digits {
            let value = ascii_digit(digit).to_digit(10).unwrap() as usize;
            of_value[value] += 1;
        }
        assert!(of_value.iter().all(|n| *n == of_value[0] && *n > 60), "{of_value:?}");
    }

    proptest! {
        #[test]
        fn the_short_way_equals_the_long_way(raw in "[!-~]{0,130}") {
            prop_assert_eq!(clean(&raw).map(Cow::into_owned), clean_any(&raw));
        }

        #[test]
        fn clean_text_is_clean(raw: String) {
            if let Some(text) = clean(&raw) {
                let escaped = text.replace('%', "%25");
                prop_assert_eq!(clean(&escaped), Some(text));
            }
        }
    }
}
