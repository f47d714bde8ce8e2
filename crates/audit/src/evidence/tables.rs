//! Evidence as tables: one list for Markdown and HTML.
//!
//! What it is not: a form of its own. What a cell looks like is each form's.
//!
//! What surprises: a table without rows is told by its note alone.

use super::*;

/// Titles of tables whose columns have widths of their own.
const CLAIMS: &str = "Claims and evidence";
const RISKS: &str = "Residual risks";

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

impl Table {
    /// Whether it is texts side by side, none of which is a name.
    pub(crate) fn is_prose(&self) -> bool {
        self.title == RISKS
    }

    /// How its columns share a page: by what is in them, unless this says otherwise.
    pub(crate) fn class(&self) -> &'static str {
        match self.title {
            CLAIMS => "claims",
            RISKS => "prose",
            _ => "evidence",
        }
    }
}

impl Evidence {
    /// Every table, in the order of reports.
    pub(crate) fn tables(&self) -> [Table; 10] {
        [
            self.claims(),
            self.settings(),
            self.places(),
            self.small_cells(),
            self.scrubbed(),
            self.taken(),
            self.access(),
            self.keys(),
            self.tokens(),
            self.risks(),
        ]
    }

    fn claims(&self) -> Table {
        let row = |claim: &Claim| {
            let Claim { id, text, status, said, tests } = claim;
            let tests = if tests.is_empty() { "–".to_owned() } else { tests.join(", ") };
            let [id, text, said] = [id, text, said].map(|text| Cell::Text(text.clone()));
            vec![id, text, Cell::Status(*status), said, Cell::Text(tests)]
        };
        Table {
            title: CLAIMS,
            note: self.notice.clone(),
            columns: &["sentence", "words", "status", "what this audit saw", "held by the tests"],
            rows: self.claims.iter().map(row).collect(),
        }
    }

    fn settings(&self) -> Table {
        let row = |it: &Setting| {
            let touches =
                if it.touches.is_empty() { "none".to_owned() } else { it.touches.join(", ") };
            texts([&it.key, &it.value, &it.default, &it.by, &touches])
        };
        Table {
            title: "Settings that are not the default",
            note: if self.settings.is_empty() {
                "Every setting is the default.".to_owned()
            } else {
                "As this audit was given them; set by a layer, or by the setting that it follows."
                    .to_owned()
            },
            columns: &["setting", "value", "default", "set by", "sentences that it touches"],
            rows: self.settings.iter().map(row).collect(),
        }
    }

    fn small_cells(&self) -> Table {
        let row = |it: &SmallCells| {
            let smallest = it.smallest.map_or_else(|| Cell::Text("–".to_owned()), Cell::Number);
            let threshold = Cell::Number(it.k_day.into());
            let store = Cell::Text(it.store.clone());
            let numbers = [Cell::Number(it.named), smallest, Cell::Number(it.below), threshold];
            let sites = [it.folded, it.sites, it.unusable].map(Cell::Number);
            let last = sites.into_iter().chain([Cell::Text(it.said.clone())]);
            [store].into_iter().chain(numbers).chain(last).collect()
        };
        Table {
            title: "Small cells of closed days",
            note: "Values of attributes, for each site and day; smallest in visitors, or visits \
                   where visitors are not counted. (other): sums of values that lost their names. \
                   Small sites: less than 80 % of their visitors are in named countries."
                .to_owned(),
            columns: &[
                "store",
                "named",
                "smallest",
                "below k_day",
                "k_day",
                "(other)",
                "sites",
                "small sites",
                "",
            ],
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
            let mut row = texts([&it.folder, &it.kind, &it.role]);
            row.push(Cell::Number(it.count));
            row
        };
        Table {
            title: "Tokens that open something",
            note: none(self.tokens.is_empty(), "None; see above if they could not be read."),
            columns: &["data folder of", "kind", "role", "tokens"],
            rows: self.tokens.iter().map(row).collect(),
        }
    }

    fn places(&self) -> Table {
        let row = |it: &Place| texts([&it.name, &it.holds, &it.life, &it.readers]);
        Table {
            title: "Where data lives",
            note: if self.places.is_empty() {
                "The map could not be made; see below.".to_owned()
            } else {
                "The places of headcount datamap, which also has every field; whether more is there \
                 says \"the data map\" below."
                    .to_owned()
            },
            columns: &["place", "holds", "kept", "read by"],
            rows: self.places.iter().map(row).collect(),
        }
    }

    fn scrubbed(&self) -> Table {
        let row = |it: &Scrubbed| {
            let rules = if it.rules.is_empty() { "–".to_owned() } else { it.rules.join("; ") };
            let wrong = if it.wrong.is_empty() { "none".to_owned() } else { it.wrong.join("; ") };
            let [kind, want] = [&it.kind, &it.want].map(|text| Cell::Text(text.clone()));
            let numbers = [it.texts, it.right].map(Cell::Number);
            let rest = [rules, wrong].map(Cell::Text);
            [kind, want].into_iter().chain(numbers).chain(rest).collect()
        };
        Table {
            title: "The text policy on its examples",
            note:
                "What the sanitiser of the auditing program makes of the policy's own examples and \
                   of this audit's markers, without a site's own rules (settings sites.*)."
                    .to_owned(),
            columns: &["texts", "wanted", "given", "as wanted", "rules", "otherwise"],
            rows: self.scrubbed.iter().map(row).collect(),
        }
    }

    fn taken(&self) -> Table {
        let row = |it: &Taken| {
            let mut row = texts([&it.store, &it.kind]);
            row.extend([it.hits, it.parts, it.whole].map(Cell::Number));
            row
        };
        Table {
            title: "What the text policy took of what is counted",
            note: if self.taken_said.is_empty() {
                "Hits of all sites that can be read. In part: the text has :id. In whole: /:invalid, \
                 (ip), (private), (redacted), and of clicks (other), which also counts what is beyond \
                 a limit. What a closed day folded is in none of them. Many in part: look at the \
                 pages' list for addresses that your site need not have."
                    .to_owned()
            } else {
                self.taken_said.clone()
            },
            columns: &["store", "texts", "hits", "taken in part", "taken in whole"],
            rows: self.taken.iter().map(row).collect(),
        }
    }

    fn keys(&self) -> Table {
        let row = |it: &Key| {
            let mut row = texts([&it.collector, &it.day]);
            row.push(Cell::Number(it.drawn));
            row
        };
        Table {
            title: "Keys of the visitor count",
            note: if self.keys.is_empty() {
                "No collector told of one.".to_owned()
            } else {
                "The last change was the beginning of that UTC day, or a start within it."
                    .to_owned()
            },
            columns: &["of", "key of the UTC day", "keys since its start"],
            rows: self.keys.iter().map(row).collect(),
        }
    }

    fn risks(&self) -> Table {
        let row = |it: &Risk| texts([&it.limit, &it.remedy]);
        Table {
            title: RISKS,
            note:
                "Limits that are known, whatever this audit found; the list of the README. What in \
                   this very deployment weakens the promises says headcount doctor."
                    .to_owned(),
            columns: &["what it is and means", "what an operator can do"],
            rows: self.risks.iter().map(row).collect(),
        }
    }
}

fn texts<const N: usize>(texts: [&String; N]) -> Vec<Cell> {
    texts.map(|text| Cell::Text(text.clone())).to_vec()
}

fn none(is_empty: bool, note: &str) -> String {
    if is_empty { note.to_owned() } else { String::new() }
}
