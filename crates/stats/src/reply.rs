//! Answers: their bodies, their headers, and what trouble looks like.
//!
//! What it is not: a place for a requester's words. No answer of this file repeats anything that
//! was sent.
//!
//! What surprises: trouble has two faces, JSON for clients of the API and plain text for people;
//! both carry the same status.

use std::convert::Infallible;
use std::io::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use headcount_store::StoreError;
use serde_json::{Value, json};

use crate::backend::Unanswered;
use crate::query::BadQuery;
use crate::queue::ANSWER_DEADLINE;
use crate::text::json_text;

/// Largest body that is read.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest time a body may take to arrive, well within [`ANSWER_DEADLINE`].
const BODY_DEADLINE: Duration = Duration::from_secs(5);
/// When to ask again after a 503.
const RETRY_AFTER_SECONDS: &str = "2";
/// Smaller answers are not worth packing.
const PACKED_BYTES_MIN: usize = 32;
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// What a page of ours may do: load its own style and script, and talk to its own host.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'self'; require-trusted-types-for 'script'";

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The question cannot be asked.
    Bad(BadQuery),
    /// No credential, or a wrong one.
    Unauthorized,
    /// No such shared link.
    NoShare,
    /// A session's cookie on a request that another site caused.
    CrossSite,
    /// What is not shown on shared links.
    NotShared,
    /// Too many wrong tries, or too many sign-ins.
    TooMany,
    /// Too many sign-ins with one token.
    TooOften,
    /// No such site for this asker, or no such path.
    NotFound,
    /// The body did not arrive in time.
    Slow,
    /// The body is too large.
    Large,
    /// Too many questions at once.
    Busy,
    /// Something of ours failed; it is in the log, and its words stay there.
    Failed,
}

impl From<BadQuery> for Trouble {
    fn from(bad: BadQuery) -> Self {
        Self::Bad(bad)
    }
}

impl From<Unanswered> for Trouble {
    /// What the store declines is the question's fault, and its sentence is for the asker.
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Busy => Self::Busy,
            Unanswered::Store(
                declined @ (StoreError::Unanswerable { .. } | StoreError::TimedOut),
            ) => Self::Bad(BadQuery::new(declined.to_string())),
            failed @ (Unanswered::Store(_) | Unanswered::Panicked) => Self::failed(&failed),
        }
    }
}

impl Trouble {
    /// Notes what failed.
    pub(crate) fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "failed to answer an analyst");
        Self::Failed
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::NoShare => StatusCode::UNAUTHORIZED,
            Self::CrossSite | Self::NotShared => StatusCode::FORBIDDEN,
            Self::TooMany | Self::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy | Self::Failed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Bad(bad) => return bad.to_string(),
            Self::Unauthorized => {
                "send a valid API token as \"Authorization: Bearer TOKEN\"; one that is unknown, \
                 revoked or expired opens nothing"
            }
            Self::NoShare => "this link is not valid, or not any more: ask for a new one",
            Self::CrossSite => "a signed-in browser may only ask from the dashboard's own pages",
            Self::NotShared => "hits that were not counted are not shown on shared links",
            Self::TooMany => "too many wrong tokens or sign-ins: ask again in a minute",
            Self::TooOften => {
                "this token has signed in too often: sign in again in ten minutes, or ask for a token \
                 or link of your own"
            }
            Self::NotFound => "there is no such site or path for this token",
            Self::Slow => "the body did not arrive in time",
            Self::Large => return format!("the body may have at most {BODY_BYTES_MAX} bytes"),
            Self::Busy => "too many questions at once, or this one takes too long: ask again soon",
            Self::Failed => "the counts cannot be read now: ask again soon",
        }
        .to_owned()
    }

    /// For clients of the API.
    pub(crate) fn into_json(self) -> Response {
        let response = json(self.status(), &json!({ "error": self.reason() }));
        self.with_headers(response)
    }

    /// For people.
    pub(crate) fn into_text(self) -> Response {
        let response = text(self.status(), self.reason() + "\n");
        self.with_headers(response)
    }

    fn with_headers(&self, mut response: Response) -> Response {
        let (name, value) = match self {
            Self::Unauthorized | Self::NoShare => (header::WWW_AUTHENTICATE, "Bearer"),
            Self::Busy | Self::Failed => (header::RETRY_AFTER, RETRY_AFTER_SECONDS),
            Self::TooMany => (header::RETRY_AFTER, "60"),
            Self::TooOften => (header::RETRY_AFTER, "600"),
            _ => return response,
        };
        response.headers_mut().insert(name, HeaderValue::from_static(value));
        response
    }
}

/// The body, if it is small and arrives in time.
pub(crate) async fn body(body: Body) -> Result<Bytes, Trouble> {
    match tokio::time::timeout(BODY_DEADLINE, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Trouble::Large),
        Err(_) => Err(Trouble::Slow),
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    typed(status, "application/json; charset=utf-8", json_text(value))
}

/// A plain answer.
pub(crate) fn text(status: StatusCode, text: String) -> Response {
    typed(status, "text/plain; charset=utf-8", text)
}

/// How the asker takes an answer that grows with what there is. It is packed where it is made, not
/// where requests are read.
#[derive(Clone, Copy)]
pub(crate) struct Packing {
    gzip: bool,
}

impl Packing {
    /// Reads `Accept-Encoding`.
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        let gzip = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let refused = |weight: &str| {
                    weight
                        .strip_prefix("q=")
                        .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
                };
                name.eq_ignore_ascii_case("gzip") && !parts.any(refused)
            });
        Self { gzip }
    }

    /// A page.
    pub(crate) fn page(self, page: &impl askama::Template) -> Result<Response, Trouble> {
        let text = page.render().map_err(|error| Trouble::failed(&error))?;
        Ok(self.typed("text/html; charset=utf-8", text))
    }

    /// A JSON answer.
    pub(crate) fn json(self, value: &Value) -> Response {
        self.typed("application/json; charset=utf-8", json_text(value))
    }

    /// An answer of a given type.
    pub(crate) fn typed(self, kind: &'static str, text: String) -> Response {
        let packed = (self.gzip && text.len() >= PACKED_BYTES_MIN).then(|| packed(&text)).flatten();
        let mut response = match packed {
            Some(bytes) => {
                let mut response = typed(StatusCode::OK, kind, bytes);
                response.headers_mut().insert(header::CONTENT_ENCODING, GZIP);
                response
            }
            None => typed(StatusCode::OK, kind, text),
        };
        let vary = HeaderValue::from_static("accept-encoding");
        response.headers_mut().insert(header::VARY, vary);
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Packing {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&head.headers))
    }
}

/// The text in gzip; writing to memory does not fail.
fn packed(text: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).ok()?;
    encoder.finish().ok()
}

/// A page.
pub(crate) fn html(status: StatusCode, page: &impl askama::Template) -> Response {
    match page.render() {
        Ok(text) => typed(status, "text/html; charset=utf-8", text),
        Err(error) => Trouble::failed(&error).into_text(),
    }
}

/// An answer of a given type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, text: impl Into<Body>) -> Response {
    let mut response = (status, text.into()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    #[cfg(test)]
    response.extensions_mut().insert(std::thread::current().id());
    response
}

/// Answers in time, whatever a request waits for: its body, a token, a turn or the store. Later its
/// connection would be cut without a word.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_json = path.starts_with("/api/") || path.contains("/export.");
    match tokio::time::timeout(ANSWER_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) if is_json => Trouble::Busy.into_json(),
        Err(_) => Trouble::Busy.into_text(),
    }
}

/// Puts the headers on that every answer has; `Cache-Control` and `Referrer-Policy` only where none was
/// chosen.
pub(crate) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in
        [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")]
    {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
