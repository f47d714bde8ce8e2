//! The report as one page, to be read and printed.
//!
//! What it is not: in need of anything beside it: its style is inside, and it has no script.
//!
//! What surprises: everything is escaped here, in one function; places in it may be named by
//! whoever named the operator's files.

use std::fmt::Write as _;

use crate::evidence::{Cell, Table};
use crate::markdown::{STATEMENT, identity_rows, matrix};
use crate::report::{Artefact, IS_NOT, Report, Status};

const CSS: &str = include_str!("audit.css");

/// Renders it.
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    write(report, &mut page).ok();
    page
}

fn write(report: &Report, page: &mut String) -> std::fmt::Result {
    let verdict = report.verdict.as_str();
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <title>Canary audit: {verdict}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n\
         <h1>Canary audit of Headcount</h1>\n\
         <p><span class=\"verdict {verdict}\">{verdict}</span></p>\n<dl>\n"
    )?;
    for (name, value) in identity_rows(report) {
        writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&value))?;
    }
    writeln!(page, "</dl>\n<p class=\"note\">{}</p>", escape(IS_NOT))?;
    controls(report, page)?;
    artefacts(report, page)?;
    findings(report, page)?;
    crossed(report, page)?;
    for table in report.evidence.tables() {
        evidence(&table, page)?;
    }
    rest(report, page)?;
    writeln!(page, "</body>\n</html>")
}

fn head(page: &mut String, title: &str, columns: &[&str]) -> std::fmt::Result {
    write!(page, "<h2>{title}</h2>\n<table><thead><tr>")?;
    for column in columns {
        let is_number =
            ["bytes", "sent", "times", "answered"].iter().any(|it| column.starts_with(it));
        let class = if is_number { " class=\"number\"" } else { "" };
        write!(page, "<th scope=\"col\"{class}>{column}</th>")?;
    }
    writeln!(page, "</tr></thead><tbody>")
}

fn status(status: Status) -> String {
    let word = status.as_str();
    format!("<td class=\"{}\">{word}</td>", word.replace(' ', "-"))
}

fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("<td class=\"number\">{text}</td>")
}

fn controls(report: &Report, page: &mut String) -> std::fmt::Result {
    head(page, "Controls", &["control", "status", "what it showed"])?;
    for control in &report.controls {
        let said = escape(&control.said);
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th>{}<td>{said}</td></tr>",
            escape(&control.name),
            status(control.status)
        )?;
    }
    writeln!(page, "</tbody></table>")?;
    head(page, "Requests", &["kind", "sent", "answered otherwise"])?;
    for sent in &report.requests {
        let kind = escape(&sent.kind);
        let numbers = number(sent.sent) + &number(sent.unexpected);
        writeln!(page, "<tr><th scope=\"row\">{kind}</th>{numbers}</tr>")?;
    }
    writeln!(page, "</tbody></table>")
}

fn artefacts(report: &Report, page: &mut String) -> std::fmt::Result {
    let columns = ["no.", "artefact", "status", "bytes searched", "bytes skipped", "what it is"];
    head(page, "Artefacts", &columns)?;
    for (at, artefact) in report.artefacts.iter().enumerate() {
        let Artefact { name, said, bytes, skipped, .. } = artefact;
        writeln!(
            page,
            "<tr><td>{}</td><th scope=\"row\">{}</th>{}{}{}<td>{}</td></tr>",
            at + 1,
            escape(name),
            status(artefact.status),
            number(*bytes),
            number(*skipped),
            escape(said)
        )?;
    }
    writeln!(page, "</tbody></table>")
}

fn findings(report: &Report, page: &mut String) -> std::fmt::Result {
    if report.artefacts.iter().all(|artefact| artefact.findings.is_empty()) {
        return writeln!(page, "<h2>Found</h2>\n<p>Nothing.</p>");
    }
    head(page, "Found", &["channel", "artefact", "place", "form", "times"])?;
    for artefact in &report.artefacts {
        for found in &artefact.findings {
            writeln!(
                page,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td>{}</tr>",
                escape(&found.channel),
                escape(&artefact.name),
                escape(&found.place),
                escape(&found.form),
                number(found.count)
            )?;
        }
    }
    writeln!(page, "</tbody></table>")
}

/// Every channel by every artefact.
fn crossed(report: &Report, page: &mut String) -> std::fmt::Result {
    let found = matrix(report);
    write!(
        page,
        "<h2>Channels by artefacts</h2>\n<div class=\"wide\"><table class=\"matrix\">\
         <caption>Times that the marker of a channel was found in the artefact of that number; \
         ? is not tested, – does not apply.</caption>\n<thead><tr><th scope=\"col\">channel</th>"
    )?;
    for (at, artefact) in report.artefacts.iter().enumerate() {
        write!(page, "<th scope=\"col\" title=\"{}\">{}</th>", escape(&artefact.name), at + 1)?;
    }
    writeln!(page, "</tr></thead><tbody>")?;
    let others = found.keys().filter(|name| !report.channels.iter().any(|known| known == *name));
    let rows = report.channels.iter().map(String::as_str).chain(others.copied());
    for channel in rows {
        write!(page, "<tr><th scope=\"row\">{}</th>", escape(channel))?;
        for artefact in &report.artefacts {
            let times = found.get(channel).and_then(|row| row.get(artefact.name.as_str()));
            match (times, artefact.status) {
                (Some(times), _) => write!(page, "<td class=\"hit\">{times}</td>")?,
                (None, Status::NotTested) => write!(page, "<td class=\"unknown\">?</td>")?,
                (None, Status::NotApplicable) => write!(page, "<td>–</td>")?,
                (None, _) => write!(page, "<td>0</td>")?,
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody></table></div>")
}

fn evidence(table: &Table, page: &mut String) -> std::fmt::Result {
    if table.rows.is_empty() {
        return writeln!(page, "<h2>{}</h2>\n<p>{}</p>", table.title, escape(&table.note));
    }
    writeln!(page, "<h2>{}</h2>", table.title)?;
    if !table.note.is_empty() {
        writeln!(page, "<p>{}</p>", escape(&table.note))?;
    }
    write!(page, "<table class=\"{}\"><thead><tr>", table.class())?;
    for (at, column) in table.columns.iter().enumerate() {
        let mut cells = table.rows.iter().filter_map(|row| row.get(at));
        let class = match cells.find(|cell| !matches!(cell, Cell::Text(_))) {
            Some(Cell::Number(_)) => " class=\"number\"",
            Some(Cell::Status(_)) => " class=\"state\"",
            _ => "",
        };
        write!(page, "<th scope=\"col\"{class}>{column}</th>")?;
    }
    writeln!(page, "</tr></thead><tbody>")?;
    for row in &table.rows {
        write!(page, "<tr>")?;
        for (at, cell) in row.iter().enumerate() {
            match cell {
                Cell::Text(text) if at == 0 && !table.is_prose() => {
                    write!(page, "<th scope=\"row\">{}</th>", prose(text))?;
                }
                Cell::Text(text) => write!(page, "<td>{}</td>", prose(text))?,
                Cell::Number(value) => page.push_str(&number(*value)),
                Cell::Status(value) => page.push_str(&status(*value)),
            }
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody></table>")
}

fn rest(report: &Report, page: &mut String) -> std::fmt::Result {
    head(page, "Not examined", &["what", "why", STATEMENT])?;
    for outside in &report.not_examined {
        let (what, why) = (escape(&outside.what), escape(&outside.why));
        writeln!(page, "<tr><th scope=\"row\">{what}</th><td>{why}</td><td></td></tr>")?;
    }
    let forms = escape(&report.forms.join(", "));
    writeln!(page, "</tbody></table>\n<h2>Forms</h2>\n<p>Each marker was looked for {forms}.</p>")?;
    for forgotten in &report.forgotten {
        let forgotten = escape(forgotten);
        writeln!(page, "<p>Not looked for, because it was there before: {forgotten}.</p>")?;
    }
    let again = escape(&report.repeat.join("\n"));
    writeln!(page, "<h2>Again</h2>\n<pre>{again}</pre>")
}

/// Text as markup, what is between backticks as code.
fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        // One is left alone: it is a backtick.
        return escape(text);
    }
    let piece = |(at, piece): (usize, &&str)| match at % 2 {
        0 => escape(piece),
        _ => format!("<code>{}</code>", escape(piece)),
    };
    pieces.iter().enumerate().map(piece).collect()
}

/// Text as markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn the_page_has_every_channel_and_no_markup_of_others() {
        let page = html(&report(&[Status::Passed, Status::Failed, Status::NotTested]));
        for channel in crate::channel::CHANNELS {
            assert!(page.contains(channel.name), "{}", channel.name);
        }
        assert!(page.contains("edge.db &lt;b&gt;") && !page.contains("<b>"));
        assert!(page.contains("<td class=\"hit\">2</td><td class=\"unknown\">?</td>"));
        assert!(page.contains("<td class=\"number\">4,096</td>"));
        assert!(page.contains("Addresses of pages are &lt;cleaned&gt; first."));
        assert!(page.contains("<th scope=\"row\">crowd</th><td>1</td><td>8</td>"));
        let risk =
            "<td>A name in <code>/jane-doe</code> stays.</td><td>Set <code>strict</code>.</td>";
        assert!(page.contains(risk));
    }

    #[test]
    fn what_is_between_backticks_is_code_and_no_markup() {
        assert_eq!(prose("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
        assert_eq!(prose("`a` ` <b>"), "`a` ` &lt;b&gt;");
        assert_eq!(prose(""), "");
    }
}
