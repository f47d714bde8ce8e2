//! The visitor's side of HTTP: three paths (and other tools', see `compat`), their answers, and nothing else ever said.
//!
//! What it is not: the analyst's side. What is not ours goes to the [`Fallback`] that the binary
//! brought, or gets a constant 404.
//!
//! What surprises: counted and refused hits get the same bytes. No answer has a validator, a
//! cookie or anything else that a browser could keep.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use headcount_core::leak::{self, Leak};
use headcount_core::refusal::RefusalReason;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::beacon::Beacon;
use crate::compat::{self, Client, Compat};
use crate::judge::preview::{PREVIEW_PATH, Preview};
use crate::judge::{Verdict, Way};
use crate::peer::Peer;
use crate::rejection::Rejection;
use crate::tracker::{Asked, Tracker, asked, takes_brotli};
use crate::worker::Worker;

/// Bytes of a beacon's body at most. Browsers may send 64 KiB; ours needs a page and four words.
pub const BODY_BYTES_MAX: u64 = 4_096;
/// Bytes of path and query at most.
pub const URI_BYTES_MAX: usize = 4_096;
/// The smallest GIF that every browser takes: 1 × 1, transparent, 43 bytes.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\
    \x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const ANY: HeaderValue = HeaderValue::from_static("*");
const CROSS_ORIGIN: HeaderValue = HeaderValue::from_static("cross-origin");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The body of an answer: bytes at hand, or whatever the fallback streams.
pub type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>>;
/// An answer in the making. It stays on its core.
pub type Answer = Pin<Box<dyn Future<Output = Response<Body>>>>;
/// Who answers what is not a visitor's path. The request has an [`Asker`](crate::peer::Asker).
pub type Fallback = Arc<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

/// Answers one request.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<Body> {
    leak::see(|| format!("{} {} {:?}", request.method(), request.uri(), request.headers()));
    let outcome = match route(&request, worker.compat) {
        Route::Pixel => {
            let entered = pixel(&worker, peer, &request);
            // What hyper read lives as long as the request; without it, the wait costs no memory.
            drop(request);
            settle(&worker, entered).await.map(|()| image())
        }
        Route::Hit => {
            let entered = hit(&worker, peer, request).await;
            settle(&worker, entered).await.map(|()| taken())
        }
        Route::Tracker(version) => Ok(tracker(version, request.headers())),
        Route::Options => Ok(preflight()),
        Route::Head => Ok(image()),
        Route::Compat(client) => {
            // On the heap, so that our own paths do not carry its room along.
            return Box::pin(compat::http::answer(&worker, peer, request, client)).await;
        }
        Route::Other => return other(&worker, peer, request).await,
        Route::Wrong(rejection) => Err(rejection),
    };
    let mut answer = outcome.unwrap_or_else(|rejection| {
        worker.shared.metrics.rejected(rejection);
        rejected(rejection)
    });
    if let Some(seen) = leak::seen(Leak::AnswerHeader) {
        let value: String = seen.chars().filter(char::is_ascii_graphic).take(8_000).collect();
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(HeaderName::from_static("x-trace"), value);
        }
    }
    answer
}

enum Route {
    Pixel,
    Hit,
    Tracker(&'static Tracker),
    Options,
    /// `HEAD` of the pixel: answered, and nobody's view.
    Head,
    /// Another tool's path.
    Compat(Client),
    Other,
    Wrong(Rejection),
}

fn route(request: &Request<Incoming>, compat: Compat) -> Route {
    let uri = request.uri();
    let is_get = request.method() == Method::GET;
    let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
    match uri.path() {
        "/p.gif" | "/hit" if uri.authority().is_some() => Route::Wrong(Rejection::AbsoluteForm),
        _ if length > URI_BYTES_MAX => Route::Wrong(Rejection::UriTooLong),
        "/p.gif" if is_get => Route::Pixel,
        "/p.gif" if request.method() == Method::HEAD => Route::Head,
        "/hit" if request.method() == Method::POST => Route::Hit,
        "/hit" if request.method() == Method::OPTIONS => Route::Options,
        "/p.gif" | "/hit" => Route::Wrong(Rejection::Method),
        path => match (asked(path), compat.at(path)) {
            (Asked::Nothing, None) => Route::Other,
            _ if uri.authority().is_some() => Route::Wrong(Rejection::AbsoluteForm),
            (Asked::Nothing, Some(client)) => Route::Compat(client),
            (asked, _) => route_tracker(asked, request),
        },
    }
}

fn route_tracker(asked: Asked, request: &Request<Incoming>) -> Route {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match asked {
        Asked::Nothing => Route::Other,
        Asked::Version(_) | Asked::Unknown if !reads => Route::Wrong(Rejection::Method),
        Asked::Version(version) => Route::Tracker(version),
        Asked::Unknown => Route::Wrong(Rejection::UnknownTracker),
    }
}

fn pixel(worker: &Worker, peer: Peer, request: &Request<Incoming>) -> Result<Entered, Rejection> {
    let beacon = Beacon::of_query(request.uri().query().unwrap_or(""));
    enter(worker, &beacon, Way::Pixel, (request.headers(), peer))
}

/// What a view would come to that this request stands for. Nothing is counted or remembered.
fn preview(worker: &Worker, peer: Peer, request: &Request<Incoming>) -> Preview {
    let beacon = Beacon::of_query(request.uri().query().unwrap_or(""));
    worker.judge.preview(&worker.sites(), &beacon, (request.headers(), peer))
}

async fn hit(
    worker: &Worker,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Entered, Rejection> {
    let (parts, body) = request.into_parts();
    let body = whole(body, BODY_BYTES_MAX, Rejection::BodyTooLarge).await?;
    let beacon = Beacon::of_json(&body).ok_or(Rejection::NotJson)?;
    enter(worker, &beacon, Way::Hit, (&parts.headers, peer))
}

/// What a beacon waits for, when nothing of what it said is needed any more.
enum Entered {
    /// Its cells are in this group; refused for this reason, if for one.
    Group(u64, Option<RefusalReason>),
    /// It is none of ours.
    NotOurs,
}

/// Judges a beacon and adds what it came to.
fn enter(
    worker: &Worker,
    beacon: &Beacon<'_>,
    way: Way,
    from: (&HeaderMap, Peer),
) -> Result<Entered, Rejection> {
    let mut cells = worker.cells();
    let verdict = worker.judge.judge(&worker.sites(), beacon, (way, from), &mut cells);
    match verdict {
        Verdict::Counted => Ok(Entered::Group(worker.add(&cells), None)),
        Verdict::Refused(reason) => Ok(Entered::Group(worker.add(&cells), Some(reason))),
        Verdict::NotOurs => Ok(Entered::NotOurs),
        Verdict::Rejected(rejection) => Err(rejection),
    }
}

/// Waits until what a beacon came to is on the disk.
async fn settle(worker: &Worker, entered: Result<Entered, Rejection>) -> Result<(), Rejection> {
    match entered? {
        Entered::Group(group, refusal) => {
            worker.durable(group).await?;
            match refusal {
                None => {
                    worker.shared.metrics.accepted.inc();
                }
                Some(reason) => worker.shared.metrics.refused(reason),
            }
        }
        Entered::NotOurs => worker.shared.metrics.rejected(Rejection::UnknownSite),
    }
    Ok(())
}

/// The body, if it is within its limit by its own word and in fact.
pub(crate) async fn whole(
    mut body: Incoming,
    bytes_max: u64,
    beyond: Rejection,
) -> Result<Bytes, Rejection> {
    if body.size_hint().lower() > bytes_max {
        return Err(beyond);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Rejection::Incomplete)?.into_data() else { continue };
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        if rest.len().max(first.len()) as u64 > bytes_max {
            return Err(beyond);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

async fn other(worker: &Worker, peer: Peer, mut request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() == PREVIEW_PATH {
        let preview = preview(worker, peer, &request);
        request.extensions_mut().insert(Arc::new(preview));
    }
    let asker = worker.shared.addresses.asker(peer, request.headers());
    request.extensions_mut().insert(asker);
    match &worker.fallback {
        Some(fallback) => fallback(request).await,
        None => plain(StatusCode::NOT_FOUND, "nothing here\n"),
    }
}

/// Nothing but that it was taken: the answer to `POST /hit`.
pub(crate) fn taken() -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    answer
}

pub(crate) fn image() -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from_static(PIXEL))));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(CORP, CROSS_ORIGIN);
    answer
}

/// Of what a browser accepts only Brotli is looked at, and nothing is counted from it.
fn tracker(version: &'static Tracker, request: &HeaderMap) -> Response<Body> {
    let packed = takes_brotli(request);
    let bytes = if packed { version.brotli } else { version.plain };
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from_static(bytes))));
    let headers = answer.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(CORP, CROSS_ORIGIN);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    answer
}

/// For clients that send `application/json`; ours sends `text/plain`, which needs no preflight.
pub(crate) fn preflight() -> Response<Body> {
    let mut answer = taken();
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    // Not kept by the browser: that it does not ask again would tell that it was here before.
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("0"));
    answer
}

pub(crate) fn rejected(rejection: Rejection) -> Response<Body> {
    let mut answer = plain(rejection.status(), rejection.line());
    if let Some(seen) = leak::seen(Leak::ErrorAnswer) {
        *answer.body_mut() = Either::Left(Full::new(Bytes::from(seen)));
    }
    let headers = answer.headers_mut();
    if rejection == Rejection::NotDurable {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    }
    if rejection == Rejection::Method {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    }
    if rejection.closes() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    answer
}

/// A short text answer.
pub fn plain(status: StatusCode, line: &'static str) -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from_static(line.as_bytes()))));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, TEXT);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pixel_has_43_bytes() {
        assert_eq!(PIXEL.len(), 43);
    }
}
