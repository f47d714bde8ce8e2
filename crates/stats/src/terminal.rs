//! Answers for the terminal: `headcount stats HOST` as a table, as JSON or as CSV.
//!
//! What it is not: a program. The binary asks the store and prints what this gives it.
//!
//! What surprises: names come from strangers. What could move the cursor, recolour or reorder the
//! line is shown as U+FFFD, or escaped in JSON.

use headcount_store::question::{Answer, Question, Refused};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use crate::query::answer;
use crate::query::parse::Plan;
use crate::sheet::Sheet;
use crate::text::{json_text, visible};

/// Cells wider than this are cut, so that a long name does not break every line.
const NAME_COLUMNS_MAX: usize = 80;

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// The API's answer.
    Json,
    /// The export's file.
    Csv,
}

impl Format {
    /// Reads `table`, `json` or `csv`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "table" => Self::Table,
            "json" => Self::Json,
            "csv" => Self::Csv,
            _ => return None,
        })
    }
}

/// An answer in a format, ending in a line break.
pub fn show(format: Format, question: &Question, found: &Answer) -> String {
    let plan = Plan::of(question.clone());
    match format {
        Format::Table => table(question, found),
        Format::Json => json_text(&answer::to_json(&plan, found)) + "\n",
        Format::Csv => csv(&Sheet::of(&plan, found)),
    }
}

/// Refused beacons in a format, ending in a line break.
pub fn show_refused(format: Format, refused: &[Refused]) -> String {
    let sheet = Sheet::of_refused(refused);
    match format {
        Format::Table => aligned(&sheet),
        Format::Csv => csv(&sheet),
        Format::Json => {
            let row =
                |one: &Refused| json!({ "dimensions": [one.reason], "metrics": [one.refused] });
            let results: Vec<Value> = refused.iter().map(row).collect();
            let query = json!({ "dimensions": ["reason"], "metrics": ["refused"] });
            json_text(&json!({ "results": results, "meta": {}, "query": query })) + "\n"
        }
    }
}

/// An answer as aligned columns, with what was left out said below.
pub fn table(question: &Question, found: &Answer) -> String {
    let mut text = aligned(&Sheet::of(&Plan::of(question.clone()), found));
    let shown = u64::try_from(found.rows.len()).unwrap_or(u64::MAX);
    if found.rows_total > shown {
        text.push_str(&format!("{shown} of {} rows\n", found.rows_total));
    }
    if found.folded > 0 {
        let (folded, k) = (found.folded, question.k);
        text.push_str(&format!("{folded} values with fewer than {k} visitors are in (other)\n"));
    }
    text
}

fn csv(sheet: &Sheet) -> String {
    sheet.to_csv().unwrap_or_default()
}

fn aligned(sheet: &Sheet) -> String {
    let titles =
        sheet.names.iter().chain(&sheet.numbers).map(|title| (*title).to_owned()).collect();
    let mut lines: Vec<Vec<String>> = vec![titles];
    for (names, numbers) in &sheet.rows {
        let names = names.iter().map(|name| cut(&visible(name)));
        lines.push(names.chain(numbers.iter().map(u64::to_string)).collect());
    }
    let mut widths = vec![0; sheet.names.len() + sheet.numbers.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    for line in &lines {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.width());
            let gap = if at == 0 { "" } else { "  " };
            let is_name = at < sheet.names.len();
            let (before, after) =
                if is_name { ("", padding.as_str()) } else { (padding.as_str(), "") };
            text.extend([gap, before, cell, after]);
        }
        text.push('\n');
    }
    text
}

fn cut(name: &str) -> String {
    if name.width() <= NAME_COLUMNS_MAX {
        return name.to_owned();
    }
    let mut short = String::new();
    for c in name.chars() {
        short.push(c);
        if short.width() >= NAME_COLUMNS_MAX {
            short.pop();
            break;
        }
    }
    short + "…"
}
