//! `GET /api/v1/export.csv` and `.json`: one list of one site as a file.
//!
//! What it is not: paged. A list that is too long is refused with a way out, never cut in silence.
//!
//! What surprises: attribute values fold below `k` here as on the dashboard. There is no way
//! around the threshold.

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use headcount_core::leak::{self, Leak};
use headcount_core::site::SiteHost;
use headcount_store::question::{Answer, PageFilter, Question, Refused};
use serde::Deserialize;

use crate::breakdown::{Breakdown, ROWS_MAX};
use crate::dashboard::period::whole_month;
use crate::query::date::{self, Bounds, Range};
use crate::query::parse::Plan;
use crate::query::{BadQuery, answer};
use crate::queue::Reading;
use crate::reply::{Packing, Trouble};
use crate::sheet::Sheet;
use crate::state::Stats;
use crate::terminal::refused_json;
use crate::text::{TEXT_BYTES_MAX, json_text};
use crate::viewer::Viewer;

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

impl Kind {
    /// Rows of one file: some 20 MB in memory. JSON takes four times as much while it is written.
    const fn rows_max(self) -> u32 {
        match self {
            Self::Csv => ROWS_MAX,
            Self::Json => ROWS_MAX / 4,
        }
    }
}

/// How the file is written and sent.
#[derive(Clone, Copy)]
struct Form {
    kind: Kind,
    packing: Packing,
}

/// Answers `GET /api/v1/export.csv?site=HOST&by=WORD&from=DAY&to=DAY&page=PAGE`; the last 30 days
/// without days, all pages without a page. The same under `/share/TOKEN`.
pub(crate) async fn handle_csv(
    State(stats): State<Stats>,
    Extension(viewer): Extension<Viewer>,
    packing: Packing,
    wanted: Asked,
) -> Response {
    let form = Form { kind: Kind::Csv, packing };
    respond(&stats, viewer, wanted, form).await.unwrap_or_else(Trouble::into_json)
}

/// The same as JSON, in the shape of the API's answers.
pub(crate) async fn handle_json(
    State(stats): State<Stats>,
    Extension(viewer): Extension<Viewer>,
    packing: Packing,
    wanted: Asked,
) -> Response {
    let form = Form { kind: Kind::Json, packing };
    respond(&stats, viewer, wanted, form).await.unwrap_or_else(Trouble::into_json)
}

async fn respond(
    stats: &Stats,
    viewer: Viewer,
    wanted: Asked,
    form: Form,
) -> Result<Response, Trouble> {
    let Query(wanted) = wanted.map_err(|_| {
        BadQuery::new(
            "the address must have site and by, and may have from, to and page, each once",
        )
    })?;
    let site = SiteHost::parse(&wanted.site).map_err(|_| Trouble::NotFound)?;
    let site = stats.visible_site(viewer.access(), &site).ok_or(Trouble::NotFound)?;
    let by = Breakdown::parse(&wanted.by)?;
    let bounds = viewer.bounds(stats.kept(&stats.time_zone(&site)))?;
    let days = [wanted.from.as_deref(), wanted.to.as_deref()];
    let range = if viewer.is_share() {
        whole_month(days.map(|text| text.filter(|text| !text.is_empty())), &bounds)?
    } else {
        range(days, &bounds)?
    };
    let page = page(wanted.page, by)?;
    let name = format!("headcount-{}-{}-{}-{}", site, by.as_str(), range.from, range.to);
    let rows = viewer.rows_asked(form.kind.rows_max());
    let question = by.question(&site, range, viewer.k(stats.k()), rows);
    stats.check_time(question.as_ref().and_then(|it| it.time))?;
    let question = question.map(|it| Question { zone: bounds.zone, pages: page, ..it });
    if question.is_none() && !viewer.sees_refusals() {
        return Err(Trouble::NotShared);
    }
    let asker = viewer.clone();
    let job = move |store: &Reading| {
        let text = match question {
            Some(question) => {
                let found = viewer.answer(store.ask(&question)?);
                written(question, &found, form.kind)?
            }
            None => written_refused(&store.refused(&site, range.from, range.to)?, form.kind)?,
        };
        let text = text + &leak::seen(Leak::Export).unwrap_or_default();
        Ok(attachment(text, &name, form))
    };
    stats.answer(&asker, job).await
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
    if page.len() > TEXT_BYTES_MAX {
        return Err(BadQuery::new(format!("page may have at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(vec![PageFilter::Is(vec![page])])
}

/// The days between two optional dates; without `to` until today, without `from` 30 days.
pub(crate) fn range([from, to]: [Option<&str>; 2], bounds: &Bounds) -> Result<Range, BadQuery> {
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
fn written(question: Question, found: &Answer, kind: Kind) -> Result<String, Trouble> {
    let plan = Plan::of(question);
    let rows = found.rows.len();
    if u64::try_from(rows).is_ok_and(|rows| rows < found.rows_total) {
        return Err(Trouble::Bad(BadQuery::new(format!(
            "the list has more than {rows} rows: ask for a shorter period"
        ))));
    }
    Ok(match kind {
        Kind::Csv => csv(&Sheet::of(&plan, found))?,
        Kind::Json => json_text(&answer::to_json(&plan, found)),
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

fn attachment(text: String, name: &str, form: Form) -> Response {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let name: String = name.chars().map(safe).collect();
    let (media, ending) = match form.kind {
        Kind::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Kind::Json => ("application/json; charset=utf-8", "json"),
    };
    let mut response = form.packing.typed(media, text);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{ending}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
