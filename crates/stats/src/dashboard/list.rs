//! `GET /list`: everything of one kind, with search and in parts of a hundred rows.
//!
//! What it is not: another threshold. Search looks among the rows that may be seen, after small
//! values were folded.
//!
//! What surprises: search and parts are cut here and not in the store, from one answer, so that a
//! part is never of another moment than its total.

use askama::Template;
use headcount_store::question::{Answer, PageFilter, Question, Row};

use super::panel::{self, ListRow};
use super::period::href;
use super::{Page, country};
use crate::assets;
use crate::breakdown::{Breakdown, ROWS_MAX};
use crate::query::words::metric_column;
use crate::text::{grouped, visible};

/// Rows of one part.
const PART_ROWS: usize = 100;

/// The page of a list.
#[derive(Template)]
#[template(path = "list.html")]
pub(crate) struct ListPage {
    css: &'static str,
    js: &'static str,
    is_share: bool,
    site: String,
    title: &'static str,
    column: &'static str,
    when: String,
    page: Option<String>,
    back: String,
    action: String,
    hidden: Vec<(&'static str, String)>,
    search: String,
    numbers: Vec<&'static str>,
    rows: Vec<ListRow>,
    range: String,
    previous: Option<String>,
    next: Option<String>,
    other: Option<String>,
    csv: String,
    json: String,
}

/// The question of a whole list.
pub(crate) fn question(page: &Page, by: Breakdown) -> Option<Question> {
    let subject = &page.subject;
    let rows = page.viewer.rows_asked(ROWS_MAX);
    let mut question = by.question(&subject.site, subject.range, subject.k, rows)?;
    question.zone = subject.time_zone.zone().clone();
    question.pages =
        page.links().filter(by).map(|page| PageFilter::Is(vec![page.into()])).into_iter().collect();
    Some(question)
}

impl ListPage {
    /// The part `at`, from 1, of the rows whose name holds `search`.
    pub(crate) fn new(
        page: &Page,
        by: Breakdown,
        (search, at): (&str, u64),
        found: Answer,
    ) -> Self {
        let links = page.links();
        let (title, column) = panel::titles(by);
        let other = panel::other(&links, by, &found);
        let is_withheld = found.rows.is_empty()
            && matches!(by, Breakdown::Attribute(_))
            && links.subject.is_exact
            && links.subject.range.to >= page.bounds.today;
        let mut rows = found.rows;
        rows.sort_by_key(panel::is_other);
        let wanted = search.to_lowercase();
        rows.retain(|row| holds(by, row, &wanted));
        let parts = u64::try_from(rows.len().div_ceil(PART_ROWS)).unwrap_or(1).max(1);
        let at = at.clamp(1, parts);
        let first = usize::try_from(at - 1).unwrap_or(0) * PART_ROWS;
        let part: &[Row] = rows.get(first..).unwrap_or_default();
        let part = part.get(..PART_ROWS).unwrap_or(part);
        let number = |number: usize| grouped(u64::try_from(number).unwrap_or(0));
        let range = if is_withheld {
            panel::WITHHELD.to_owned()
        } else if part.is_empty() {
            "Nothing to show.".to_owned()
        } else {
            let last = number(first + part.len());
            format!("{} to {last} of {}", number(first + 1), number(rows.len()))
        };
        let mut hidden =
            vec![("site", links.subject.site.to_string()), ("by", by.as_str().to_owned())];
        hidden.extend(links.days_or_word());
        hidden.extend(links.filter(by).map(|page| ("page", page.to_owned())));
        Self {
            css: assets::css_path(),
            js: assets::js_path(),
            is_share: links.viewer.is_share(),
            site: links.subject.site.to_string(),
            title,
            column,
            when: page.period.title(page.bounds.today),
            page: links.filter(by).map(visible),
            back: links.page(links.subject.page.as_deref()),
            action: href(&links.viewer.part("list"), &[]),
            hidden,
            search: visible(search),
            numbers: by.metrics().iter().map(|metric| metric_column(*metric)).collect(),
            rows: panel::rows(&links, by, part),
            range,
            previous: (at > 1).then(|| links.list(by, search, at - 1)),
            next: (at < parts).then(|| links.list(by, search, at + 1)),
            other,
            csv: links.export(by, "csv"),
            json: links.export(by, "json"),
        }
    }
}

/// Whether a row's name holds the text of small letters, in either case; countries by their names
/// too.
fn holds(by: Breakdown, row: &Row, search: &str) -> bool {
    let holds = |name: &str| name.to_lowercase().contains(search);
    let is_country = by == Breakdown::Attribute(headcount_core::cell::Attribute::Country);
    let country = |code: &String| is_country.then(|| country::name(code)).flatten();
    search.is_empty()
        || row.names.iter().any(|name| holds(name) || country(name).is_some_and(holds))
}
