//! Plausible's export: `imported_visitors_….csv` and `imported_pages_….csv` of its zip file.
//!
//! What it is not: its other files. Sources, places and devices are cut differently there.
//!
//! What surprises: columns are found by their names, so files of older versions work, too.

use anyhow::{Context, bail};
use headcount_core::cell::Counts;
use headcount_core::time::Day;

use super::Row;

/// Reads a file.
///
/// # Errors
/// The line and column that cannot be read.
pub(super) fn rows(content: &[u8]) -> anyhow::Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(content);
    let head = reader.headers().context("not a CSV file")?.clone();
    let column = |name: &str| head.iter().position(|found| found.trim() == name);
    let (Some(date), Some(visitors), Some(views)) =
        (column("date"), column("visitors"), column("pageviews"))
    else {
        bail!("columns date, visitors and pageviews are needed; see imported_visitors_….csv");
    };
    let (page, visits) = (column("page"), column("visits"));
    if page.is_none() && head.len() > 2 && column("bounces").is_none() {
        bail!("neither imported_visitors_….csv nor imported_pages_….csv");
    }
    let mut rows = Vec::new();
    for (record, line) in reader.records().zip(2u64..) {
        let record = record.with_context(|| format!("line {line}"))?;
        let field = |at: usize| record.get(at).unwrap_or_default().trim();
        let number = |at: usize| {
            let name = || format!("line {line}: {} is no number", head.get(at).unwrap_or_default());
            field(at).parse::<u64>().with_context(name)
        };
        let day = Day::parse(field(date))
            .with_context(|| format!("line {line}: date is no day such as 2026-11-21"))?;
        let visitors = number(visitors)?;
        let visits = visits.map_or(Ok(visitors), number)?;
        let counts = Counts { views: number(views)?, visitors, visits, ..Counts::ZERO };
        rows.push(Row { day, page: page.map(|at| field(at).to_owned()), counts });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Vec<String>, String> {
        let rows = rows(text.as_bytes()).map_err(|error| format!("{error:#}"))?;
        let told = rows.iter().map(|Row { day, page, counts }| {
            let (views, visitors, visits) = (counts.views, counts.visitors, counts.visits);
            format!("{day} {} {views} {visitors} {visits}", page.as_deref().unwrap_or("-"))
        });
        Ok(told.collect())
    }

    #[test]
    fn reads_days_and_pages() {
        let days = "\"date\",\"visitors\",\"pageviews\",\"bounces\",\"visits\",\"visit_duration\"\n\
                    \"2026-02-09\",119,304,77,134,21070\n";
        assert_eq!(found(days).unwrap(), ["2026-02-09 - 304 119 134"]);
        let pages = "date,hostname,page,visits,visitors,pageviews,total_scroll_depth\n\
                     2026-02-09,example.org,\"/a,b\",3,2,4,60\n";
        assert_eq!(found(pages).unwrap(), ["2026-02-09 /a,b 4 2 3"]);
        let older = "date,page,visitors,pageviews\n2026-02-09,/a,2,4\n";
        assert_eq!(found(older).unwrap(), ["2026-02-09 /a 4 2 2"]);
    }

    #[test]
    fn says_where_it_cannot_read_and_not_what() {
        let head = "date,page,visitors,pageviews\n";
        for (text, expect) in [
            ("".to_owned(), "columns date, visitors and pageviews are needed"),
            ("date,browser,visitors,pageviews\n".to_owned(), "neither imported_visitors"),
            (format!("{head}2026-02-30,/a,1,1\n"), "line 2: date is no day"),
            (
                format!("{head}2026-02-03,/a,1,1\n2026-02-03,/a,-1,1\n"),
                "line 3: visitors is no number",
            ),
            (format!("{head}2026-02-03,/a,1\n"), "line 2"),
        ] {
            let error = found(&text).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }
}
