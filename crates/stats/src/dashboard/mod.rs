//! `GET /`: one site's numbers for one period as a page, made on the server.
//!
//! What it is not: an application. It works without script; the script only asks for the same page
//! again while today is shown.
//!
//! What surprises: without a session this is the sign-in page with status 401, at the same address,
//! so a link to the dashboard survives signing in.

pub(crate) mod country;
pub(crate) mod gather;
pub(crate) mod period;
pub(crate) mod plot;
pub(crate) mod view;

#[cfg(test)]
mod tests;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use headcount_core::site::SiteHost;
use serde::Deserialize;

use crate::access;
use crate::reply::{self, Trouble};
use crate::session::Access;
use crate::signin;
use crate::state::Stats;

use self::gather::Subject;
use self::period::Period;
use self::view::{Context, DashboardPage};

/// Longest page that can be chosen; no clean page is longer.
const PAGE_BYTES_MAX: usize = 2_048;

/// The query of the dashboard.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    site: Option<String>,
    period: Option<String>,
    from: Option<String>,
    to: Option<String>,
    page: Option<String>,
}

/// Answers `GET /?site=HOST&period=7d`, or with `from` and `to`, and optionally `page`.
pub(crate) async fn handle(
    State(stats): State<Stats>,
    headers: HeaderMap,
    chosen: Result<Query<Chosen>, QueryRejection>,
) -> Response {
    let Some(access) = access::by_cookie(&stats, &headers) else { return signin::page(false) };
    let chosen = chosen.map(|Query(chosen)| chosen).unwrap_or_default();
    respond(&stats, &access, &chosen).await.unwrap_or_else(Trouble::into_text)
}

async fn respond(stats: &Stats, access: &Access, chosen: &Chosen) -> Result<Response, Trouble> {
    let sites = stats.visible_sites(access);
    let site = match chosen.site.as_deref() {
        None | Some("") => sites.first().cloned(),
        Some(text) => {
            let asked = SiteHost::parse(text).map_err(|_| Trouble::NotFound)?;
            Some(stats.visible_site(access, &asked).ok_or(Trouble::NotFound)?)
        }
    };
    let Some(site) = site else {
        let text = "there is no site yet: add one with \"headcount site add HOST\"\n".to_owned();
        return Ok(reply::text(StatusCode::OK, text));
    };
    let bounds = stats.kept();
    let days = [chosen.from.as_deref(), chosen.to.as_deref()];
    let period = Period::read(chosen.period.as_deref(), days, &bounds);
    let page = chosen.page.clone().filter(|page| (1..=PAGE_BYTES_MAX).contains(&page.len()));
    let subject = Subject { site, range: period.range, page, k: stats.k() };
    let asked = subject.clone();
    let found = stats.run(move |backend| gather::gather(backend, &asked)).await?;
    let visitors_note = stats.visitors_note();
    let context = Context { subject, period, bounds, sites, visitors_note };
    Ok(reply::html(StatusCode::OK, &DashboardPage::new(&context, &found)))
}
