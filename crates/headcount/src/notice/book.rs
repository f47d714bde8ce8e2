//! The sentences: data files read once, and the words of each language beside them.
//!
//! What it is not: rendering. It knows which sentences stand where, and what each is bound to.
//!
//! What surprises: a binding is not written down, it is worked out: the settings that a sentence
//! asks about and those that its words quote. Only its checks are named.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::facts::{Facts, Lang};

const SENTENCES: &str = include_str!("text/sentences.toml");
const ENGLISH: &str = include_str!("text/en.toml");
const SWEDISH: &str = include_str!("text/sv.toml");

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The privacy notice.
    Notice,
    /// The answer to a request for access.
    Dsar,
    /// What a thief learns.
    Breach,
}

impl Kind {
    /// Its word in the data files.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Dsar => "dsar",
            Self::Breach => "breach",
        }
    }
}

/// Where a sentence stands, when, and what holds it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sentence {
    pub(crate) section: String,
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) when: Vec<String>,
    #[serde(default)]
    pub(crate) checks: Vec<String>,
}

/// Every sentence, in its order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentences {
    notice: Vec<Sentence>,
    dsar: Vec<Sentence>,
    breach: Vec<Sentence>,
}

/// The words of one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    pub(crate) heading: BTreeMap<String, String>,
    pub(crate) format: BTreeMap<String, String>,
    pub(crate) sentence: BTreeMap<String, String>,
    pub(crate) preview: BTreeMap<String, String>,
}

impl Sentence {
    /// Whether it belongs into the text under these settings.
    pub(crate) fn holds(&self, facts: &Facts, lang: Lang) -> bool {
        self.conditions().all(|(key, wanted, equal)| (facts.value(key, lang).1 == wanted) == equal)
    }

    /// The keys that it asks about.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &str> {
        self.conditions().map(|(key, _, _)| key)
    }

    fn conditions(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.when.iter().filter_map(|when| match when.split_once("!=") {
            Some((key, value)) => Some((key, value, false)),
            None => when.split_once('=').map(|(key, value)| (key, value, true)),
        })
    }
}

/// A piece of a sentence's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// The value of a key.
    Quote(&'a str),
}

/// The pieces of a template: `{key}` is a quote.
pub(crate) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for part in template.split_inclusive('}') {
        match part.split_once('{') {
            Some((before, key)) => {
                pieces.push(Piece::Text(before));
                pieces.push(Piece::Quote(key.trim_end_matches('}')));
            }
            None => pieces.push(Piece::Text(part)),
        }
    }
    pieces
}

/// The sentences of a kind of text, in their order.
pub(crate) fn sentences(kind: Kind) -> &'static [Sentence] {
    static SENTENCES_READ: OnceLock<Sentences> = OnceLock::new();
    let all = SENTENCES_READ
        .get_or_init(|| toml::from_str(SENTENCES).expect("a test reads the sentences"));
    match kind {
        Kind::Notice => &all.notice,
        Kind::Dsar => &all.dsar,
        Kind::Breach => &all.breach,
    }
}

/// The words of a language.
pub(crate) fn words(lang: Lang) -> &'static Words {
    static WORDS: OnceLock<[Words; 2]> = OnceLock::new();
    let [english, swedish] = WORDS.get_or_init(|| {
        [ENGLISH, SWEDISH].map(|text| toml::from_str(text).expect("a test reads the words"))
    });
    match lang {
        Lang::En => english,
        Lang::Sv => swedish,
    }
}

impl Words {
    /// The words under an id; a test excludes that there are none.
    pub(crate) fn sentence(&self, id: &str) -> &str {
        self.sentence.get(id).map_or("", String::as_str)
    }

    /// A word between others.
    pub(crate) fn format(&self, id: &str) -> &str {
        self.format.get(id).map_or("", String::as_str)
    }

    /// A heading.
    pub(crate) fn heading(&self, id: &str) -> &str {
        self.heading.get(id).map_or("", String::as_str)
    }

    /// A word of the page that shows a request to its sender.
    pub(crate) fn preview(&self, id: &str) -> &str {
        self.preview.get(id).map_or("", String::as_str)
    }
}
