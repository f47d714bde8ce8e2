//! `headcount doctor`: what in this deployment weakens the promises, and the line that mends it.
//!
//! What it is not: a repair. It changes nothing, and needs no running process. It asks Kafka and ClickHouse
//! where the settings name them, and a page where one is named.
//!
//! What surprises: it ends with 1 if anything weakens a promise; advice, and what could not be
//! tested, do not. A configuration that is wrong ends with 64, as everywhere.

mod checks;
mod facts;
mod gather;
mod page;
mod proxy;

use anyhow::bail;
use serde::Serialize;

use self::checks::{Finding, Level, findings};
use crate::cli::{DoctorArgs, DoctorFormat};
use crate::commands::{say, unless_reader_left};
use crate::config::{self, Config, Flags};

/// The version of the JSON.
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    weakens: usize,
    findings: &'a [Finding],
}

/// Looks, and prints what was found.
///
/// # Errors
/// If something weakens a promise, so that the command ends with 1.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    let data = &args.data;
    let flags = Flags { config: data.config.clone(), data: data.data.clone(), ..Flags::default() };
    let config = Config::load(&flags, config::environment())?;
    let found = findings(&gather::facts(&config, args)?);
    let weakens = found.iter().filter(|finding| finding.level == Level::Weakens).count();
    let text = match args.format {
        DoctorFormat::Table => table(&found),
        DoctorFormat::Json => {
            let report = Report { version: FORMAT_VERSION, weakens, findings: &found };
            format!("{}\n", serde_json::to_string_pretty(&report)?)
        }
    };
    unless_reader_left(say(&text))?;
    match weakens {
        0 => Ok(()),
        1 => bail!("one finding weakens the promises, see above"),
        _ => bail!("{weakens} findings weaken the promises, see above"),
    }
}

/// The worst first; beneath each why, and what mends it.
fn table(found: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = found.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let mut text = String::new();
    for Finding { check, level, what, why, mend } in sorted {
        let word = match level {
            Level::Ok => "ok",
            Level::NotTested => "not tested",
            Level::Advice => "advice",
            Level::Weakens => "WEAKENS",
        };
        text += &format!("{word:<11}{check:<17}{what}\n");
        for (word, line) in [("why", why), ("mend", mend)] {
            if !line.is_empty() {
                text += &format!("{:<28}{word}: {line}\n", "");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
