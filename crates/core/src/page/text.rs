//! Runs, stems and other plain measures of a segment's text.
//!
//! What it is not: a rule. Nothing here decides what is kept.
//!
//! What surprises: "letter" and "digit" mean ASCII here, as in the policy, so a run ends at `ö`.
//! Only *words* count Unicode letters.

use std::borrow::Cow;
use std::ops::Range;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Letters or digits of an extension after its first letter.
const EXTENSION_REST_MAX: usize = 4;
/// Letters or digits that make a word at least.
const WORD_CHARS_MIN: usize = 2;

/// A maximal sequence of ASCII letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// The run itself.
    pub(crate) bytes: &'a [u8],
    /// Where it begins in the text.
    pub(crate) start: usize,
}

impl Run<'_> {
    /// The bytes of the text that the run covers.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.start + self.bytes.len()
    }

    /// Number of letters and digits.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has both a letter and a digit.
    pub(crate) fn is_mixed(&self) -> bool {
        self.bytes.iter().any(u8::is_ascii_digit) && self.bytes.iter().any(u8::is_ascii_alphabetic)
    }

    /// Whether every character is a hexadecimal digit.
    pub(crate) fn is_hex(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_hexdigit)
    }

    /// Places where a letter and a digit are neighbours.
    pub(crate) fn changes(&self) -> usize {
        let digit = |at: usize| self.bytes.get(at).map(u8::is_ascii_digit);
        (1..self.len()).filter(|&at| digit(at) != digit(at - 1)).count()
    }
}

/// The runs of a text, in order.
pub(crate) fn runs(text: &[u8]) -> impl Iterator<Item = Run<'_>> {
    maximal(text, u8::is_ascii_alphanumeric)
}

/// The maximal sequences of ASCII digits, in order.
pub(crate) fn digit_runs(text: &[u8]) -> impl Iterator<Item = Run<'_>> {
    maximal(text, u8::is_ascii_digit)
}

/// The maximal sequences of bytes that `belongs` accepts.
pub(crate) fn maximal(text: &[u8], belongs: fn(&u8) -> bool) -> impl Iterator<Item = Run<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.iter().position(belongs)?;
        let tail = text.get(start..)?;
        let len = tail.iter().position(|byte| !belongs(byte)).unwrap_or(tail.len());
        at = start + len;
        Some(Run { bytes: tail.get(..len)?, start })
    })
}

/// A text and its extension: a final dot, one letter, up to four letters or digits, with something
/// before it. The extension keeps its dot; it is empty if there is none.
pub(crate) fn split_extension(text: &str) -> (&str, &str) {
    let parts = text.rfind('.').filter(|at| *at > 0).and_then(|at| text.split_at_checked(at));
    match parts {
        Some((stem, extension)) if is_extension(extension.as_bytes()) => (stem, extension),
        _ => (text, ""),
    }
}

fn is_extension(dotted: &[u8]) -> bool {
    match dotted {
        [b'.', first, rest @ ..] => {
            first.is_ascii_alphabetic()
                && rest.len() <= EXTENSION_REST_MAX
                && rest.iter().all(u8::is_ascii_alphanumeric)
        }
        _ => false,
    }
}

/// The text in lower case; borrowed when it already is.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Number of words of `text` outside `spans`. A word is a maximal sequence of Unicode letters and
/// digits, two or more long, of letters only; a span ends it.
pub(crate) fn words_outside(text: &str, spans: &[Range<usize>]) -> usize {
    let mut words = 0;
    let mut word = Sequence::default();
    for (at, char) in text.char_indices() {
        let inside = spans.iter().any(|span| span.contains(&at));
        match CharKind::of(char) {
            CharKind::Letter if !inside => word.chars += 1,
            CharKind::Digit if !inside => word.has_digit = true,
            _ => words += usize::from(std::mem::take(&mut word).is_word()),
        }
    }
    words + usize::from(word.is_word())
}

#[derive(Default)]
struct Sequence {
    chars: usize,
    has_digit: bool,
}

impl Sequence {
    fn is_word(&self) -> bool {
        self.chars >= WORD_CHARS_MIN && !self.has_digit
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CharKind {
    Letter,
    Digit,
    Other,
}

impl CharKind {
    fn of(char: char) -> Self {
        use unicode_properties::GeneralCategory::DecimalNumber;
        if char.is_ascii() {
            return match char {
                'a'..='z' | 'A'..='Z' => Self::Letter,
                '0'..='9' => Self::Digit,
                _ => Self::Other,
            };
        }
        if char.general_category_group() == GeneralCategoryGroup::Letter {
            Self::Letter
        } else if char.general_category() == DecimalNumber {
            Self::Digit
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_is_a_dot_a_letter_and_up_to_four_more() {
        for (text, stem) in [
            ("a.html", "a"),
            ("a.x", "a"),
            ("a.mp3", "a"),
            ("a.tar.gz", "a.tar"),
            ("a.abcde", "a"),
            ("a.abcdef", "a.abcdef"),
            ("a.7z", "a.7z"),
            (".htm", ".htm"),
            ("a.", "a."),
            ("..b", "."),
            ("a.ht_l", "a.ht_l"),
            ("ö.é", "ö.é"),
        ] {
            assert_eq!(split_extension(text).0, stem, "{text}");
        }
    }

    #[test]
    fn runs_are_ascii_and_know_their_changes() {
        let found: Vec<_> = runs("h264encoder-åb1".as_bytes()).collect();
        let texts: Vec<_> = found.iter().map(|run| run.bytes).collect();
        assert_eq!(texts, [&b"h264encoder"[..], b"b1"]);
        assert_eq!(found.first().map(Run::changes), Some(2));
        assert_eq!(found.get(1).map(Run::range), Some(14..16));
    }

    #[test]
    fn words_are_letters_only_and_outside_spans() {
        for (text, span, words) in [
            ("tre-sma-grisar", 0..0, 3),
            ("a-bb-c3c-dd", 0..0, 2),
            ("går-över-日本", 0..0, 3),
            ("ab-cd", 0..4, 0),
            ("på1234567", 3..10, 1),
        ] {
            assert_eq!(words_outside(text, &[span]), words, "{text}");
        }
    }
}
