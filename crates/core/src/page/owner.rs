//! What a site's owner may add to the policy: words, known pages, templates.
//!
//! What it is not: a way around the rules that protect people. Owners may not switch off W1, W4,
//! W5 or any personal rule.
//!
//! What surprises: the policy says both that a known page skips parts B and C and that those rules
//! stay on. Both hold, because a known page that one of them would redact is refused when the
//! configuration is read; what is accepted may then skip everything. A template keeps *content*
//! spans of the segments at its stars and nothing else: part B and the personal rules still apply
//! there. Its other segments must be kept by the policy, so that it still matches the second time.

use std::borrow::Cow;

use thiserror::Error;

use super::canonical::{PAGE_BYTES_MAX, Segment, segments, trimmed};
use super::clean::clean;
use super::span::{Spans, spans};
use super::text::{lower, split_extension};
use super::whole::{Whole, is_address_or_secret};
use super::words::{Force, WORD_BYTES_MAX, Words};
use super::{PagePolicy, Place, SEGMENTS_MAX, Verdict, joined};

/// Known pages of one site: they are held in memory and looked up on every hit.
const KNOWN_PAGES_MAX: usize = 100_000;
/// Words an owner may add to each list.
const WORDS_MAX: usize = 1_000;
/// Templates of one site: each is compared with every page.
const TEMPLATES_MAX: usize = 100;

/// An owner's additions as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerRules {
    /// Pages kept as they are, such as `/modell/1234567`.
    pub known_pages: Vec<String>,
    /// Words that redact the segment after them.
    pub strong: Vec<String>,
    /// Words that redact the segment after them if it has a digit.
    pub weak: Vec<String>,
    /// Paths with `*` for segments whose content is kept, such as `/artikel/*`.
    pub templates: Vec<String>,
}

/// Why an owner's additions are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// A list is too long.
    #[error("{list} has more than {entries_max} entries")]
    TooMany {
        /// The list.
        list: &'static str,
        /// How many there may be.
        entries_max: usize,
    },
    /// One entry is wrong.
    #[error("{list} entry {entry:?} {problem}")]
    Entry {
        /// The list.
        list: &'static str,
        /// The entry as it is written.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// One list while it is read.
struct List {
    name: &'static str,
    entries: Vec<String>,
    entries_max: usize,
}

impl List {
    fn each(
        self,
        mut take: impl FnMut(&str) -> Result<(), &'static str>,
    ) -> Result<(), PolicyError> {
        let list = self.name;
        if self.entries.len() > self.entries_max {
            return Err(PolicyError::TooMany { list, entries_max: self.entries_max });
        }
        self.entries.into_iter().try_for_each(|entry| {
            take(&entry).map_err(|problem| PolicyError::Entry { list, entry, problem })
        })
    }
}

impl PagePolicy {
    /// The policy with an owner's additions.
    ///
    /// # Errors
    /// [`PolicyError`] names the first entry that is no word, no page or no template, or that would
    /// switch off a rule that protects people.
    pub fn new(rules: OwnerRules) -> Result<Self, PolicyError> {
        let mut policy = Self::standard();
        let OwnerRules { known_pages, strong, weak, templates } = rules;
        let words = |name, entries| List { name, entries, entries_max: WORDS_MAX };
        words("strong", strong).each(|word| policy.add_word(word, Force::Strong))?;
        words("weak", weak).each(|word| policy.add_word(word, Force::Weak))?;
        let templates = List { name: "templates", entries: templates, entries_max: TEMPLATES_MAX };
        templates.each(|template| policy.add_template(template))?;
        let pages =
            List { name: "known_pages", entries: known_pages, entries_max: KNOWN_PAGES_MAX };
        pages.each(|page| policy.add_known(page))?;
        Ok(policy)
    }

    fn add_word(&mut self, word: &str, force: Force) -> Result<(), &'static str> {
        let word = clean(word).unwrap_or_default();
        let word = lower(&word);
        let inner = |c: char| c.is_alphabetic() || c == '-' || c == '_';
        if !word.chars().all(inner) || !word.chars().any(char::is_alphabetic) {
            return Err("is not a word of letters, hyphens and underscores");
        }
        if word.len() > WORD_BYTES_MAX {
            return Err("is longer than 40 bytes");
        }
        self.words.add(&word, force);
        Ok(())
    }

    fn add_known(&mut self, page: &str) -> Result<(), &'static str> {
        let address = trimmed(page);
        let texts = entry_segments(&address)?;
        if joined(&texts.iter().cloned().map(Some).collect::<Vec<_>>()).len() > PAGE_BYTES_MAX {
            return Err("is longer than 2048 bytes when it is encoded");
        }
        let mut context = None;
        for text in &texts {
            let lower = lower(text);
            let strong = context.filter(|force| *force == Force::Strong);
            if is_address_or_secret(text) {
                return Err("holds an address or a secret (W1, W4), which no site may keep");
            }
            if Whole::new(text, &lower).is_redacted_after(strong) {
                return Err("names somebody after a strong word (W5), which no site may keep");
            }
            if spans(split_extension(text).0) == Spans::Personal {
                return Err("holds a personal number (S5 to S9), which no site may keep");
            }
            context = self.words.force(&lower);
        }
        self.known.insert(texts.join("/").into());
        Ok(())
    }

    fn add_template(&mut self, template: &str) -> Result<(), &'static str> {
        let address = trimmed(template);
        let texts = entry_segments(&address)?;
        let mut context = None;
        for text in &texts {
            if text == STAR && context == Some(Force::Strong) {
                return Err("has a star after a strong word (W5), where nothing may be kept");
            }
            let place = Place { text, lower: &lower(text), context, keeps_content: false };
            if self.verdict(place) != Verdict::Kept {
                return Err("has a segment that the policy redacts");
            }
            context = self.words.force(&lower(text));
        }
        if !texts.iter().any(|text| text == STAR) {
            return Err("has no segment that is a star");
        }
        let parts = texts.into_iter().map(|text| (text != STAR).then(|| text.into()));
        self.templates.push(Template { parts: parts.collect() });
        Ok(())
    }
}

fn entry_segments(address: &str) -> Result<Vec<Cow<'_, str>>, &'static str> {
    if address.contains(['?', '#']) {
        return Err("has a query or a fragment, which are never read");
    }
    let segments = segments(address).ok_or("is not a path such as /artikel/om-oss")?;
    let texts: Option<Vec<_>> = segments.into_iter().collect();
    let texts = texts.ok_or("has a segment that cannot be read (A4)")?;
    if texts.len() > SEGMENTS_MAX { Err("has more than 10 segments") } else { Ok(texts) }
}

/// The segment of a template that stands for any.
const STAR: &str = "*";

/// A path whose starred segments keep their content.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// The text of each segment; `None` for a star.
    parts: Vec<Option<Box<str>>>,
}

impl Template {
    /// Whether the segments fit, and none of the template's own would be redacted because of what
    /// stands at the star before it.
    pub(super) fn matches(&self, segments: &[Segment<'_>], words: &Words) -> bool {
        self.parts.len() == segments.len()
            && self.parts.iter().zip(segments).all(|(part, segment)| match part {
                Some(text) => segment.as_deref() == Some(&**text),
                None => true,
            })
            && self.parts.windows(2).zip(segments).all(|(pair, before)| match pair {
                [None, Some(text)] => {
                    let context = before.as_deref().and_then(|text| words.force(&lower(text)));
                    !Whole::new(text, &lower(text)).is_redacted_after(context)
                }
                _ => true,
            })
    }

    /// The places of the stars, one bit each.
    pub(super) fn stars(&self) -> u16 {
        let star = |(at, part): (usize, &Option<Box<str>>)| u16::from(part.is_none()) << at;
        self.parts.iter().enumerate().map(star).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(known: &[&str], strong: &[&str], weak: &[&str], templates: &[&str]) -> OwnerRules {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        OwnerRules {
            known_pages: list(known),
            strong: list(strong),
            weak: list(weak),
            templates: list(templates),
        }
    }

    #[test]
    fn additions_do_what_they_say() {
        let policy = PagePolicy::new(rules(
            &["https://example.net/modell/1234567/", "/a=b", "/kund/88", "/c/ö%20x-0f1e2d3c4b5a"],
            &["Läkare"],
            &["rum"],
            &["/artikel/*", "/serie/*/del/*"],
        ))
        .unwrap();
        for (raw, page) in [
            ("/modell/1234567", "/modell/1234567"),
            ("/modell//1234567?x", "/modell/1234567"),
            ("/modell/1234568", "/modell/:id"),
            ("/Modell/1234567", "/Modell/:id"),
            ("/a=b", "/a=b"),
            ("/kund/88", "/kund/88"),
            ("/kund/88/x", "/kund/:id/x"),
            ("/c/%C3%B6 x-0f1e2d3c4b5a", "/c/ö%20x-0f1e2d3c4b5a"),
            ("/läkare/eva", "/läkare/:id"),
            ("/läkare/home", "/läkare/home"),
            ("/rum/a", "/rum/a"),
            ("/rum/a1", "/rum/:id"),
            ("/läkare-7", "/:id"),
            ("/artikel/0f1e2d3c4b5a", "/artikel/0f1e2d3c4b5a"),
            ("/artikel/19770228", "/artikel/:id"),
            ("/artikel/eva@example.org", "/artikel/:id"),
            ("/artikel/0f1e2d3c4b5a/x", "/artikel/:id/x"),
            ("/artikel/0f1e2d3c4b5a/0f1e2d3c4b5a", "/artikel/:id/:id"),
            ("/serie/1234567/del/7654321", "/serie/1234567/del/7654321"),
            ("/serie/users/del/7654321", "/serie/users/:id/:id"),
        ] {
            assert_eq!(policy.sanitise(raw).as_str(), page, "{raw}");
            assert_eq!(policy.sanitise(page).as_str(), page, "{raw} twice");
        }
    }

    #[test]
    fn what_protects_people_stays_on() {
        for page in [
            "/kontakt/eva@example.org",
            "/~eva",
            "/x/eyJhIjoxMjM0NX0",
            "/users/eva",
            "/ring/031-765 43 21",
            "/p/19770228",
            "/ip/198.51.100.7",
            "",
            "modell",
            "/%ff",
            "/a/b?c",
            "/1/2/3/4/5/6/7/8/9/10/11",
        ] {
            let error = PagePolicy::new(rules(&[page], &[], &[], &[])).unwrap_err();
            let named = matches!(&error, PolicyError::Entry { entry, .. } if entry == page);
            assert!(named, "{page}: {error}");
        }
        for template in ["/users/*", "/users/eva/*", "/artikel", "*", "/1234567/*", "/%ff/*"] {
            assert!(PagePolicy::new(rules(&[], &[], &[], &[template])).is_err(), "{template}");
        }
        for word in ["", "-", "a b", "a1", ":id", "a/b", &"a".repeat(41)] {
            assert!(PagePolicy::new(rules(&[], &[word], &[], &[])).is_err(), "{word}");
            assert!(PagePolicy::new(rules(&[], &[], &[word], &[])).is_err(), "{word}");
        }
        let weaker = PagePolicy::new(rules(&[], &[], &["users"], &[])).unwrap();
        assert_eq!(weaker.sanitise("/users/eva").as_str(), "/users/:id");
    }

    #[test]
    fn known_pages_are_judged_with_the_owners_words() {
        assert!(PagePolicy::new(rules(&["/avtal/eva"], &["avtal"], &[], &[])).is_err());
        assert!(PagePolicy::new(rules(&["/avtal/eva"], &[], &[], &[])).is_ok());
    }

    #[test]
    fn error_names_the_entry() {
        let error = PagePolicy::new(rules(&["/users/eva"], &[], &[], &[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "known_pages entry \"/users/eva\" names somebody after a strong word (W5), which no site may keep"
        );
    }
}
