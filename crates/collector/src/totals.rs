//! Exports of other tools, read for their sums: views of a day, or of an hour, and of pages.
//!
//! What it is not: a way for visits. Of a file with a row for each view only its time and its page
//! are read, and both are given on at once; columns with sessions, places or agents never are.
//!
//! What surprises: who only has one of these files may not know of which tool it is. A file of
//! another one is told by its first line, and named.

mod goatcounter;
mod matomo;
mod plausible;
mod table;
#[cfg(test)]
mod tests;
mod umami;

use headcount_core::cell::Counts;
use headcount_core::time::Hour;
use thiserror::Error;

use self::table::Table;

/// A tool whose exports are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Plausible: daily sums.
    Plausible,
    /// Umami: a row for each view and event.
    Umami,
    /// GoatCounter: a row for each view and event.
    GoatCounter,
    /// Matomo: daily sums.
    Matomo,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plausible, Self::Umami, Self::GoatCounter, Self::Matomo];

    /// How the command line and the ledger name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plausible => "plausible",
            Self::Umami => "umami",
            Self::GoatCounter => "goatcounter",
            Self::Matomo => "matomo",
        }
    }

    /// How it names itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plausible => "Plausible",
            Self::Umami => "Umami",
            Self::GoatCounter => "GoatCounter",
            Self::Matomo => "Matomo",
        }
    }

    /// What is needed of it.
    const fn needed(self) -> &'static str {
        match self {
            Self::Plausible => plausible::NEEDED,
            Self::Umami => umami::NEEDED,
            Self::GoatCounter => goatcounter::NEEDED,
            Self::Matomo => matomo::NEEDED,
        }
    }

    fn wrote(self, table: &Table<'_>) -> bool {
        match self {
            Self::Plausible => plausible::wrote(table),
            Self::Umami => umami::wrote(table),
            Self::GoatCounter => goatcounter::wrote(table),
            Self::Matomo => matomo::wrote(table),
        }
    }
}

/// What a row is about. No `Debug`: a page is somebody's text until it was sanitised.
#[derive(Clone, Copy)]
pub enum About<'a> {
    /// Sums of the whole site.
    Site,
    /// Sums of one page, as the file has it.
    Page(&'a str),
    /// Sums of what the tool itself had no page for.
    Other,
    /// One view of a page, which the site's sums do not have yet.
    View(&'a str),
}

/// One row of an export.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The hour; the first of its UTC day where the file has days only.
    pub hour: Hour,
    /// What was counted.
    pub about: About<'a>,
    /// Its numbers.
    pub counts: Counts,
}

impl<'a> Row<'a> {
    /// A view, of whose visitor nothing was asked.
    fn view(hour: Hour, page: &'a str) -> Self {
        Self { hour, about: About::View(page), counts: Counts { views: 1, ..Counts::ZERO } }
    }
}

/// What was read besides the rows that were given on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Rows that are no views: events, robots.
    pub skipped: u64,
    /// What the reader should know of the numbers.
    pub remark: Option<&'static str>,
}

/// Why a file is refused. It never has a word of the file in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TotalsError {
    /// Another tool made it.
    #[error("line 1: this looks like {} export; use --from {}", with_article(*.0), .0.as_str())]
    OtherTool(Tool),
    /// The first line is not that of an export of this tool.
    #[error("line 1: this is not what is read of {}'s exports; {}", .0.name(), .0.needed())]
    NotOfTool(Tool),
    /// A file of the tool that cannot be counted.
    #[error("line {line}: {why}")]
    Unfit {
        /// The line, from 1.
        line: u64,
        /// What was expected and how to get it.
        why: &'static str,
    },
    /// A field is not what its column says.
    #[error("line {line}: column {column} is no {expected}; mend that line, or export again")]
    Field {
        /// The line, from 1.
        line: u64,
        /// The column, as the tool names it.
        column: &'static str,
        /// What was expected.
        expected: &'static str,
    },
}

/// Reads a file and gives on row after row; what was given on before an error must be forgotten.
///
/// # Errors
/// [`TotalsError`], with the line.
pub fn read(
    tool: Tool,
    content: &[u8],
    take: &mut dyn FnMut(Row<'_>),
) -> Result<Read, TotalsError> {
    let text = table::utf8(content)?;
    let mut table = Table::open(&text)?;
    if !tool.wrote(&table) {
        let other = Tool::ALL.into_iter().find(|other| other.wrote(&table));
        return Err(other.map_or(TotalsError::NotOfTool(tool), TotalsError::OtherTool));
    }
    match tool {
        Tool::Plausible => plausible::read(&mut table, take),
        Tool::Umami => umami::read(&mut table, take),
        Tool::GoatCounter => goatcounter::read(&mut table, take),
        Tool::Matomo => matomo::read(&mut table, take),
    }
}

fn with_article(tool: Tool) -> String {
    let article = if tool == Tool::Umami { "an" } else { "a" };
    format!("{article} {}", tool.name())
}
