//! What a report says besides the markers: sentences of the notice and what supports them, settings
//! that are not the default, small cells of closed days, and who may read.
//!
//! What it is not: a judgement of its own. A sentence is as good as the check that it rests on.
//!
//! What surprises: Markdown and HTML are made of the same tables, so neither
//! can leave out what the other says.

use serde::{Deserialize, Serialize};

use crate::report::{Control, Status};

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

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// A cell of a table of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Number(u64),
    Status(Status),
}

/// A table of a report.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// A line before it; empty: none.
    pub(crate) note: String,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Vec<Cell>>,
}

impl Evidence {
    /// What two runs with the same outcome have in common: no text, and no number that grows.
    pub(crate) fn outcome(&self) -> Vec<&str> {
        let claims = self.claims.iter().flat_map(|it| [it.id.as_str(), it.status.as_str()]);
        let settings = self.settings.iter().flat_map(|it| [it.key.as_str(), it.value.as_str()]);
        let checks = self.checks.iter().flat_map(|it| [it.name.as_str(), it.status.as_str()]);
        claims.chain(settings).chain(checks).collect()
    }

    /// Every table, in the order of reports.
    pub(crate) fn tables(&self) -> [Table; 5] {
        [self.claims(), self.settings(), self.small_cells(), self.access(), self.tokens()]
    }

    fn claims(&self) -> Table {
        let row = |claim: &Claim| {
            let Claim { id, text, status, said, tests } = claim;
            let tests = if tests.is_empty() { "–".to_owned() } else { tests.join(", ") };
            let [id, text, said] = [id, text, said].map(|text| Cell::Text(text.clone()));
            vec![id, text, Cell::Status(*status), said, Cell::Text(tests)]
        };
        Table {
            title: "Claims and evidence",
            note: self.notice.clone(),
            columns: &["sentence", "words", "status", "what this audit saw", "held by the tests"],
            rows: self.claims.iter().map(row).collect(),
        }
    }

    fn settings(&self) -> Table {
        let row = |it: &Setting| {
            let touches =
                if it.touches.is_empty() { "none".to_owned() } else { it.touches.join(", ") };
            [&it.key, &it.value, &it.default, &touches]
                .map(|text| Cell::Text(text.clone()))
                .to_vec()
        };
        Table {
            title: "Settings that are not the default",
            note: none(self.settings.is_empty(), "Every setting is the default."),
            columns: &["setting", "value", "default", "sentences that it touches"],
            rows: self.settings.iter().map(row).collect(),
        }
    }

    fn small_cells(&self) -> Table {
        let row = |it: &SmallCells| {
            let smallest = it.smallest.map_or_else(|| Cell::Text("–".to_owned()), Cell::Number);
            let threshold = Cell::Number(it.k_day.into());
            let store = Cell::Text(it.store.clone());
            let numbers = [Cell::Number(it.named), smallest, Cell::Number(it.below), threshold];
            let last = [Cell::Number(it.folded), Cell::Text(it.said.clone())];
            [store].into_iter().chain(numbers).chain(last).collect()
        };
        Table {
            title: "Small cells of closed days",
            note: "Values of attributes, for each site and day; smallest in visitors, or visits \
                   where visitors are not counted."
                .to_owned(),
            columns: &["store", "named", "smallest", "below k_day", "k_day", "(other)", ""],
            rows: self.small_cells.iter().map(row).collect(),
        }
    }

    fn access(&self) -> Table {
        let row = |it: &Control| {
            vec![Cell::Text(it.name.clone()), Cell::Status(it.status), Cell::Text(it.said.clone())]
        };
        Table {
            title: "Tables and access",
            note: String::new(),
            columns: &["check", "status", ""],
            rows: self.checks.iter().map(row).collect(),
        }
    }

    fn tokens(&self) -> Table {
        let row = |it: &Tokens| {
            let words = [&it.folder, &it.kind, &it.role].map(|text| Cell::Text(text.clone()));
            words.into_iter().chain([Cell::Number(it.count)]).collect()
        };
        Table {
            title: "Tokens that open something",
            note: none(self.tokens.is_empty(), "None; see above if they could not be read."),
            columns: &["data folder of", "kind", "role", "tokens"],
            rows: self.tokens.iter().map(row).collect(),
        }
    }
}

fn none(is_empty: bool, note: &str) -> String {
    if is_empty { note.to_owned() } else { String::new() }
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
        assert_eq!(one.outcome(), other.outcome());
        other.checks[0].status = Status::Failed;
        assert_ne!(one.outcome(), other.outcome());
    }
}
