//! Who asks: a bearer token, or the cookie of an open session.
//!
//! What it is not: what they may see. That is [`crate::session::Access`] and the list of sites.
//!
//! What surprises: a cookie alone is not enough for a POST. The browser must also say, by
//! `Sec-Fetch-Site` or `Origin`, that the dashboard's own page asked.

use axum::http::{HeaderMap, HeaderName, header};
use headcount_store::control::Grant;

use crate::reply::Trouble;
use crate::session::Access;
use crate::state::Stats;
use crate::viewer::Viewer;

/// Longest credential that is looked at; ours are 64 digits.
pub(crate) const CREDENTIAL_BYTES_MAX: usize = 256;
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the request would do with a session's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Read by GET: refused only if the browser says that another site caused it.
    Get,
    /// Ask by POST: the browser must say that our own page caused it.
    Post,
}

/// Who asks, or why nobody does.
pub(crate) async fn check(
    stats: &Stats,
    headers: &HeaderMap,
    purpose: Purpose,
) -> Result<Access, Trouble> {
    if headers.contains_key(header::AUTHORIZATION) {
        let token = bearer(headers).ok_or(Trouble::Unauthorized)?;
        return by_token(stats, token).await;
    }
    let access = by_cookie(stats, headers).ok_or(Trouble::Unauthorized)?;
    match (origin(headers), purpose) {
        (Cause::OwnPage, _) | (Cause::Unknown, Purpose::Get) => Ok(access),
        _ => Err(Trouble::CrossSite),
    }
}

/// What a token opens.
pub(crate) async fn by_token(stats: &Stats, token: &str) -> Result<Access, Trouble> {
    match grant(stats, token.trim()).await? {
        Grant { site, share: false } => Ok(Access::Site(site)),
        // A shared link opens its own pages and nothing else.
        Grant { share: true, .. } => Err(Trouble::Unauthorized),
    }
}

/// Who reads by the shared link with this token.
pub(crate) async fn by_share(stats: &Stats, token: &str) -> Result<Viewer, Trouble> {
    match grant(stats, token).await {
        Ok(Grant { site, share: true }) => Ok(Viewer::of_share(site, token.to_owned())),
        Ok(Grant { share: false, .. }) | Err(Trouble::Unauthorized) => Err(Trouble::NoShare),
        Err(trouble) => Err(trouble),
    }
}

async fn grant(stats: &Stats, token: &str) -> Result<Grant, Trouble> {
    let token = Some(token).filter(|token| (1..=CREDENTIAL_BYTES_MAX).contains(&token.len()));
    let token = token.ok_or(Trouble::Unauthorized)?.to_owned();
    let grant = stats.run(move |backend| (backend.grant)(&token)).await?;
    grant.ok_or(Trouble::Unauthorized)
}

/// What the session of the request's cookie may see.
pub(crate) fn by_cookie(stats: &Stats, headers: &HeaderMap) -> Option<Access> {
    stats.sessions().find(session_id(stats, headers)?, stats.now())
}

/// The id in the session's cookie.
pub(crate) fn session_id<'a>(stats: &Stats, headers: &'a HeaderMap) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let id = pairs
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, id)| (name == cookie_name(stats.https())).then_some(id))?;
    Some(id).filter(|id| id.len() <= CREDENTIAL_BYTES_MAX)
}

/// The cookie's name. A `__Host-` cookie cannot be set by a sibling host, but needs HTTPS.
pub(crate) fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-headcount_session" } else { "headcount_session" }
}

/// Who caused a request, by the browser's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A page of ours, or the person directly.
    OwnPage,
    /// Another site.
    OtherSite,
    /// The browser does not say.
    Unknown,
}

/// Reads `Sec-Fetch-Site`, or else compares `Origin` with `Host`. An `Origin` of `null` says
/// nothing: our own `no-referrer` makes browsers send it with forms.
pub(crate) fn origin(headers: &HeaderMap) -> Cause {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text(&SEC_FETCH_SITE), text(&header::ORIGIN)) {
        (Some("same-origin" | "none"), _) => Cause::OwnPage,
        (Some(_), _) => Cause::OtherSite,
        (None, None | Some("null")) => Cause::Unknown,
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            if host.is_some() && host == text(&header::HOST) {
                Cause::OwnPage
            } else {
                Cause::OtherSite
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
