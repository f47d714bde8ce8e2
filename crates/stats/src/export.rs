//! `GET /api/v1/export.csv`: one list of one site as a file.
//!
//! What it is not: paged. A list that is too long is refused with a way out, never cut in silence.
//!
//! What surprises: attribute values fold below `k` here as on the dashboard. There is no way
//! around the threshold.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use headcount_core::site::SiteHost;
use headcount_store::question::Question;
use serde::Deserialize;

use crate::access::{self, Purpose};
use crate::backend::{Backend, Said};
use crate::breakdown::Breakdown;
use crate::query::BadQuery;
use crate::query::date::{self, Bounds, Range};
use crate::query::parse::Plan;
use crate::reply::{self, Trouble};
use crate::sheet::Sheet;
use crate::state::Stats;

/// Rows of one file: some 20 MB in memory.
const ROWS_MAX: u32 = 200_000;

/// The query of an export.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    site: String,
    #[serde(default)]
    by: String,
    from: Option<String>,
    to: Option<String>,
}

/// Answers `GET /api/v1/export.csv?site=HOST&by=WORD&from=DAY&to=DAY`; the last 30 days without
/// days.
pub(crate) async fn handle(
    State(stats): State<Stats>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    respond(&stats, &headers, wanted).await.unwrap_or_else(Trouble::into_json)
}

async fn respond(
    stats: &Stats,
    headers: &HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Trouble> {
    let access = access::check(stats, headers, Purpose::Get).await?;
    let Query(wanted) = wanted.map_err(|_| {
        BadQuery::new("the address must have site and by, and may have from and to")
    })?;
    let site = SiteHost::parse(&wanted.site).map_err(|_| Trouble::NotFound)?;
    let site = stats.visible_site(&access, &site).ok_or(Trouble::NotFound)?;
    let by = Breakdown::parse(&wanted.by)?;
    let range = range(wanted.from.as_deref(), wanted.to.as_deref(), &stats.kept())?;
    let name = format!("headcount-{}-{}-{}-{}", site, by.as_str(), range.from, range.to);
    let question = by.question(&site, range, stats.k(), ROWS_MAX);
    let sheet = stats
        .run(move |backend| match question {
            Some(question) => all_rows(backend, question),
            None => (backend.refused)(&site, range.from, range.to)
                .map(|refused| Some(Sheet::of_refused(&refused))),
        })
        .await?
        .ok_or_else(|| {
            BadQuery::new(format!(
                "the list has more than {ROWS_MAX} rows: ask for a shorter period"
            ))
        })?;
    let csv = sheet.to_csv().map_err(|error| Trouble::failed(&error))?;
    Ok(attachment(csv, &name))
}

/// The days between two optional dates; without `to` until today, without `from` 30 days.
pub(crate) fn range(
    from: Option<&str>,
    to: Option<&str>,
    bounds: &Bounds,
) -> Result<Range, BadQuery> {
    let day = |text: Option<&str>, name: &str| match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => date::day_of(text)
            .map(Some)
            .ok_or_else(|| BadQuery::new(format!("{name} is not a date: write 2026-01-31"))),
    };
    let (from, to) = (day(from, "from")?, day(to, "to")?);
    let last = to.unwrap_or(bounds.today);
    date::between(from.unwrap_or(last.minus(29)), last, bounds)
}

/// Every row of a list, in one question and so from one moment; `None` if there are too many.
fn all_rows(backend: &Backend, question: Question) -> Said<Option<Sheet>> {
    let all = (backend.ask)(&question)?;
    let whole = all.rows_total <= u64::from(ROWS_MAX);
    Ok(whole.then(|| Sheet::of(&Plan::of(question), &all)))
}

fn attachment(csv: String, name: &str) -> Response {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = name.chars().map(safe).collect();
    let mut response = reply::typed(StatusCode::OK, "text/csv; charset=utf-8; header=present", csv);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
