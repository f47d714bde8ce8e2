//! The rules that redact a part of a segment, S1 to S9, and what is left of it (policy, part C).
//!
//! What it is not: a list of places. A personal span redacts the whole segment, so `personal` only
//! says whether there is one; places are kept for content alone.
//!
//! What surprises: readings chosen. A UUID is found inside longer runs too and the span grows over
//! them. Runs are ASCII and words are Unicode, so a span may end inside what a reader takes for a
//! word (`möte1234567`); what is left of it counts as a word. What is left must be kept by the
//! policy itself, or the whole segment is redacted: a span's `:id` may complete what was harmless
//! before.

use std::borrow::Cow;
use std::ops::Range;

use super::address::MAC_PAIRS;
use super::personal::{is_content_number, is_personal};
use super::text::{Run, runs, words_outside};

/// What stands for redacted text.
pub(crate) const PLACEHOLDER: &str = ":id";
/// Words that must be left outside the spans.
const WORDS_LEFT_MIN: usize = 3;
/// Characters of a hexadecimal run (S2).
const HEX_CHARS_MIN: usize = 12;
/// Characters, and changes between letters and digits, of a random run (S3).
const RANDOM_FORMS: [(usize, usize); 3] = [(20, 0), (16, 3), (10, 4)];
/// Letters of a run without digits (S4).
const LETTERS_MIN: usize = 40;
/// Characters of the groups of a UUID (S1), and of the whole.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
const UUID_CHARS: usize = 36;
/// Groups of a UUID that stand between hyphens.
const UUID_FOURS: usize = 3;
/// Stands where something was taken out: no control character is left in clean text, and no rule
/// reads one.
pub(super) const GAP: u8 = 0;

/// What the span rules say of a text without its extension.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spans {
    /// No span.
    None,
    /// Spans of content only, sorted, apart from each other.
    Content(Vec<Range<usize>>),
    /// At least one personal span.
    Personal,
}

/// Looks for spans in a text without its extension.
pub(super) fn spans(text: &str) -> Spans {
    if !may_hold_span(text.as_bytes()) {
        return Spans::None;
    }
    spans_of_any(text)
}

/// Whether any rule could hit. A text of letters alone needs a run of 40 (S4), the three middle
/// groups of a UUID (S1) or the six pairs of a MAC address (S7).
fn may_hold_span(text: &[u8]) -> bool {
    let (mut letters, mut pairs, mut fours) = (0, 0, 0);
    for byte in text.iter().chain(b"-") {
        if byte.is_ascii_alphabetic() {
            letters += 1;
            continue;
        }
        if byte.is_ascii_digit() || *byte == b':' {
            return true;
        }
        match letters {
            2 => pairs += 1,
            4 => fours += 1,
            LETTERS_MIN.. => return true,
            _ => {}
        }
        letters = 0;
    }
    pairs >= MAC_PAIRS || fours >= UUID_FOURS
}

fn spans_of_any(text: &str) -> Spans {
    let whole = text.as_bytes();
    let uuids = uuids(whole);
    let rest = taken_out(whole, &uuids);
    if is_personal(&rest) {
        return Spans::Personal;
    }
    let content = runs(&rest).filter(|run| is_content(run, &rest)).map(|run| run.range());
    let found: Vec<_> = uuids.into_iter().chain(content).collect();
    if found.is_empty() { Spans::None } else { Spans::Content(grown(whole, found)) }
}

/// The segment with each content span as `:id`, its extension unchanged; `None` if fewer than
/// three words would be left.
pub(super) fn without_spans(text: &str, extension: &str, spans: &[Range<usize>]) -> Option<String> {
    if words_outside(text, spans) < WORDS_LEFT_MIN {
        return None;
    }
    let mut left = String::with_capacity(text.len() + extension.len());
    let mut at = 0;
    for span in spans {
        left.push_str(text.get(at..span.start)?);
        left.push_str(PLACEHOLDER);
        at = span.end;
    }
    left.push_str(text.get(at..)?);
    left.push_str(extension);
    Some(left)
}

/// S2, S3, S4 and the content part of S5, on one run.
fn is_content(run: &Run<'_>, text: &[u8]) -> bool {
    if run.is_mixed() {
        let changes = run.changes();
        let random = |(chars, at_least)| run.len() >= chars && changes >= at_least;
        (run.len() >= HEX_CHARS_MIN && run.is_hex())
            || RANDOM_FORMS.into_iter().any(random)
            || is_content_number(run, text)
    } else {
        let digits = run.bytes.first().is_some_and(u8::is_ascii_digit);
        if digits { is_content_number(run, text) } else { run.len() >= LETTERS_MIN }
    }
}

/// S1: the places of UUIDs, from the left, not overlapping.
fn uuids(text: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, window) in text.windows(UUID_CHARS).enumerate() {
        if found.last().is_none_or(|last| last.end <= at) && is_uuid(window) {
            found.push(at..at + UUID_CHARS);
        }
    }
    found
}

fn is_uuid(text: &[u8]) -> bool {
    if text.get(8) != Some(&b'-') || text.get(13) != Some(&b'-') {
        return false;
    }
    let mut groups = text.split(|byte| *byte == b'-');
    let fits =
        |len| groups.next().is_some_and(|g| g.len() == len && g.iter().all(u8::is_ascii_hexdigit));
    UUID_GROUPS.into_iter().all(fits)
}

/// The text with gaps in place of `ranges`.
pub(super) fn taken_out<'a>(text: &'a [u8], ranges: &[Range<usize>]) -> Cow<'a, [u8]> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut rest = text.to_vec();
    for range in ranges {
        if let Some(bytes) = rest.get_mut(range.clone()) {
            bytes.fill(GAP);
        }
    }
    Cow::Owned(rest)
}

/// Every span grown to the whole runs it touches; touching spans are one.
fn grown(text: &[u8], mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    for run in runs(text).map(|run| run.range()) {
        for span in &mut spans {
            if run.start < span.end && span.start < run.end {
                *span = span.start.min(run.start)..span.end.max(run.end);
            }
        }
    }
    spans.sort_unstable_by_key(|span| span.start);
    spans.dedup_by(|next, kept| {
        let touch = next.start <= kept.end;
        if touch {
            kept.end = kept.end.max(next.end);
        }
        touch
    });
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "c0ffee00-1111-4222-8333-444455556666";

    fn check(text: &str, left: Option<&str>) {
        let found = match spans(text) {
            Spans::None => Some(text.to_owned()),
            Spans::Content(spans) => without_spans(text, "", &spans),
            Spans::Personal => None,
        };
        assert_eq!(found.as_deref(), left, "{text}");
    }

    #[test]
    fn content_is_cut_out_where_three_words_stay() {
        for (text, left) in [
            ("aa-bb-cc-0f1e2d3c4b5a", Some("aa-bb-cc-:id")),
            ("0f1e2d3c4b5a-aa-bb-cc", Some(":id-aa-bb-cc")),
            ("aa-0F1E2D3C4B5A-bb-1234567-cc", Some("aa-:id-bb-:id-cc")),
            ("aa-bb-0f1e2d3c4b5a", None),
            ("aa-bb-cc-0f1e2d3c4b5", Some("aa-bb-cc-:id")),
            ("aa-bb-cc-0f1e2d3c4", Some("aa-bb-cc-0f1e2d3c4")),
            ("aa-bb-cc-abcdef123456", Some("aa-bb-cc-:id")),
            ("aa-bb-cc-abcdefx12345", Some("aa-bb-cc-abcdefx12345")),
            ("aa-bb-cc-abcdefabcdef", Some("aa-bb-cc-abcdefabcdef")),
            ("aa-bb-cc-x1234567y", Some("aa-bb-cc-:id")),
            ("aa-bb-cc-aaaaaaaaaaaaaaaaaaa1", Some("aa-bb-cc-:id")),
            ("aa-bb-cc-ggggggggggggggg1h2", Some("aa-bb-cc-:id")),
            ("aa-bb-cc-ggggggggggggggg12", Some("aa-bb-cc-ggggggggggggggg12")),
            ("så-går-det-möte1234567", Some("så-går-det-mö:id")),
            ("så-går-möte1234567", Some("så-går-mö:id")),
            ("så-går-é1234567", None),
        ] {
            check(text, left);
        }
        check(&format!("aa-bb-cc-{}", "g".repeat(40)), Some("aa-bb-cc-:id"));
        let long = format!("aa-bb-cc-{}", "g".repeat(39));
        check(&long, Some(&long));
    }

    #[test]
    fn uuids_grow_and_merge() {
        check(&format!("aa-bb-cc-x{UUID}y-dd"), Some("aa-bb-cc-:id-dd"));
        check(&format!("aa-bb-cc-{UUID}{UUID}"), Some("aa-bb-cc-:id"));
        check(&format!("aa-bb-cc-{UUID}-{}", UUID.to_uppercase()), Some("aa-bb-cc-:id-:id"));
        check(&format!("aa-bb-cc-{UUID}1234567890"), None);
        let short = "aa-bb-cc-coffeeee-aaaa-bbbb-cccc-deadbeefdeaf";
        check(short, Some(short));
        check("aa-bb-cc-cafeeeee-aaaa-bbbb-cccc-deadbeefdeaf", Some("aa-bb-cc-:id"));
    }

    proptest! {
        #[test]
        fn the_short_way_equals_the_long_way(text in "[0-9a-f:.,+ ()_-]{0,50}|[a-z:-]{0,60}|([a-f]{2}[-:x]){0,9}|[a-f]{8}(-[a-f]{4}){3}-[a-f]{10,13}") {
            prop_assert_eq!(spans(&text), spans_of_any(&text));
        }
    }
}
