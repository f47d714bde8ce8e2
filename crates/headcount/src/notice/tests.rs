//! The texts against the settings: every binding moves its sentence, and nothing else does.

mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::book::{Kind, Piece, pieces, sentences, words};
use super::document::languages;
use super::facts::written_keys;
use super::*;
use crate::config::{Config, ConfigError, Flags};

const KINDS: [Kind; 3] = [Kind::Notice, Kind::Dsar, Kind::Breach];

/// Everything that an owner may say.
const OWNER: [(&str, &str); 12] = [
    ("notice.tracker", "\"script\""),
    ("notice.controller", "\"Exempel AB\""),
    ("notice.contact", "\"privacy@example.org\""),
    ("notice.authority", "\"Integritetsskyddsmyndigheten (IMY)\""),
    ("notice.storage_en", "\"Sweden\""),
    ("notice.storage_sv", "\"Sverige\""),
    ("notice.legal_ground_en", "\"legitimate interest\""),
    ("notice.legal_ground_sv", "\"berättigat intresse\""),
    ("notice.dpo", "\"Eva Ek\""),
    ("notice.processor", "\"Driften AB\""),
    ("notice.backup_days", "30"),
    ("notice.since", "\"2026-01-02\""),
];

/// Settings to begin with: each opens sentences that the others do not have.
const BASES: [&[(&str, &str)]; 14] = [
    &[("k_day", "1")],
    &[("k", "1"), ("notice.imports_logs", "true"), ("trusted_proxies", "[\"10.0.0.0/8\"]")],
    &[("notice.tracker", "\"log\""), ("notice.log_days", "14")],
    &[("visitors", "\"off\""), ("notice.tracker", "\"log\"")],
    &[("compat", "[\"matomo\"]"), ("sites.events", "[\"signup\"]")],
    &[("compat", "[\"umami\", \"plausible\"]"), ("notice.tracker", "\"pixel\"")],
    &[("kafka.brokers", "[\"k:1\"]"), ("clickhouse.url", "\"http://c:1\""), ("crowd", "1")],
    &[],
    &[("visitors", "\"off\""), ("preset", "\"strict\""), ("notice.tracker", "\"pixel\"")],
    &[("kafka.brokers", "[\"k:1\"]"), ("clickhouse.url", "\"http://c:1\""), ("notice.dpo", "\"\"")],
    &[
        ("kafka.brokers", "[\"k:1\"]"),
        ("kafka.security", "\"tls\""),
        ("clickhouse.url", "\"https://c:1\""),
        ("preset", "\"strict\""),
    ],
    &[("crowd", "1"), ("sites.events", "[\"signup\"]")],
    &[("kafka.brokers", "[\"k:1\"]"), ("kafka.create_topic", "false")],
    &[(published::KEY, "500 1000"), ("notice.imports_totals", "[\"umami\"]")],
];
/// Settings that are asked about together: it is enough that one of them moves a sentence.
const TOGETHER: [[&str; 2]; 4] = [
    ["kafka.brokers", "clickhouse.url"],
    ["kafka.security", "clickhouse.url"],
    ["notice.tracker", "notice.imports_logs"],
    ["notice.tracker", "compat"],
];

/// Another value for each key that any sentence is bound to.
const OTHERS: [(&str, &str); 57] = [
    ("visitors", "\"off\""),
    ("visitors", "\"daily\""),
    ("preset", "\"strict\""),
    ("preset", "\"standard\""),
    ("crowd", "1"),
    ("crowd", "44"),
    ("k", "1"),
    ("k", "33"),
    ("k_day", "1"),
    ("k_day", "2"),
    ("k_day", "4"),
    ("retention_days", "77"),
    ("trusted_proxies", "[\"10.0.0.0/8\"]"),
    ("country_file", "\"/x.mmdb\""),
    ("limits.hits_per_prefix_per_minute", "0"),
    ("limits.hits_per_prefix_per_minute", "55"),
    ("limits.connections_per_prefix", "66"),
    ("sites.events", "[\"signup\"]"),
    ("sites.pages", "[\"/team/anna\"]"),
    ("sites.pages", "[\"/artikel/*\"]"),
    ("sites.strong_words", "[\"avtal\"]"),
    ("sites.weak_words", "[\"rum\"]"),
    ("compat", "[\"matomo\"]"),
    ("compat", "[\"plausible\", \"umami\", \"goatcounter\", \"matomo\"]"),
    ("compat", "[]"),
    ("notice.tracker", "\"log\""),
    ("notice.imports_logs", "true"),
    ("notice.imports_logs", "false"),
    ("notice.log_days", "0"),
    ("notice.log_days", "15"),
    ("kafka.brokers", "[\"k:1\"]"),
    ("kafka.brokers", "[]"),
    ("kafka.create_topic", "false"),
    ("kafka.security", "\"tls\""),
    ("kafka.security", "\"plaintext\""),
    ("clickhouse.url", "\"https://c:1\""),
    ("clickhouse.url", "\"http://c:1\""),
    ("clickhouse.url", "\"\""),
    ("notice.tracker", "\"pixel\""),
    ("notice.tracker", "\"script\""),
    ("notice.controller", "\"Other AB\""),
    ("notice.contact", "\"other@example.org\""),
    ("notice.authority", "\"CNIL\""),
    ("notice.dpo", "\"Ole Ask\""),
    ("notice.dpo", "\"\""),
    ("notice.since", "\"2026-03-04\""),
    ("notice.processor", "\"\""),
    ("notice.processor", "\"Others AB\""),
    ("notice.cookie_authority", "\"PTS\""),
    ("notice.audit_report", "\"https://example.org/audit\""),
    ("notice.imports_totals", "[]"),
    ("notice.imports_totals", "[\"plausible\", \"matomo\"]"),
    (published::KEY, "500 500"),
    (published::KEY, "250 1000"),
    (published::KEY, ""),
    ("notice.backup_days", "0"),
    ("notice.backup_days", "31"),
];
/// The same for keys of each language.
const OTHERS_IN_LANGUAGES: [&str; 5] = [
    "notice.storage",
    "notice.legal_ground",
    "notice.purpose",
    "notice.recipients",
    "notice.changes",
];

type Settings = BTreeMap<String, String>;

fn settings(base: &[(&str, &str)]) -> Settings {
    let all = OWNER.iter().chain(base);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn facts(settings: &Settings) -> Facts {
    read(settings).unwrap_or_else(|error| panic!("{error}\n{settings:?}"))
}

/// The facts of settings that may contradict each other.
fn read(settings: &Settings) -> Result<Facts, ConfigError> {
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    let is_setting = |(key, _): &(&String, &String)| key.as_str() != published::KEY;
    for (key, value) in settings.iter().filter(is_setting) {
        let (table, key) = key.split_once('.').unwrap_or(("", key));
        *tables.entry(table).or_default() += &format!("{key} = {value}\n");
    }
    if settings.contains_key("trusted_proxies") {
        *tables.entry("").or_default() += "client_address_header = \"X-Forwarded-For\"\n";
    }
    let mut text = tables.remove("").unwrap_or_default();
    let site = tables.remove("sites").unwrap_or_default();
    for (table, keys) in tables {
        text += &format!("[{table}]\n{keys}");
    }
    text += &format!("[[sites]]\nhost = \"example.org\"\n{site}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("headcount.toml");
    std::fs::write(&path, &text).unwrap();
    let flags = Flags { config: Some(path), ..Flags::default() };
    let config = Config::load(&flags, [])?;
    let published = settings.get(published::KEY).map_or("", String::as_str);
    let facts = Facts::new(&config, Mode::of(&config), vec!["example.org".to_owned()]);
    Ok(facts.publishing(said::published_as(published)))
}

/// Whether settings say that a log is all that is counted, and that more is.
fn is_contradiction(settings: &Settings) -> bool {
    let set = |key: &str| settings.get(key).is_some_and(|value| !matches!(&**value, "[]" | "\"\""));
    settings.get("notice.tracker").is_some_and(|tracker| tracker == "\"log\"")
        && ["compat", "kafka.brokers", "clickhouse.url"].into_iter().any(set)
}

/// Every sentence of the texts about a site, and of a notice about no site in particular.
fn lines(facts: &Facts, lang: Lang) -> BTreeMap<String, String> {
    let nowhere = facts.of_sites(Vec::new());
    let nowhere = Document::make(Kind::Notice, &nowhere, lang).unwrap();
    let made = KINDS.map(|kind| Document::make(kind, facts, lang).unwrap());
    let lines = nowhere.lines().chain(made.iter().flat_map(Document::lines));
    lines.map(|line| (line.id.clone(), line.text.clone())).collect()
}

/// What every sentence is bound to: settings, under all ids.
fn bindings(lang: Lang) -> BTreeSet<(String, String)> {
    let mut bound = BTreeSet::new();
    for sentence in KINDS.into_iter().flat_map(sentences) {
        let template = words(lang).sentence(&sentence.id);
        let quoted = pieces(template).into_iter().filter_map(|piece| match piece {
            Piece::Quote(key) => Some(key),
            Piece::Text(_) => None,
        });
        for key in sentence.asked().chain(quoted) {
            let keys = written_keys(key, lang).into_iter();
            bound.extend(keys.map(|key| (sentence.id.clone(), key)));
        }
    }
    bound
}

/// Every other setting, with those that both languages have.
fn others() -> Vec<(String, String)> {
    let mut others: Vec<(String, String)> =
        OTHERS.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    for lang in Lang::ALL {
        for key in OTHERS_IN_LANGUAGES {
            others.push((format!("{key}_{}", lang.code()), "\"Norge\"".to_owned()));
        }
    }
    others
}

/// What a base says in both languages, before anything of it is changed.
struct Before {
    facts: Facts,
    lines: [BTreeMap<String, String>; 2],
}

impl Before {
    /// The sentences that differ from those of other settings, each of which must be bound to the
    /// key that was changed.
    fn moved(
        &self,
        after: &Facts,
        key: &str,
        (at, lang): (usize, Lang),
        bound: &BTreeSet<(String, String)>,
    ) -> Vec<(String, String)> {
        let (old, new) = (&self.lines[at], lines(after, lang));
        let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let mut moved = Vec::new();
        for id in ids.into_iter().filter(|id| old.get(*id) != new.get(*id)) {
            let is_bound_to = |key: &str| bound.contains(&(id.clone(), key.to_owned()));
            // A preset brings its own thresholds, and a low k brings a k_day that is not above it.
            let brings: &[&str] = match key {
                "preset" => &["crowd", "k", "k_day"],
                "k" => &["k_day"],
                _ => &[],
            };
            let is_brought = brings.iter().any(|key| is_bound_to(key));
            assert!(is_bound_to(key) || is_brought, "{key} changed {id}, which is not bound to it");
            assert_ne!(self.facts.hash(), after.hash(), "{key} changed {id}, and not the hash");
            moved.push((id.clone(), key.to_owned()));
        }
        moved
    }
}

/// What the bases show: which key moves which sentence, in each language.
fn found(bound: &[BTreeSet<(String, String)>; 2]) -> [BTreeSet<(String, String)>; 2] {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for base in BASES {
        let base = settings(base);
        let facts = facts(&base);
        let before = Before { lines: Lang::ALL.map(|lang| lines(&facts, lang)), facts };
        for (key, value) in others() {
            let mut changed = base.clone();
            changed.insert(key.clone(), value);
            let after = match read(&changed) {
                Ok(after) => after,
                Err(error) => {
                    assert!(is_contradiction(&changed), "{error}\n{changed:?}");
                    continue;
                }
            };
            if after == before.facts {
                continue;
            }
            for (at, lang) in Lang::ALL.into_iter().enumerate() {
                found[at].extend(before.moved(&after, &key, (at, lang), &bound[at]));
            }
        }
    }
    found
}

#[test]
fn a_changed_setting_changes_its_sentences_and_no_other() {
    let bound = Lang::ALL.map(bindings);
    let found = found(&bound);
    for (bound, found) in bound.iter().zip(&found) {
        let has_moved = |id: &str, key: &str| found.contains(&(id.to_owned(), key.to_owned()));
        let is_shared = |(id, key): &(String, String)| {
            let mut groups = TOGETHER.iter().filter(|group| group.contains(&key.as_str()));
            groups.any(|group| group.iter().any(|key| has_moved(id, key)))
        };
        let unmoved: Vec<_> = bound.difference(found).filter(|of| !is_shared(of)).collect();
        assert!(unmoved.is_empty(), "nothing changes {unmoved:?}");
    }
}

#[test]
fn every_sentence_is_bound_and_has_words_in_both_languages() {
    let bound: BTreeSet<String> = bindings(Lang::En).into_iter().map(|(id, _)| id).collect();
    let mut ids = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut read: BTreeMap<String, String> = BTreeMap::new();
    for sentence in KINDS.into_iter().flat_map(sentences) {
        let id = &sentence.id;
        ids.insert(id.clone());
        for check in &sentence.checks {
            let (file, test) = check.split_once("::").unwrap();
            let code = read
                .entry(file.to_owned())
                .or_insert_with(|| std::fs::read_to_string(root.join(file)).unwrap());
            assert!(code.contains(&format!("fn {test}(")), "{id}: {check} is no test");
        }
        for lang in Lang::ALL {
            assert!(!words(lang).sentence(id).is_empty(), "{id}: no words in {}", lang.code());
            assert!(!words(lang).heading(&sentence.section).is_empty(), "{}", sentence.section);
        }
        if !bound.contains(id) && sentence.checks.is_empty() {
            // The law, advice, and what any server's memory holds.
            let free =
                ["rights.list", "breach.judge", "breach.memory_requests", "breach.memory_not"];
            assert!(free.contains(&id.as_str()), "{id} is bound to nothing");
        }
    }
    for lang in Lang::ALL {
        let written: BTreeSet<String> = words(lang).sentence.keys().cloned().collect();
        assert_eq!(written, ids, "{}: words without a sentence, or the reverse", lang.code());
    }
    let [english, swedish] = Lang::ALL.map(words);
    let keys = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&english.heading), keys(&swedish.heading));
    assert_eq!(keys(&english.format), keys(&swedish.format));
    assert_eq!(keys(&english.preview), keys(&swedish.preview));
    for reason in headcount_core::refusal::RefusalReason::ALL {
        assert!(!english.preview(&format!("refused_{}", reason.as_str())).is_empty());
    }
    for attribute in headcount_core::cell::Attribute::ALL {
        assert!(!english.preview(attribute.as_str()).is_empty());
    }
}

#[test]
fn a_sentence_of_several_texts_stands_there_under_the_same_conditions() {
    let mut first = BTreeMap::new();
    for kind in KINDS {
        let mut ids = BTreeSet::new();
        for sentence in sentences(kind) {
            assert!(ids.insert(&sentence.id), "{} stands twice in one text", sentence.id);
            let held = (&sentence.when, &sentence.checks);
            assert_eq!(*first.entry(&sentence.id).or_insert(held), held, "{}", sentence.id);
        }
    }
}

#[test]
fn no_template_makes_a_claim_that_cannot_be_kept() {
    for lang in Lang::ALL {
        let words = words(lang);
        for text in [&words.heading, &words.format, &words.sentence, &words.preview] {
            for (id, text) in text {
                assert_eq!(claims::found(text), None, "{id}");
            }
        }
    }
}

#[test]
fn a_quote_is_the_same_in_both_languages() {
    let quotes = |lang, id: &str| -> BTreeSet<String> {
        let quote = |piece| match piece {
            Piece::Quote(key) => Some(str::to_owned(key)),
            Piece::Text(_) => None,
        };
        pieces(words(lang).sentence(id)).into_iter().filter_map(quote).collect()
    };
    for id in words(Lang::En).sentence.keys() {
        assert_eq!(quotes(Lang::En, id), quotes(Lang::Sv, id), "{id}");
    }
}

#[test]
fn what_is_missing_is_named_with_what_would_be_right() {
    for (key, right) in [
        ("notice.tracker", "script"),
        ("notice.controller", "responsible"),
        ("notice.contact", "write to"),
        ("notice.authority", "authority"),
        ("notice.storage_sv", "provider"),
        ("notice.legal_ground_sv", "legal ground"),
    ] {
        let mut lacking = settings(&[]);
        lacking.remove(key);
        let error = Document::make(Kind::Notice, &facts(&lacking), Lang::Sv).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("{key} = ")) && said.contains(right), "{said}");
        let english = Document::make(Kind::Notice, &facts(&lacking), Lang::En);
        assert_eq!(english.is_ok(), key.ends_with("_sv"), "{key}");
    }
    assert!(languages(&facts(&Settings::new())).is_empty());
    assert_eq!(languages(&facts(&settings(&[]))), Lang::ALL);
}

#[test]
fn two_texts_are_compared_by_sentence() {
    let make = |base| Document::make(Kind::Notice, &facts(&settings(base)), Lang::En).unwrap();
    let (before, now) = (make(&[]), make(&[("retention_days", "90"), ("visitors", "\"off\"")]));
    let diff = diff::diff(&before, &now);
    let of = |id: &str| diff.changes.iter().find(|change| change.id == id).unwrap();
    assert!(of("place.retention").before.as_ref().unwrap().contains("365 days"));
    assert!(of("place.retention").now.as_ref().unwrap().contains("90 days"));
    assert!(of("address.mark").now.is_none() && of("address.unmarked").before.is_none());
    assert_ne!(diff.hash_before, diff.hash_now);
    assert!(diff.text().contains("\n- ") && diff.text().contains("\n+ "));
    let same = diff::diff(&before, &before);
    assert!(same.changes.is_empty() && same.text().contains("no sentence changed"));
}
