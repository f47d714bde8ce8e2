//! What an import has done, in a few lines.
//!
//! What it is not: a word of any log. Files and line numbers are named, their texts never.
//!
//! What surprises: what was read and what is said add up: each line is a view, has a reason, or
//! was counted before.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use headcount_collector::import::Skipped;
use headcount_core::time::Day;

/// Places of unreadable lines that are told.
const PLACES_MAX: usize = 5;
/// Remarks that are told.
const REMARKS_MAX: usize = 1_000;

/// Sums over all files.
#[derive(Default)]
pub(crate) struct Summary {
    files: u64,
    views: u64,
    known: u64,
    skipped: BTreeMap<Skipped, u64>,
    unreadable: Vec<String>,
    remarks: Vec<String>,
    failed: Vec<String>,
}

impl Summary {
    /// A file is read.
    pub(crate) fn file(&mut self) {
        self.files += 1;
    }

    /// A line was judged; it is at this number of this file.
    pub(crate) fn line(&mut self, (file, number): (&str, u64), taken: Result<Day, Skipped>) {
        match taken {
            Ok(_) => self.views += 1,
            Err(why) => {
                *self.skipped.entry(why).or_default() += 1;
                if why == Skipped::Unreadable && self.unreadable.len() < PLACES_MAX {
                    self.unreadable.push(format!("{file}:{number}"));
                }
            }
        }
    }

    /// A line was counted in an earlier run.
    pub(crate) fn known(&mut self) {
        self.known += 1;
    }

    /// Something about a file that the operator should know.
    pub(crate) fn remark(&mut self, remark: String) {
        if self.remarks.len() < REMARKS_MAX && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// A file that could not be read to its end, and why.
    pub(crate) fn fail(&mut self, why: String) {
        if self.failed.len() < REMARKS_MAX && !self.failed.contains(&why) {
            self.failed.push(why);
        }
    }

    /// One line about those, if there are some.
    pub(crate) fn failure(&self) -> Option<String> {
        let (first, others) = self.failed.split_first()?;
        Some(match others.len() {
            0 => first.clone(),
            more => format!("{first} (and {more} more, named above)"),
        })
    }

    /// Lines read.
    pub(crate) fn lines(&self) -> u64 {
        self.views + self.known + self.skipped.values().sum::<u64>()
    }

    /// The text of it.
    pub(crate) fn text(&self, host: &str) -> String {
        let mut text = format!(
            "{host}: {} views counted from {} lines of {} files\n",
            self.views,
            self.lines(),
            self.files
        );
        let mut say = |line: String| writeln!(text, "  {line}").expect("writing to a text");
        if self.known > 0 {
            say(format!("counted before: {}", self.known));
        }
        for why in Skipped::ALL {
            if let Some(count) = self.skipped.get(&why) {
                let places = match why {
                    Skipped::Unreadable => format!(" (first at {})", self.unreadable.join(", ")),
                    _ => String::new(),
                };
                say(format!("not counted, {}: {count}{places}", why.as_str()));
            }
        }
        self.remarks.iter().chain(&self.failed).for_each(|remark| say(remark.clone()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_accounted_for_and_no_text_is_told() {
        let mut summary = Summary::default();
        summary.file();
        summary.known();
        summary.line(("a.log", 2), Ok(Day(1)));
        for number in 3..10 {
            summary.line(("a.log", number), Err(Skipped::Unreadable));
        }
        summary.line(("a.log", 10), Err(Skipped::NoPage));
        summary.remark("a.log: a remark".to_owned());
        assert_eq!(summary.failure(), None);
        summary.fail("b.gz: cut".to_owned());
        let expect = "example.org: 1 views counted from 10 lines of 1 files\n  \
                      counted before: 1\n  \
                      not counted, unreadable: 7 (first at a.log:3, a.log:4, a.log:5, a.log:6, a.log:7)\n  \
                      not counted, not a page: 1\n  a.log: a remark\n  b.gz: cut\n";
        assert_eq!(summary.text("example.org"), expect);
        assert_eq!(summary.failure().as_deref(), Some("b.gz: cut"));
        summary.fail("c.gz: cut".to_owned());
        assert_eq!(summary.failure().as_deref(), Some("b.gz: cut (and 1 more, named above)"));
    }
}
