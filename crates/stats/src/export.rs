//! `GET /api/v1/export.csv` and `.json`: one list of one site as a file.
//!
//! What it is not: paged. A list that is too long is refused with a way out, never cut in silence.
//!
//! What surprises: attribute values fold below `k` here as on the dashboard. There is no way
//! around the threshold.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use headcount_core::site::SiteHost;
use headcount_store::question::{Answer, PageFilter, Question, Refused};
use serde::Deserialize;

use crate::breakdown::Breakdown;
use crate::query::date::{self, Bounds, Range};
use crate::query::parse::Plan;
use crate::query::{BadQuery, answer};
use crate::reply::{self, Trouble};
use crate::sheet::Sheet;
use crate::state::Stats;
use crate::terminal::refused_json;
use crate::text::json_text;
use crate::viewer::Viewer;

/// Rows of one file: some 20 MB in memory.
const ROWS_MAX: u32 = 200_000;
/// Longest page that can be chosen; no clean page is longer.
const PAGE_BYTES_MAX: usize = 2_048;

/// The query of an export.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    site: String,
    #[serde(default)]
    by: String,
    from: Option<String>,
    to: Option<String>,
    page: Option<String>,
}

type Asked = Result<Query<Wanted>, QueryRejection>;

/// How the file is written.
#[derive(Clone, Copy)]
enum Kind {
    Csv,
    Json,
}

/// Answers `GET /api/v1/export.csv?site=HOST&by=WORD&from=DAY&to=DAY&page=PAGE`; the last 30 days
/// without days, all pages without a page. The same under `/share/TOKEN`.
pub(crate) async fn handle_csv(
    State(stats): State<Stats>,
    Extension(viewer): Extension<Viewer>,
    wanted: Asked,
) -> Response {
    respond(&stats, &viewer, wanted, Kind::Csv).await.unwrap_or_else(Trouble::into_json)
}

/// The same as JSON, in the shape of the API's answers.
pub(crate) async fn handle_json(
    State(stats): State<Stats>,
    Extension(viewer): Extension<Viewer>,
    wanted: Asked,
) -> Response {
    respond(&stats, &viewer, wanted, Kind::Json).await.unwrap_or_else(Trouble::into_json)
}

async fn respond(
    stats: &Stats,
    viewer: &Viewer,
    wanted: Asked,
    kind: Kind,
) -> Result<Response, Trouble> {
    let Query(wanted) = wanted.map_err(|_| {
        BadQuery::new(
            "the address must have site and by, and may have from, to and page, each once",
        )
    })?;
    let site = SiteHost::parse(&wanted.site).map_err(|_| Trouble::NotFound)?;
    let site = stats.visible_site(viewer.access(), &site).ok_or(Trouble::NotFound)?;
    let by = Breakdown::parse(&wanted.by)?;
    let bounds = stats.kept(&stats.time_zone(&site));
    let range = range(wanted.from.as_deref(), wanted.to.as_deref(), &bounds)?;
    let page = page(wanted.page, by)?;
    let name = format!("headcount-{}-{}-{}-{}", site, by.as_str(), range.from, range.to);
    let text = match by.question(&site, range, viewer.k(stats.k()), ROWS_MAX) {
        Some(question) => {
            let question = Question { zone: bounds.zone, pages: page, ..question };
            let asked = question.clone();
            let found = stats.run(move |backend| (backend.ask)(&asked)).await?;
            written(question, viewer, found, kind)?
        }
        None if !viewer.is_owner() => return Err(Trouble::OwnersOnly),
        None => {
            let found =
                stats.run(move |backend| (backend.refused)(&site, range.from, range.to)).await?;
            written_refused(&found, kind)?
        }
    };
    Ok(attachment(text, &name, kind))
}

/// The filter of a page, where the list can follow one.
fn page(page: Option<String>, by: Breakdown) -> Result<Vec<PageFilter>, BadQuery> {
    let Some(page) = page.filter(|page| !page.is_empty()) else { return Ok(Vec::new()) };
    if !by.is_per_page() {
        return Err(BadQuery::new(
            "page cannot be chosen for this list: attributes and refusals are counted for the whole \
             site and never per page; leave page out",
        ));
    }
    if page.len() > PAGE_BYTES_MAX {
        return Err(BadQuery::new(format!("page may have at most {PAGE_BYTES_MAX} bytes")));
    }
    Ok(vec![PageFilter::Is(vec![page])])
}

/// The days between two optional dates; without `to` until today, without `from` 30 days.
pub(crate) fn range(
    from: Option<&str>,
    to: Option<&str>,
    bounds: &Bounds,
) -> Result<Range, BadQuery> {
    let day = |text: Option<&str>, name: &str| match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => date::day_of(text, &bounds.zone)
            .map(Some)
            .ok_or_else(|| BadQuery::new(format!("{name} is not a date: write 2026-01-31"))),
    };
    let (from, to) = (day(from, "from")?, day(to, "to")?);
    let last = to.unwrap_or(bounds.today);
    date::between(from.unwrap_or(last.minus(29)), last, bounds)
}

/// Every row of a list, which was asked for in one question and so is of one moment.
fn written(
    question: Question,
    viewer: &Viewer,
    found: Answer,
    kind: Kind,
) -> Result<String, Trouble> {
    if found.rows_total > u64::from(ROWS_MAX) {
        return Err(Trouble::Bad(BadQuery::new(format!(
            "the list has more than {ROWS_MAX} rows: ask for a shorter period"
        ))));
    }
    let (plan, found) = (Plan::of(question), viewer.answer(found));
    Ok(match kind {
        Kind::Csv => csv(&Sheet::of(&plan, &found))?,
        Kind::Json => json_text(&answer::to_json(&plan, &found)),
    })
}

fn written_refused(refused: &[Refused], kind: Kind) -> Result<String, Trouble> {
    Ok(match kind {
        Kind::Csv => csv(&Sheet::of_refused(refused))?,
        Kind::Json => json_text(&refused_json(refused)),
    })
}

fn csv(sheet: &Sheet) -> Result<String, Trouble> {
    sheet.to_csv().map_err(|error| Trouble::failed(&error))
}

fn attachment(text: String, name: &str, kind: Kind) -> Response {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = name.chars().map(safe).collect();
    let (media, ending) = match kind {
        Kind::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Kind::Json => ("application/json; charset=utf-8", "json"),
    };
    let mut response = reply::typed(StatusCode::OK, media, text);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{ending}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
