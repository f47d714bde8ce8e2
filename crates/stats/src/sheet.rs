//! An answer as rows of text and numbers, and the same as CSV.
//!
//! What it is not: for one medium. The export and the terminal both show sheets.
//!
//! What surprises: a page name can be a formula to a spreadsheet. Such a cell gets a `'` in front,
//! which spreadsheets take for "this is text".

use headcount_store::question::{Answer, Refused};

use crate::query::answer::rows;
use crate::query::parse::Plan;
use crate::query::words::metric_column;
use crate::text::visible;

/// Rows with names on the left and numbers on the right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Titles of the columns of names.
    pub names: Vec<&'static str>,
    /// Titles of the columns of numbers.
    pub numbers: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<(Vec<String>, Vec<u64>)>,
}

impl Sheet {
    /// The sheet of an answer.
    pub fn of(plan: &Plan, answer: &Answer) -> Self {
        let owned = |(names, numbers): (Vec<&str>, Vec<u64>)| {
            (names.into_iter().map(str::to_owned).collect(), numbers)
        };
        Self {
            names: plan.dimensions.iter().map(|known| known.column()).collect(),
            numbers: plan.question.metrics.iter().map(|metric| metric_column(*metric)).collect(),
            rows: rows(plan, answer).into_iter().map(owned).collect(),
        }
    }

    /// The sheet of refused beacons.
    pub fn of_refused(refused: &[Refused]) -> Self {
        Self {
            names: vec!["reason"],
            numbers: vec!["refused"],
            rows: refused.iter().map(|one| (vec![one.reason.clone()], vec![one.refused])).collect(),
        }
    }

    /// CSV with a header line, every cell quoted, none of them a formula.
    ///
    /// # Errors
    /// Never in practice: the CSV writer can fail on files, and this one writes to memory.
    pub fn to_csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        writer.write_record(self.names.iter().chain(&self.numbers))?;
        for (names, numbers) in &self.rows {
            let names = names.iter().map(|name| cell(name));
            writer.write_record(names.chain(numbers.iter().map(u64::to_string)))?;
        }
        let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A name as a cell that no spreadsheet calculates and no terminal obeys.
fn cell(name: &str) -> String {
    let begins_formula = |c: char| {
        matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n')
            || matches!(c, '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    };
    let first = name.chars().next();
    // Some importers trim a cell before they look at it, so the first visible letter counts too.
    let first_shown = name.chars().find(|c| !c.is_whitespace() && !crate::text::is_hidden(*c));
    let guard = if first.is_some_and(begins_formula) || first_shown.is_some_and(begins_formula) {
        "'"
    } else {
        ""
    };
    format!("{guard}{}", visible(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for bad in [
            "=1+1",
            "+1",
            "-1",
            "@x",
            "\t=1",
            "\r=1",
            "\n=1",
            " =1",
            "\u{200b}=1",
            "＝1",
            "＋1",
            "－1",
            "＠x",
        ] {
            assert!(cell(bad).starts_with('\''), "{bad:?}");
        }
        for good in ["/a=b", "/", "example.org", "", "(other)"] {
            assert_eq!(cell(good), good);
        }
    }

    #[test]
    fn quotes_and_lines_stay_in_their_cell() {
        let sheet = Sheet {
            names: vec!["page"],
            numbers: vec!["views"],
            rows: vec![(vec!["/a\",\"b\r\n=2".into()], vec![3])],
        };
        let csv = sheet.to_csv().expect("memory");
        assert_eq!(csv, "\"page\",\"views\"\r\n\"/a\"\",\"\"b\u{fffd}\u{fffd}=2\",\"3\"\r\n");
    }
}
