//! Answers for the terminal: `headcount stats HOST` as a table, as JSON or as CSV.
//!
//! What it is not: a program. The binary asks the store and prints what this gives it.
//!
//! What surprises: names come from strangers. What could move the cursor, recolour or reorder the
//! line is shown as U+FFFD, or escaped in JSON.

use headcount_store::question::{Answer, By, Question, Refused, Row, TimeBucket};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use crate::query::answer;
use crate::query::date::Range;
use crate::query::parse::Plan;
use crate::query::words::metric_column;
use crate::sheet::Sheet;
use crate::text::{json_text, visible};

/// The name of what is not told apart.
const OTHER: &str = "(other)";
/// Cells wider than this are cut, so that a long name does not break every line.
const NAME_COLUMNS_MAX: usize = 80;
/// Columns of the longest bar.
const BAR_COLUMNS: u64 = 20;
/// Eighths of a column, from the left.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// Heights of a day in a line of days.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns with bars for people.
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
        Format::Json => json_text(&refused_json(refused)) + "\n",
    }
}

/// Refused beacons in the shape of the API's answers.
pub(crate) fn refused_json(refused: &[Refused]) -> Value {
    let row = |one: &Refused| json!({ "dimensions": [one.reason], "metrics": [one.refused] });
    let results: Vec<Value> = refused.iter().map(row).collect();
    let query = json!({ "dimensions": ["reason"], "metrics": ["refused"] });
    json!({ "results": results, "meta": {}, "query": query })
}

/// The days of a period as one line: each metric with its sum and a sparkline of its days.
///
/// `found` answers a [`crate::breakdown::Breakdown::Time`] of days; days without counts are filled
/// in from the question's period.
pub fn days(question: &Question, found: &Answer) -> String {
    let range = Range { from: question.from, to: question.to, narrowed: false };
    let labels = range.labels_in(TimeBucket::Day, &question.zone);
    let mut text = format!("{}, {} to {}\n", question.site, question.from, question.to);
    for (at, metric) in question.metrics.iter().enumerate() {
        let number = |label: &String| {
            let row = found.rows.iter().find(|row| row.time.as_deref() == Some(label.as_str()));
            row.and_then(|row| row.metrics.get(at)).copied().unwrap_or(0)
        };
        let numbers: Vec<u64> = labels.iter().map(number).collect();
        let sum: u64 = numbers.iter().sum();
        text.push_str(&format!("{:<8}  {}  {sum}\n", metric_column(*metric), spark(&numbers)));
    }
    text + "\n"
}

/// Numbers as columns of eighths; a zero is a space, so that nothing and little differ.
fn spark(numbers: &[u64]) -> String {
    let largest = u128::from(numbers.iter().copied().max().unwrap_or(0).max(1));
    let height = |number: &u64| match number {
        0 => ' ',
        number => {
            let eighth = (u128::from(*number) * 8).div_ceil(largest).saturating_sub(1);
            usize::try_from(eighth).ok().and_then(|at| HEIGHTS.get(at)).copied().unwrap_or('█')
        }
    };
    numbers.iter().map(height).collect()
}

/// A bar of at most [`BAR_COLUMNS`] columns.
fn bar(number: u64, largest: u64) -> String {
    let eighths = u128::from(number) * u128::from(BAR_COLUMNS * 8) / u128::from(largest.max(1));
    let eighths = usize::try_from(eighths).unwrap_or(0);
    "█".repeat(eighths / 8) + EIGHTHS.get(eighths % 8).copied().unwrap_or("")
}

/// An answer as aligned columns, with what was left out said below.
pub fn table(question: &Question, found: &Answer) -> String {
    let mut text = aligned(&Sheet::of(&Plan::of(question.clone()), found));
    let shown = u64::try_from(found.rows.len()).unwrap_or(u64::MAX);
    if found.rows_total > shown {
        text.push_str(&format!("{shown} of {} rows\n", found.rows_total));
    }
    let is_other = |row: &Row| row.names.iter().any(|name| name == OTHER);
    if matches!(question.by, By::Attribute(_)) && question.k > 1 && found.rows.iter().any(is_other)
    {
        let k = question.k;
        text.push_str(&format!(
            "{OTHER}: fewer than {k} visitors of a UTC day, and all of days that are not closed yet\n"
        ));
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
    let firsts = || sheet.rows.iter().filter_map(|(_, numbers)| numbers.first());
    let largest = firsts().max().copied().unwrap_or(0);
    let bars = std::iter::once(None).chain(firsts().map(Some));
    for (line, number) in lines.iter().zip(bars) {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.width());
            let gap = if at == 0 { "" } else { "  " };
            let is_name = at < sheet.names.len();
            let (before, after) =
                if is_name { ("", padding.as_str()) } else { (padding.as_str(), "") };
            text.extend([gap, before, cell, after]);
        }
        if let Some(number) = number {
            let bar = bar(*number, largest);
            text.extend([if bar.is_empty() { "" } else { "  " }, &bar]);
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
