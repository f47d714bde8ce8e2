//! A page: the path of an address after the policy for pages (policy 1, parts A to D).
//!
//! What it is not: a promise that no name is in it. A name or a short code without context
//! (`/jane-doe`, `/x7Kq2`) looks like any other word; page admission is the net under that.
//!
//! What surprises: sanitising a page again changes nothing, for every text and every owner's
//! rules. Two answers follow from that and are not in the policy's text: a page whose encoded form
//! exceeds the limit of an address is `/:invalid` at once, and a segment with a content span is
//! `:id` as a whole where the policy would change what is left of it (see `span`).

mod address;
mod canonical;
mod clean;
mod numbers;
mod owner;
mod personal;
mod span;
mod text;
mod whole;
mod words;

use std::collections::HashSet;
use std::fmt;

use foldhash::fast::RandomState;

pub(crate) use self::canonical::{
    after_two_slashes, after_web_scheme, is_slash, split_authority, trimmed,
};
pub(crate) use self::clean::{DECODE_ROUNDS_MAX, decode_round};
pub use self::owner::{OwnerRules, PolicyError};
pub(crate) use self::text::{Run, lower, runs};

use self::canonical::{PAGE_BYTES_MAX, Segment, segments};
use self::clean::clean;
use self::owner::Template;
use self::span::{PLACEHOLDER, Spans, spans, without_spans};
use self::text::split_extension;
use self::whole::Whole;
use self::words::{Force, Words};

/// Segments of a page; the rest becomes one `:id`.
const SEGMENTS_MAX: usize = 10;

/// A page that went through the policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Page(Box<str>);

impl Page {
    /// What pages beyond a limit are counted under.
    pub const OTHER: &str = "(other)";
    /// What an address that is none becomes.
    const INVALID: &str = "/:invalid";

    /// The page of an address that is none: `/:invalid`.
    pub fn invalid() -> Self {
        Self(Self::INVALID.into())
    }

    /// The page as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Page> for Box<str> {
    fn from(page: Page) -> Self {
        page.0
    }
}

/// The policy for pages with one owner's additions.
#[derive(Clone, Debug, Default)]
pub struct PagePolicy {
    words: Words,
    /// Clean segments joined by slashes: clean text holds none.
    known: HashSet<Box<str>, RandomState>,
    templates: Vec<Template>,
}

/// What the rules say of one segment.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Kept,
    Part(String),
    Redacted,
}

/// A segment at its place.
#[derive(Clone, Copy)]
struct Place<'a> {
    text: &'a str,
    lower: &'a str,
    /// The force of the segment before.
    context: Option<Force>,
    /// An owner's template keeps content here.
    keeps_content: bool,
}

impl PagePolicy {
    /// The policy as it is written, without additions.
    pub fn standard() -> Self {
        Self::default()
    }

    /// The page of an address, which may be a full URL or begin with its path.
    pub fn sanitise(&self, raw: &str) -> Page {
        if crate::keeps_all() && !raw.is_empty() {
            return Page(raw.into());
        }
        let address = trimmed(raw);
        let Some(segments) = segments(&address) else { return Page::invalid() };
        let known = !self.known.is_empty() && self.is_known(&segments);
        let page = if known { joined(&segments) } else { self.judged(&segments) };
        if page.len() > PAGE_BYTES_MAX { Page::invalid() } else { Page(page.into()) }
    }

    /// Whether the owner lists this page by name.
    pub fn lists(&self, page: &str) -> bool {
        !self.known.is_empty() && segments(page).is_some_and(|segments| self.is_known(&segments))
    }

    /// Whether a rule that needs no context, or a span rule, hits a value that is no segment.
    pub(crate) fn redacts_value(&self, text: &str) -> bool {
        let lower = lower(text);
        Whole::new(text, &lower).is_redacted(&self.words)
            || spans(split_extension(text).0) != Spans::None
    }

    fn is_known(&self, segments: &[Segment<'_>]) -> bool {
        let clean: Option<Vec<&str>> = segments.iter().map(Option::as_deref).collect();
        clean.is_some_and(|texts| self.known.contains(texts.join("/").as_str()))
    }

    fn judged(&self, segments: &[Segment<'_>]) -> String {
        let open = self.open_places(segments);
        let mut page = String::with_capacity(64);
        let mut context = None;
        for (at, segment) in segments.iter().take(SEGMENTS_MAX).enumerate() {
            page.push('/');
            let Some(text) = segment.as_deref() else {
                page.push_str(PLACEHOLDER);
                context = None;
                continue;
            };
            let lower = lower(text);
            let keeps_content = open & 1 << at != 0;
            match self.verdict(Place { text, lower: &lower, context, keeps_content }) {
                Verdict::Kept => push_encoded(&mut page, text),
                Verdict::Part(part) => push_encoded(&mut page, &part),
                Verdict::Redacted => page.push_str(PLACEHOLDER),
            }
            context = self.words.force(&lower);
        }
        if segments.len() > SEGMENTS_MAX {
            page.push('/');
            page.push_str(PLACEHOLDER);
        }
        if page.is_empty() { "/".to_owned() } else { page }
    }

    /// The places where a template keeps content, one bit each.
    fn open_places(&self, segments: &[Segment<'_>]) -> u16 {
        let matching = self.templates.iter().filter(|t| t.matches(segments, &self.words));
        matching.fold(0, |open, template| open | template.stars())
    }

    fn verdict(&self, place: Place<'_>) -> Verdict {
        let whole = Whole::new(place.text, place.lower);
        if whole.is_redacted_after(place.context) || whole.is_redacted(&self.words) {
            return Verdict::Redacted;
        }
        let (stem, extension) = split_extension(place.text);
        match spans(stem) {
            Spans::None => Verdict::Kept,
            Spans::Personal => Verdict::Redacted,
            Spans::Content(_) if place.keeps_content => Verdict::Kept,
            Spans::Content(spans) => match without_spans(stem, extension, &spans) {
                Some(part) if self.keeps(&part) => Verdict::Part(part),
                _ => Verdict::Redacted,
            },
        }
    }

    /// Whether the policy leaves a segment's text as it is, wherever it stands.
    fn keeps(&self, text: &str) -> bool {
        let mut encoded = String::with_capacity(text.len());
        push_encoded(&mut encoded, text);
        let place = Place { text, lower: &lower(text), context: None, keeps_content: false };
        clean(&encoded).as_deref() == Some(text) && self.verdict(place) == Verdict::Kept
    }
}

/// A known page: every segment as it is.
fn joined(segments: &[Segment<'_>]) -> String {
    let mut page = String::with_capacity(64);
    for text in segments.iter().flatten() {
        page.push('/');
        push_encoded(&mut page, text);
    }
    if page.is_empty() { "/".to_owned() } else { page }
}

/// Part D: encodes a few ASCII characters, leaves the rest literal.
fn push_encoded(page: &mut String, text: &str) {
    if !text.bytes().any(|byte| escape(byte).is_some()) {
        page.push_str(text);
        return;
    }
    for char in text.chars() {
        match u8::try_from(char).ok().and_then(escape) {
            Some(escape) => page.push_str(escape),
            None => page.push(char),
        }
    }
}

fn escape(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b' ' => "%20",
        b'%' => "%25",
        b'"' => "%22",
        b'<' => "%3C",
        b'>' => "%3E",
        b'^' => "%5E",
        b'`' => "%60",
        b'{' => "%7B",
        b'|' => "%7C",
        b'}' => "%7D",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
