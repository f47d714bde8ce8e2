//! What a report says besides the markers: sentences of the notice and what supports them, settings
//! that are not the default, small cells of closed days, and who may read.
//!
//! What it is not: a judgement of its own. A sentence is as good as the check that it rests on.
//!
//! What surprises: Markdown and HTML are made of the same tables, so neither
//! can leave out what the other says.

mod tables;

use serde::{Deserialize, Serialize};

use crate::report::{Control, Status};

pub(crate) use self::tables::{Cell, Table};

/// A sentence of the notice, and what shows that it is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name, the same in every language and version.
    pub id: String,
    /// Its words.
    pub text: String,
    /// What became of the check that it rests on.
    pub status: Status,
    /// What the check looked at, or why there is none.
    pub said: String,
    /// Tests of the program that hold it, whatever this audit found.
    pub tests: Vec<String>,
}

/// A setting that is not the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// Its value, or that there is one where the value is nobody's business.
    pub value: String,
    /// What it would be.
    pub default: String,
    /// Sentences of the notice that change with it.
    pub touches: Vec<String>,
    /// The layer that set it: file, environment, flag, or the setting that it follows.
    #[serde(default)]
    pub by: String,
}

/// Cells of attributes on the closed days of a store, as counts only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallCells {
    /// Which store.
    pub store: String,
    /// Values that kept their names, one for each site, day and attribute.
    pub named: u64,
    /// Visitors of the smallest of them; visits where visitors are not counted.
    pub smallest: Option<u64>,
    /// How many have fewer than `k_day`.
    pub below: u64,
    /// The threshold of the settings.
    pub k_day: u32,
    /// How many sums of values without names there are.
    pub folded: u64,
    /// Why there is nothing to say.
    pub said: String,
    /// Sites with a day that is closed.
    #[serde(default)]
    pub sites: u64,
    /// Sites of which less than 80 % of those days' visitors are in named countries.
    #[serde(default)]
    pub unusable: u64,
}

/// A place where data lives, as the map has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// What lies there.
    pub holds: String,
    /// How long.
    pub life: String,
    /// Who can read it.
    pub readers: String,
}

/// Texts that the sanitiser was given by the audit itself, of one kind and with one answer wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrubbed {
    /// Pages, sources, …
    pub kind: String,
    /// What should become of them.
    pub want: String,
    /// How many.
    pub texts: u64,
    /// Of how many that became.
    pub right: u64,
    /// The rules of the policy that they are examples of.
    pub rules: Vec<String>,
    /// Which of them came out otherwise.
    pub wrong: Vec<String>,
}

/// Hits that are counted and of which the text policy took something, as counts only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Which store.
    pub store: String,
    /// Pages, click targets, …
    pub kind: String,
    /// Hits with a text of this kind, views or clicks.
    pub hits: u64,
    /// Of these, with a part of the text taken out.
    pub parts: u64,
    /// Of these, with nothing left of the text.
    pub whole: u64,
}

/// The key by which a collector tells visitors apart for a UTC day. Never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Whose.
    pub collector: String,
    /// The UTC day that it is of; nothing finer.
    pub day: String,
    /// How many there were since the start of the process.
    pub drawn: u64,
}

/// A limit that is known, whatever was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// What it is and means, in the words of the README.
    pub limit: String,
    /// What an operator can do.
    pub remedy: String,
}

/// How many tokens there are of a kind that open something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tokens {
    /// Whose data folder.
    pub folder: String,
    /// `api`, `share` or `link`.
    pub kind: String,
    /// `owner` or `viewer`.
    pub role: String,
    /// How many.
    pub count: u64,
}

/// All of it. Reports of an earlier schema have less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Of which notice the claims are, or why there is none.
    pub notice: String,
    /// A line for each of its sentences.
    pub claims: Vec<Claim>,
    /// Settings that are not the default.
    pub settings: Vec<Setting>,
    /// Small cells, a line for each store.
    pub small_cells: Vec<SmallCells>,
    /// Tokens as they were before the audit.
    pub tokens: Vec<Tokens>,
    /// Checks besides the search: tables, access, the admin log, rights.
    pub checks: Vec<Control>,
    /// Places where data lives.
    pub places: Vec<Place>,
    /// The sanitiser over its examples and the audit's markers.
    pub scrubbed: Vec<Scrubbed>,
    /// What it took of what is counted.
    pub taken: Vec<Taken>,
    /// Why nothing is known of that; empty: it is.
    pub taken_said: String,
    /// The day's keys.
    pub keys: Vec<Key>,
    /// What is left of risk.
    pub risks: Vec<Risk>,
}

impl Evidence {
    /// What two runs with the same outcome have in common: no text, and no number that grows.
    pub(crate) fn outcome(&self) -> Vec<&str> {
        let claims = self.claims.iter().flat_map(|it| [it.id.as_str(), it.status.as_str()]);
        let settings = self.settings.iter().flat_map(|it| [it.key.as_str(), it.value.as_str()]);
        let checks = self.checks.iter().flat_map(|it| [it.name.as_str(), it.status.as_str()]);
        claims.chain(settings).chain(checks).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn evidence() -> Evidence {
        Evidence {
            notice: "the notice in English".to_owned(),
            claims: vec![Claim {
                id: "stored.clean".to_owned(),
                text: "Addresses of pages are <cleaned> first.".to_owned(),
                status: Status::Passed,
                said: "10 markers | in none".to_owned(),
                tests: vec!["tests/pipeline.rs::a".to_owned()],
            }],
            settings: vec![Setting {
                key: "crowd".to_owned(),
                value: "1".to_owned(),
                default: "8".to_owned(),
                touches: vec!["stored.crowd".to_owned()],
                by: "environment".to_owned(),
            }],
            small_cells: vec![SmallCells {
                store: "counts.db".to_owned(),
                named: 1_234,
                smallest: Some(3),
                k_day: 3,
                ..SmallCells::default()
            }],
            tokens: vec![Tokens {
                folder: "up".to_owned(),
                kind: "api".to_owned(),
                role: "viewer".to_owned(),
                count: 2,
            }],
            checks: vec![Control {
                name: "admin log of up".to_owned(),
                status: Status::Passed,
                said: "7 entries".to_owned(),
                needed: true,
            }],
            places: vec![Place {
                name: "Edge file".to_owned(),
                holds: "Counts.".to_owned(),
                life: "A second.".to_owned(),
                readers: "The process.".to_owned(),
            }],
            scrubbed: vec![Scrubbed {
                kind: "pages".to_owned(),
                want: "redact".to_owned(),
                texts: 35,
                right: 34,
                rules: vec!["e-mail".to_owned(), "phone".to_owned()],
                wrong: vec!["phone".to_owned()],
            }],
            taken: vec![Taken {
                store: "counts.db".to_owned(),
                kind: "pages".to_owned(),
                hits: 1_000,
                parts: 20,
                whole: 1,
            }],
            taken_said: String::new(),
            keys: vec![Key {
                collector: "collector 1".to_owned(),
                day: "2026-11-21".to_owned(),
                drawn: 2,
            }],
            risks: vec![Risk {
                limit: "A name in `/jane-doe` stays.".to_owned(),
                remedy: "Set `strict`.".to_owned(),
            }],
        }
    }

    #[test]
    fn every_row_has_its_columns() {
        for table in evidence().tables() {
            assert_eq!(table.rows.len(), 1, "{}", table.title);
            assert!(
                table.rows.iter().all(|row| row.len() == table.columns.len()),
                "{}",
                table.title
            );
        }
    }

    #[test]
    fn what_grows_by_itself_is_no_part_of_the_outcome() {
        let one = evidence();
        let mut other = one.clone();
        other.small_cells[0].named += 1;
        other.tokens[0].count += 1;
        other.checks[0].said = "8 entries".to_owned();
        other.claims[0].said.clear();
        other.taken[0].hits += 1;
        other.small_cells[0].unusable += 1;
        (other.keys[0].day, other.keys[0].drawn) = ("2026-11-22".to_owned(), 3);
        assert_eq!(one.outcome(), other.outcome());
        other.checks[0].status = Status::Failed;
        assert_ne!(one.outcome(), other.outcome());
    }
}
