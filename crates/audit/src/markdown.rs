//! The report as Markdown.
//!
//! What it is not: another report. Every line is in the JSON.
//!
//! What surprises: the matrix has a row only for channels that were found somewhere, and says how
//! many were not; 54 rows of zeros help nobody. The HTML has them all.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::evidence::{Cell, Table};
use crate::report::{Artefact, IS_NOT, Report};

/// Where an operator may say, and sign, what nobody examined.
pub(crate) const STATEMENT: &str = "operator's statement, date, signature";

/// Renders it.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write(report, &mut text).ok();
    text
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    let identity = &report.identity;
    writeln!(text, "# Canary audit: {}\n", report.verdict.as_str())?;
    for (name, value) in identity_rows(report) {
        writeln!(text, "- {name}: {value}")?;
    }
    writeln!(
        text,
        "\n{IS_NOT}\n\n## Requests\n\n| kind | sent | answered otherwise |\n|---|---|---|"
    )?;
    for sent in &report.requests {
        writeln!(text, "| {} | {} | {} |", sent.kind, sent.sent, sent.unexpected)?;
    }
    writeln!(text, "\nOf {} channels to the site {}.\n", report.channels.len(), identity.site)?;
    writeln!(text, "## Controls\n\n| control | status | |\n|---|---|---|")?;
    for control in &report.controls {
        writeln!(
            text,
            "| {} | {} | {} |",
            control.name,
            control.status.as_str(),
            cell(&control.said)
        )?;
    }
    writeln!(
        text,
        "\n## Artefacts\n\n| artefact | status | bytes | skipped | |\n|---|---|---|---|---|"
    )?;
    for artefact in &report.artefacts {
        let Artefact { name, status, said, bytes, skipped, .. } = artefact;
        writeln!(text, "| {name} | {} | {bytes} | {skipped} | {} |", status.as_str(), cell(said))?;
    }
    writeln!(text, "\n## Found\n")?;
    let matrix = matrix(report);
    if matrix.is_empty() {
        writeln!(text, "Nothing, of {} channels.", report.channels.len())?;
    } else {
        writeln!(text, "| channel | artefact | place | form | times |\n|---|---|---|---|---|")?;
        for artefact in &report.artefacts {
            for found in &artefact.findings {
                let place = cell(&found.place);
                writeln!(
                    text,
                    "| {} | {} | {place} | {} | {} |",
                    found.channel, artefact.name, found.form, found.count
                )?;
            }
        }
    }
    for table in report.evidence.tables() {
        evidence(&table, text)?;
    }
    writeln!(text, "\n## Not examined\n\n| what | why | {STATEMENT} |\n|---|---|---|")?;
    for outside in &report.not_examined {
        writeln!(text, "| {} | {} | |", cell(&outside.what), cell(&outside.why))?;
    }
    writeln!(text, "\n## Forms\n\nEach marker was looked for {}.", report.forms.join(", "))?;
    for forgotten in &report.forgotten {
        writeln!(text, "\nNot looked for, because it was there before: {forgotten}.")?;
    }
    writeln!(text, "\n## Again\n")?;
    for line in &report.repeat {
        writeln!(text, "    {line}")?;
    }
    Ok(())
}

fn evidence(table: &Table, text: &mut String) -> std::fmt::Result {
    writeln!(text, "\n## {}\n", table.title)?;
    if !table.note.is_empty() {
        writeln!(text, "{}", table.note)?;
    }
    if table.rows.is_empty() {
        return Ok(());
    }
    if !table.note.is_empty() {
        writeln!(text)?;
    }
    writeln!(text, "| {} |\n|{}", table.columns.join(" | "), "---|".repeat(table.columns.len()))?;
    for row in &table.rows {
        let cells = row.iter().map(|it| match it {
            Cell::Text(text) => cell(text),
            Cell::Number(number) => number.to_string(),
            Cell::Status(status) => status.as_str().to_owned(),
        });
        writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

/// What the report is about, row by row.
pub(crate) fn identity_rows(report: &Report) -> Vec<(&'static str, String)> {
    let it = &report.identity;
    vec![
        ("program", format!("headcount {}", it.version)),
        ("its build", it.build.clone()),
        (
            "build that runs",
            it.running_build.clone().unwrap_or_else(|| "could not be read".to_owned()),
        ),
        ("configuration", it.configuration.clone()),
        ("mode", it.mode.clone()),
        ("machine", it.machine.clone()),
        ("ran as", it.ran_as.clone()),
        ("began", it.began.clone()),
        ("ended", format!("{} ({} s)", it.ended, it.seconds)),
        ("hash of the outcome", report.hash.clone()),
    ]
}

/// How often each channel was found in each artefact.
pub(crate) fn matrix(report: &Report) -> BTreeMap<&str, BTreeMap<&str, u64>> {
    let mut matrix: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for artefact in &report.artefacts {
        for found in &artefact.findings {
            let row = matrix.entry(&found.channel).or_default();
            *row.entry(&artefact.name).or_default() += found.count;
        }
    }
    matrix
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Status;
    use crate::report::tests::report;

    #[test]
    fn it_names_what_was_found_where() {
        let text = markdown(&report(&[Status::Passed, Status::Failed]));
        assert!(text.contains("# Canary audit: failed"));
        assert!(text.contains("| Cookie | artefact 1 | edge.db <b> | base64 | 2 |"), "{text}");
        assert!(text.contains("one \\| two"));
        let claim =
            "| stored.clean | Addresses of pages are <cleaned> first. | passed | 10 markers \\|";
        assert!(text.contains(claim), "{text}");
        for row in [
            "| crowd | 1 | 8 | environment | stored.crowd |",
            "| counts.db | 1234 | 3 | 0 | 3 | 0 | 0 | 0 |  |",
            "| Edge file | Counts. | A second. | The process. |",
            "| pages | redact | 35 | 34 | e-mail; phone | phone |",
            "| counts.db | pages | 1000 | 20 | 1 |",
            "| collector 1 | 2026-11-21 | 2 |",
            "| A name in `/jane-doe` stays. | Set `strict`. |",
            "| memory | a test does | |",
        ] {
            assert!(text.contains(row), "{row}: {text}");
        }
        assert!(markdown(&report(&[Status::Passed])).contains("Nothing, of 54 channels."));
    }
}
