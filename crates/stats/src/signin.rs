//! Signing in and out: a code or a token for a session's cookie.
//!
//! What it is not: accounts. There are codes that the operator's terminal prints and tokens that
//! the operator makes; nobody has a password.
//!
//! What surprises: the code works again while the process runs. Its link is printed once and
//! people click it twice; it is 256 bits, so only its holder has it.

use askama::Template;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use crate::access::{self, Cause};
use crate::assets;
use crate::reply::{self, Trouble};
use crate::session::{Access, SESSION_SECONDS};
use crate::state::Stats;

/// The page for those who are not signed in.
#[derive(Template)]
#[template(path = "signin.html")]
struct SignInPage {
    css: &'static str,
    failed: bool,
}

/// The query of `GET /signin`.
#[derive(Deserialize)]
pub(crate) struct Code {
    #[serde(default)]
    code: String,
}

/// The sign-in page itself; `failed` after a wrong credential.
pub(crate) fn page(failed: bool) -> Response {
    let page = SignInPage { css: assets::css_path(), failed };
    reply::html(StatusCode::UNAUTHORIZED, &page)
}

/// `GET /signin?code=CODE`.
pub(crate) async fn by_link(
    State(stats): State<Stats>,
    code: Result<Query<Code>, axum::extract::rejection::QueryRejection>,
) -> Response {
    match code {
        Ok(Query(Code { code })) if stats.codes().contains(&code) => enter(&stats, Access::All),
        Ok(Query(Code { code })) => page(!code.is_empty()),
        Err(_) => page(true),
    }
}

/// `POST /signin` with a token or a code in a form.
pub(crate) async fn by_form(State(stats): State<Stats>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    if access::origin(&head.headers) == Cause::OtherSite {
        return Trouble::CrossSite.into_text();
    }
    let body = match reply::body(body).await {
        Ok(body) => body,
        Err(trouble) => return trouble.into_text(),
    };
    let field = form_urlencoded::parse(&body).find(|(key, _)| key == "token");
    let Some((_, token)) = field else { return page(true) };
    if stats.codes().contains(token.trim()) {
        return enter(&stats, Access::All);
    }
    match access::by_token(&stats, &token).await {
        Ok(access) => enter(&stats, access),
        Err(Trouble::Unauthorized) => page(true),
        Err(trouble) => trouble.into_text(),
    }
}

/// `POST /signout`.
pub(crate) async fn out(State(stats): State<Stats>, headers: HeaderMap) -> Response {
    if access::origin(&headers) == Cause::OtherSite {
        return Trouble::CrossSite.into_text();
    }
    if let Some(id) = access::session_id(&stats, &headers) {
        stats.sessions().close(id);
    }
    to_dashboard(&stats, "", 0)
}

fn enter(stats: &Stats, access: Access) -> Response {
    match stats.sessions().open(access, stats.now()) {
        Ok(id) => to_dashboard(stats, &id, SESSION_SECONDS),
        Err(error) => Trouble::failed(&error).into_text(),
    }
}

/// 303 to the dashboard with the cookie; an age of 0 removes it.
fn to_dashboard(stats: &Stats, id: &str, age_seconds: u64) -> Response {
    let name = access::cookie_name(stats.https());
    let secure = if stats.https() { "; Secure" } else { "" };
    let cookie =
        format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_seconds}{secure}");
    let mut response = reply::text(StatusCode::SEE_OTHER, "signed in or out: go to /\n".to_owned());
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
