//! Signing in and out: a code, a token or a link for a session's cookie.
//!
//! What it is not: accounts. There are codes that the operator's terminal prints, tokens and links
//! that the operator makes; nobody has a password.
//!
//! What surprises: the code works again while the process runs, or for as long as that allows. Its
//! link is printed once and people click it twice; it is 256 bits, so only its holder has it. A link of `headcount signin`
//! travels by mail, so it works once.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use headcount_store::control::{self, Proof};
use serde::Deserialize;

use crate::access::{self, CREDENTIAL_BYTES_MAX, Cause};
use crate::assets;
use crate::reply::{self, Trouble};
use crate::session::{Access, SESSION_SECONDS, Session};
use crate::state::Stats;
use crate::tries::Asker;

/// The page for those who are not signed in.
#[derive(Template)]
#[template(path = "signin.html")]
struct SignInPage {
    css: &'static str,
    failed: bool,
    by_link: bool,
}

/// The query of `/signin`.
#[derive(Deserialize)]
pub(crate) struct Code {
    #[serde(default)]
    code: String,
}

type Asked = Result<Query<Code>, QueryRejection>;

/// The sign-in page itself; `failed` after a wrong credential.
pub(crate) fn page(failed: bool) -> Response {
    shown(StatusCode::UNAUTHORIZED, SignInPage { css: assets::css_path(), failed, by_link: false })
}

/// Its form says to us, and to nobody else, that it is ours.
fn shown(status: StatusCode, page: SignInPage) -> Response {
    let mut response = reply::html(status, &page);
    let policy = HeaderValue::from_static("same-origin");
    response.headers_mut().insert(header::REFERRER_POLICY, policy);
    response
}

/// `GET /signin?code=CODE`. The code of this process signs in at once. A link that works once must
/// not be used up by a program that only looks at it, so it gets a page with a button.
pub(crate) async fn by_link(
    State(stats): State<Stats>,
    Extension(asker): Extension<Asker>,
    method: Method,
    code: Asked,
) -> Response {
    let Ok(Query(Code { code })) = code else { return page(true) };
    if code.is_empty() {
        return page(false);
    }
    if stats.is_code(&code) {
        let entered = match method {
            Method::GET => enter(&stats, asker, &code).await,
            _ => return page(false),
        };
        return entered.unwrap_or_else(refused);
    }
    if !control::has_form(&code) {
        return page(true);
    }
    shown(StatusCode::OK, SignInPage { css: assets::css_path(), failed: false, by_link: true })
}

/// `POST /signin` with a token or a code in a form, or with a link's code in the address.
pub(crate) async fn by_form(
    State(stats): State<Stats>,
    Extension(asker): Extension<Asker>,
    code: Asked,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    // Nobody is to be signed in with the token of somebody else.
    if matches!(access::origin(&head.headers), Cause::OtherSite | Cause::Hidden) {
        return Trouble::CrossSite.into_text();
    }
    let body = match reply::body(body).await {
        Ok(body) => body,
        Err(trouble) => return trouble.into_text(),
    };
    let field = form_urlencoded::parse(&body).find(|(key, _)| key == "token");
    let secret = match (&field, &code) {
        (Some((_, token)), _) => token.trim(),
        (None, Ok(Query(Code { code }))) => code,
        (None, Err(_)) => return page(true),
    };
    enter(&stats, asker, secret).await.unwrap_or_else(refused)
}

fn refused(trouble: Trouble) -> Response {
    match trouble {
        Trouble::Unauthorized => page(true),
        trouble => trouble.into_text(),
    }
}

/// Begins a session with a code, a token or a link. It is in the admin log before it is open.
async fn enter(stats: &Stats, asker: Asker, secret: &str) -> Result<Response, Trouble> {
    if !(1..=CREDENTIAL_BYTES_MAX).contains(&secret.len()) {
        return Err(Trouble::Unauthorized);
    }
    let now = stats.now();
    stats.tries().may_try(asker, secret, now)?;
    let is_code = stats.is_code(secret);
    stats.tries().may_sign_in(secret, now)?;
    let asked = secret.to_owned();
    let entered = stats
        .run(move |backend| {
            let proof = if is_code { Proof::Code } else { Proof::Secret(&asked) };
            (backend.doors.sign_in)(proof)
        })
        .await?;
    let Some(grant) = entered else {
        stats.tries().wrong(asker, now);
        return Err(Trouble::Unauthorized);
    };
    stats.tries().signed_in((!is_code).then_some(secret), now);
    let token = (!is_code).then_some(grant.id);
    let session = Session { access: Access::of(&grant), token };
    let id = stats.sessions().open(session, now).map_err(|error| Trouble::failed(&error))?;
    Ok(to_dashboard(stats, &id, SESSION_SECONDS))
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
