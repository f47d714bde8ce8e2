//! Who asks: a bearer token, the cookie of an open session, or the address of a shared link.
//!
//! What it is not: what they may see. That is [`crate::session::Access`] and the list of sites.
//!
//! What surprises: a cookie alone is not enough for a POST. The browser must also say, by
//! `Sec-Fetch-Site` or `Origin`, that the dashboard's own page asked.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderName, Request, header};
use axum::middleware::Next;
use axum::response::Response;
use headcount_store::control::{Grant, Kind};

use crate::reply::Trouble;
use crate::session::Access;
use crate::signin;
use crate::state::Stats;
use crate::tries::Asker;
use crate::viewer::Viewer;

/// Longest credential that is looked at; ours have 67 characters.
pub(crate) const CREDENTIAL_BYTES_MAX: usize = 256;
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request would do with a session's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Read by GET: refused only if the browser says that another site caused it.
    Get,
    /// Ask by POST: the browser must say that our own page caused it.
    Post,
}

/// What a route wants to see before anything of it runs. Its handler then finds a [`Viewer`] among
/// the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing: signing in and out, and what the sign-in page needs.
    Public,
    /// A session; without one, the sign-in page.
    Page,
    /// A bearer token or a session.
    Api(Purpose),
    /// The token of a shared link, in the address.
    Share,
}

/// Lets a request through to its route, or answers it.
pub(crate) async fn keep(
    State((stats, guard)): State<(Stats, Guard)>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let (headers, asker) = (request.headers(), asker(request.extensions()));
    let viewer = match guard {
        Guard::Public => return next.run(request).await,
        Guard::Page => match by_cookie(&stats, headers).await {
            Ok(Some(access)) => Viewer::new(access),
            Ok(None) => return signin::page(false),
            Err(trouble) => return trouble.into_text(),
        },
        Guard::Api(purpose) => match check(&stats, (headers, asker), purpose).await {
            Ok(access) => Viewer::new(access),
            Err(trouble) => return trouble.into_json(),
        },
        Guard::Share => match by_share(&stats, asker, share_token(request.uri().path())).await {
            Ok(viewer) => viewer,
            Err(trouble) => return trouble.into_text(),
        },
    };
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

/// The number of the network, as the listener put it there.
pub(crate) fn asker(extensions: &Extensions) -> Asker {
    extensions.get().copied().unwrap_or_default()
}

/// Who asks, or why nobody does.
async fn check(
    stats: &Stats,
    (headers, asker): (&HeaderMap, Asker),
    purpose: Purpose,
) -> Result<Access, Trouble> {
    if headers.contains_key(header::AUTHORIZATION) {
        let token = bearer(headers).ok_or(Trouble::Unauthorized)?;
        let grant = grant(stats, asker, token.trim()).await?;
        // A shared link opens its own pages and nothing else.
        return if grant.kind == Kind::Api {
            Ok(Access::of(&grant))
        } else {
            Err(Trouble::Unauthorized)
        };
    }
    let access = by_cookie(stats, headers).await?.ok_or(Trouble::Unauthorized)?;
    match (origin(headers), purpose) {
        (Cause::OwnPage, _) | (Cause::Unknown | Cause::Hidden, Purpose::Get) => Ok(access),
        _ => Err(Trouble::CrossSite),
    }
}

/// Who reads by the shared link with this token.
async fn by_share(stats: &Stats, asker: Asker, token: &str) -> Result<Viewer, Trouble> {
    match grant(stats, asker, token).await {
        Ok(Grant { site: Some(site), kind: Kind::Share, .. }) => {
            Ok(Viewer::of_share(site, token.to_owned()))
        }
        Ok(_) | Err(Trouble::Unauthorized) => Err(Trouble::NoShare),
        Err(trouble) => Err(trouble),
    }
}

/// The part of the address after `/share/`.
fn share_token(path: &str) -> &str {
    let rest = path.strip_prefix("/share/").unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

/// What a token opens. An unknown, a revoked and an expired one are the same here and for the asker.
async fn grant(stats: &Stats, asker: Asker, token: &str) -> Result<Grant, Trouble> {
    let token = Some(token).filter(|token| (1..=CREDENTIAL_BYTES_MAX).contains(&token.len()));
    let token = token.ok_or(Trouble::Unauthorized)?.to_owned();
    stats.tries().may_try(asker, &token, stats.now())?;
    let asked = token.clone();
    match stats.run(move |backend| (backend.doors.grant)(&asked)).await? {
        Some(grant) => {
            stats.tries().right(&token);
            Ok(grant)
        }
        None => {
            stats.tries().wrong(asker, stats.now());
            Err(Trouble::Unauthorized)
        }
    }
}

/// What the session of the request's cookie may see; it ends with the token that began it.
pub(crate) async fn by_cookie(
    stats: &Stats,
    headers: &HeaderMap,
) -> Result<Option<Access>, Trouble> {
    let Some(id) = session_id(stats, headers) else { return Ok(None) };
    let Some(session) = stats.sessions().find(id, stats.now()) else { return Ok(None) };
    let Some(token) = session.token else { return Ok(Some(session.access)) };
    if stats.run(move |backend| (backend.doors.standing)(&token)).await?.is_some() {
        return Ok(Some(session.access));
    }
    stats.sessions().close(id);
    Ok(None)
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
    /// Nobody says: no browser, or one that has nothing to say of a GET.
    Unknown,
    /// A page that tells nobody where it is. Those of the dashboard are such, and so is any other site
    /// that wants to be; the sign-in page is not.
    Hidden,
}

/// Reads `Sec-Fetch-Site`, or else compares `Origin` with `Host`. Browsers leave out the first where
/// the dashboard is reached without TLS, and not on this machine.
pub(crate) fn origin(headers: &HeaderMap) -> Cause {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text(&SEC_FETCH_SITE), text(&header::ORIGIN)) {
        (Some("same-origin" | "none"), _) => Cause::OwnPage,
        (Some(_), _) => Cause::OtherSite,
        (None, None) => Cause::Unknown,
        (None, Some("null")) => Cause::Hidden,
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
