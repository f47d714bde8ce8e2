//! One text: the sentences that hold, filled in, each with what it is bound to.
//!
//! What it is not: a page. Markdown, HTML and JSON are made from it.
//!
//! What surprises: a text with a missing input does not exist. The refusal names the key and what
//! would be right.

use serde::{Deserialize, Serialize};

use super::book::{Kind, Piece, Sentence, pieces, sentences, words};
use super::claims;
use super::facts::{Facts, Lang, written_keys};
use crate::config::ConfigError;

/// A sentence as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Its name, the same in every language and version.
    pub(crate) id: String,
    /// Its words.
    pub(crate) text: String,
    /// The keys of the configuration that change it.
    pub(crate) settings: Vec<String>,
    /// The tests that hold it.
    pub(crate) checks: Vec<String>,
}

/// Sentences under one heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) id: String,
    pub(crate) heading: String,
    pub(crate) sentences: Vec<Line>,
}

/// A whole text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) kind: Kind,
    pub(crate) lang: Lang,
    /// The program's version.
    pub(crate) version: String,
    /// BLAKE3 of the settings, the same for all texts, sites and languages of a deployment.
    pub(crate) hash: String,
    pub(crate) sites: Vec<String>,
    pub(crate) title: String,
    pub(crate) sections: Vec<Section>,
}

/// What would be right for an input that only the owner knows.
const NEEDED: [(&str, &str); 6] = [
    (
        "notice.tracker",
        "\"script\" or \"pixel\" is needed, what the pages carry; or \"log\", if they carry nothing and \
         logs are imported",
    ),
    ("notice.controller", "who is responsible is needed, such as \"Example AB, Stockholm\""),
    ("notice.contact", "where to write to is needed, such as \"privacy@example.org\""),
    (
        "notice.authority",
        "the supervisory authority is needed, such as \"Integritetsskyddsmyndigheten (IMY)\"",
    ),
    (
        "notice.storage",
        "country and provider of the stored counts are needed, such as \"Sweden, own server\"",
    ),
    (
        "notice.legal_ground",
        "the legal ground that you chose is needed, such as \"legitimate interest, Article \
         6(1)(f) of the GDPR\"",
    ),
];

impl Document {
    /// Makes a text.
    ///
    /// # Errors
    /// [`ConfigError`] for an input that is missing, or a claim that no program can keep.
    pub(crate) fn make(kind: Kind, facts: &Facts, lang: Lang) -> Result<Self, ConfigError> {
        let words = words(lang);
        if kind == Kind::Notice {
            // Without it no sentence would say what the pages carry, and none would miss it.
            value(facts, lang, "notice.tracker")?;
        }
        let mut sections: Vec<Section> = Vec::new();
        for sentence in sentences(kind).iter().filter(|sentence| sentence.holds(facts, lang)) {
            let template = words.sentence(&sentence.id);
            let line = Line {
                id: sentence.id.clone(),
                text: filled(template, facts, lang)?,
                settings: bound(sentence.asked(), template, lang),
                checks: sentence.checks.clone(),
            };
            match sections.last_mut().filter(|section| section.id == sentence.section) {
                Some(section) => section.sentences.push(line),
                None => sections.push(Section {
                    id: sentence.section.clone(),
                    heading: words.heading(&sentence.section).to_owned(),
                    sentences: vec![line],
                }),
            }
        }
        Ok(Self {
            kind,
            lang,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hash: facts.hash(),
            sites: facts.sites().to_vec(),
            title: title(kind, facts.sites(), lang),
            sections,
        })
    }

    /// Every sentence.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.sections.iter().flat_map(|section| &section.sentences)
    }

    /// The line that says which program and settings this is about.
    pub(crate) fn footer(&self) -> String {
        let format = words(self.lang).format("version");
        format.replace("{version}", &self.version).replace("{hash}", &self.hash)
    }
}

/// The sentences of a notice that a key changes, whether they are in it now or not.
pub(crate) fn touched(key: &str, lang: Lang) -> Vec<String> {
    let words = words(lang);
    let is_bound = |sentence: &&Sentence| {
        bound(sentence.asked(), words.sentence(&sentence.id), lang).iter().any(|it| it == key)
    };
    sentences(Kind::Notice).iter().filter(is_bound).map(|it| it.id.clone()).collect()
}

/// The languages in which a notice can be made.
pub(crate) fn languages(facts: &Facts) -> Vec<Lang> {
    let made = |lang: &Lang| Document::make(Kind::Notice, facts, *lang).is_ok();
    Lang::ALL.into_iter().filter(made).collect()
}

/// The value of a key that a text cannot do without.
fn value<'a>(facts: &'a Facts, lang: Lang, key: &str) -> Result<&'a str, ConfigError> {
    let (written, value) = facts.value(key, lang);
    if value.is_empty() {
        let right = NEEDED.iter().find(|(needed, _)| *needed == key);
        let right = right.map_or("a value is needed", |(_, right)| right);
        return Err(ConfigError(format!("{written} = \"\": {right}")));
    }
    Ok(value)
}

/// The words of a sentence with its quotes filled in.
fn filled(template: &str, facts: &Facts, lang: Lang) -> Result<String, ConfigError> {
    let (mut text, mut claiming) = (String::new(), String::new());
    for piece in pieces(template) {
        match piece {
            Piece::Text(words) => {
                text.push_str(words);
                claiming.push_str(words);
            }
            // The names of a site's pages claim nothing, whatever they are.
            Piece::Quote(key) if super::additions::LISTS.contains(&key) => {
                text.push_str(value(facts, lang, key)?)
            }
            Piece::Quote(key) => {
                // The sentence brings its own full stop.
                let value = value(facts, lang, key)?.trim_end_matches('.');
                text.push_str(value);
                claiming.push_str(value);
            }
        }
    }
    match claims::found(&claiming) {
        Some(claim) => Err(ConfigError(format!(
            "`{text}` makes the claim `{claim}`, which no program can keep; change [notice]"
        ))),
        None => Ok(text),
    }
}

/// The keys of the configuration that a sentence is bound to.
fn bound<'a>(asked: impl Iterator<Item = &'a str>, template: &str, lang: Lang) -> Vec<String> {
    let quoted = pieces(template).into_iter().filter_map(|piece| match piece {
        Piece::Quote(key) => Some(written_keys(key, lang)),
        Piece::Text(_) => None,
    });
    let asked = asked.map(|key| written_keys(key, lang));
    let mut keys: Vec<String> = asked.chain(quoted).flatten().collect();
    keys.sort();
    keys.dedup();
    keys
}

/// The title: of these sites, or of none in particular.
fn title(kind: Kind, sites: &[String], lang: Lang) -> String {
    let words = words(lang);
    let and = words.format("and");
    let listed = match sites {
        [] => return words.heading(kind.as_str()).to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {and} {last}", most.join(", ")),
    };
    words.heading(&format!("{}_of", kind.as_str())).replace("{sites}", &listed)
}
