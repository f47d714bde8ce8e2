//! `GET /` and `GET /list`: one site's numbers for one period as pages, made on the server; and the
//! same under `/share/TOKEN` for readers of a shared link.
//!
//! What it is not: an application. It works without script; the script only asks for the same page
//! again while today is shown.
//!
//! What surprises: without a session this is the sign-in page with status 401, at the same address,
//! so a link to the dashboard survives signing in.

pub(crate) mod country;
pub(crate) mod gather;
pub(crate) mod links;
pub(crate) mod list;
pub(crate) mod number;
pub(crate) mod panel;
pub(crate) mod period;
pub(crate) mod plot;
pub(crate) mod series;
pub(crate) mod view;
pub(crate) mod widen;

#[cfg(test)]
mod tests;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use headcount_core::site::SiteHost;
use headcount_core::time::Hour;
use headcount_store::question::Metric;
use serde::Deserialize;

use crate::breakdown::Breakdown;
use crate::query::date::Bounds;
use crate::query::words::metric_column;
use crate::queue::Reading;
use crate::reply::{self, Packing, Trouble};
use crate::state::{Snippet, Stats};
use crate::text::TEXT_BYTES_MAX;
use crate::viewer::Viewer;

use self::gather::{HEADLINE, LIST_ROWS, Subject};
use self::links::Links;
use self::list::ListPage;
use self::period::Period;
use self::view::DashboardPage;

/// The query of the dashboard and of its lists.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    site: Option<String>,
    period: Option<String>,
    from: Option<String>,
    to: Option<String>,
    page: Option<String>,
    metric: Option<String>,
    by: Option<String>,
    search: Option<String>,
    at: Option<String>,
}

/// What an address stands for.
pub(crate) struct Page {
    pub(crate) viewer: Viewer,
    pub(crate) subject: Subject,
    pub(crate) period: Period,
    pub(crate) bounds: Bounds,
    pub(crate) sites: Vec<SiteHost>,
    pub(crate) visitors_note: String,
    /// What a site without counts needs first.
    pub(crate) snippet: Snippet,
}

impl Page {
    pub(crate) fn links(&self) -> Links<'_> {
        Links { subject: &self.subject, period: &self.period, viewer: &self.viewer }
    }
}

type Asked = Result<Query<Chosen>, QueryRejection>;

/// Answers `GET /?site=HOST&period=7d`, or with `from` and `to`, and optionally `page` and `metric`;
/// and the same under `/share/TOKEN`.
pub(crate) async fn handle(
    State(stats): State<Stats>,
    Extension(viewer): Extension<Viewer>,
    packing: Packing,
    chosen: Asked,
) -> Response {
    show(&stats, viewer, chosen, packing).await.unwrap_or_else(Trouble::into_text)
}

/// Answers `GET /list?site=HOST&by=page`, with the same period, and optionally `search` and `at`.
pub(crate) async fn handle_list(
    State(stats): State<Stats>,
    Extension(viewer): Extension<Viewer>,
    packing: Packing,
    chosen: Asked,
) -> Response {
    show_list(&stats, viewer, chosen, packing).await.unwrap_or_else(Trouble::into_text)
}

async fn show(
    stats: &Stats,
    viewer: Viewer,
    chosen: Asked,
    packing: Packing,
) -> Result<Response, Trouble> {
    let chosen = chosen.map(|Query(chosen)| chosen).unwrap_or_default();
    let Some(page) = page(stats, viewer.clone(), &chosen)? else { return Ok(no_site()) };
    let job = move |store: &Reading| {
        let mut found = gather::gather(store, &page.subject)?;
        let blur = |answer: &mut _| *answer = page.viewer.answer(std::mem::take(answer));
        found.attributes.iter_mut().map(|found| &mut found.answer).for_each(blur);
        [&mut found.pages, &mut found.targets].into_iter().for_each(blur);
        packing.page(&DashboardPage::new(&page, &found))
    };
    stats.answer(&viewer, job).await
}

async fn show_list(
    stats: &Stats,
    viewer: Viewer,
    chosen: Asked,
    packing: Packing,
) -> Result<Response, Trouble> {
    let chosen = chosen.map(|Query(chosen)| chosen).unwrap_or_default();
    let by = Breakdown::parse(chosen.by.as_deref().unwrap_or_default())?;
    let Some(page) = page(stats, viewer.clone(), &chosen)? else { return Ok(no_site()) };
    let question = list::question(&page, by).filter(|_| by.is_list()).ok_or(Trouble::NotFound)?;
    let job = move |store: &Reading| {
        let found = page.viewer.answer(store.ask(&question)?);
        let search = short(chosen.search.as_deref()).unwrap_or_default();
        let at = chosen.at.as_deref().and_then(|at| at.parse().ok()).unwrap_or(1);
        packing.page(&ListPage::new(&page, by, (search, at), found))
    };
    stats.answer(&viewer, job).await
}

/// Reads an address; none while there is no site.
fn page(stats: &Stats, viewer: Viewer, chosen: &Chosen) -> Result<Option<Page>, Trouble> {
    let sites = stats.visible_sites(viewer.access());
    let site = match chosen.site.as_deref() {
        None | Some("") => sites.first().cloned(),
        Some(text) => {
            let asked = SiteHost::parse(text).map_err(|_| Trouble::NotFound)?;
            Some(stats.visible_site(viewer.access(), &asked).ok_or(Trouble::NotFound)?)
        }
    };
    let Some(site) = site else { return Ok(None) };
    let time_zone = stats.time_zone(&site);
    let bounds = viewer.bounds(stats.kept(&time_zone))?;
    let days = [chosen.from.as_deref(), chosen.to.as_deref()];
    let period = Period::read(chosen.period.as_deref(), days, &bounds, &viewer);
    let metric = HEADLINE
        .into_iter()
        .find(|metric| chosen.metric.as_deref() == Some(metric_column(*metric)))
        .unwrap_or(Metric::Views);
    let subject = Subject {
        site,
        time_zone,
        range: period.range,
        before: period.before(&bounds),
        wider: period.wider(&bounds),
        metric,
        page: short(chosen.page.as_deref()).map(str::to_owned),
        k: viewer.k(stats.k()),
        rows_asked: viewer.rows_asked(LIST_ROWS),
        now: Hour::of_unix(stats.now()),
        k_day: stats.k_day(),
        hours: stats.hours(),
        refusals: viewer.sees_refusals(),
        is_exact: !viewer.is_share(),
    };
    let visitors_note = stats.visitors_note();
    let snippet = stats.snippet(&subject.site);
    Ok(Some(Page { viewer, subject, period, bounds, sites, visitors_note, snippet }))
}

fn short(text: Option<&str>) -> Option<&str> {
    text.filter(|text| (1..=TEXT_BYTES_MAX).contains(&text.len()))
}

fn no_site() -> Response {
    let text = "there is no site yet: add one with \"headcount site add HOST\"\n".to_owned();
    reply::text(StatusCode::OK, text)
}
