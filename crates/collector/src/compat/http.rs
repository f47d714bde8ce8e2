//! The answers that other tools' trackers expect, around the way of every hit.
//!
//! What it is not: another way. A batch is one group of cells: all of it is counted, or nothing.
//!
//! What surprises: Matomo's script sends with credentials and repeats a request whose answer it may
//! not read. So it is told its own origin, and that credentials are welcome; none is looked at.

use std::cell::{Ref, RefMut};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::{BODY_BYTES_MAX, Client, Reading, goatcounter, matomo, plausible, umami};
use crate::beacon::Text;
use crate::http::{Body, NO_STORE, image, plain, preflight, rejected, taken, whole};
use crate::judge::{Verdict, Way};
use crate::peer::Peer;
use crate::rejection::Rejection;
use crate::release::EdgeCell;
use crate::sites::SiteTable;
use crate::worker::Worker;

/// Header lines that these clients set.
const HEADERS: HeaderValue = HeaderValue::from_static("content-type, x-umami-cache");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");

/// Answers one request of a client.
pub(crate) async fn answer(
    worker: &Worker,
    peer: Peer,
    request: Request<Incoming>,
    client: Client,
) -> Response<Body> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let method = request.method();
    let has_get = matches!(client, Client::Goatcounter | Client::Matomo);
    let outcome = if method == Method::OPTIONS {
        Ok(preflight_of_any())
    } else if method == Method::POST || (has_get && method == Method::GET) {
        take(worker, peer, request, client).await
    } else {
        Err(Rejection::Method)
    };
    let mut answer = outcome.unwrap_or_else(|rejection| {
        worker.shared.metrics.rejected(rejection);
        rejected(rejection)
    });
    let headers = answer.headers_mut();
    match origin {
        Some(origin) if client == Client::Matomo => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        _ => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
    answer
}

/// Reads, judges, and answers when all of it is on the disk.
async fn take(
    worker: &Worker,
    peer: Peer,
    request: Request<Incoming>,
    client: Client,
) -> Result<Response<Body>, Rejection> {
    let (parts, body) = request.into_parts();
    let body = if client == Client::Goatcounter || parts.method == Method::GET {
        Bytes::new()
    } else {
        let (bytes_max, beyond) = match client {
            Client::Matomo => (matomo::BODY_BYTES_MAX, Rejection::MatomoTooLarge),
            _ => (BODY_BYTES_MAX, Rejection::CompatTooLarge),
        };
        whole(body, bytes_max, beyond).await?
    };
    let query = parts.uri.query().unwrap_or("");
    let way = if parts.method == Method::GET { Way::Image } else { Way::Hit };
    let mut hearing = Hearing::open(worker, (way, (&parts.headers, peer)));
    let answer = match client {
        Client::Plausible => {
            hearing.hear(plausible::read(&body).ok_or(Rejection::NotPlausible));
            Kind::Ok
        }
        Client::Umami => {
            hearing.hear(umami::read(&body).ok_or(Rejection::NotUmami));
            Kind::Json
        }
        Client::Goatcounter => {
            hearing.hear(Ok(goatcounter::read(query)));
            Kind::Image
        }
        Client::Matomo => hearing.hear_matomo(query, &body)?,
    };
    let (group, verdicts) = hearing.close();
    drop((parts, body));
    if let Some(group) = group {
        worker.durable(group).await?;
    }
    let tracked = book(worker, &verdicts)?;
    Ok(answer.made(tracked, verdicts.len() - tracked))
}

/// The hits of one request, before one core.
struct Hearing<'w> {
    worker: &'w Worker,
    from: (Way, (&'w HeaderMap, Peer)),
    sites: Ref<'w, SiteTable>,
    cells: RefMut<'w, Vec<EdgeCell>>,
    verdicts: Vec<Verdict>,
}

impl<'w> Hearing<'w> {
    fn open(worker: &'w Worker, from: (Way, (&'w HeaderMap, Peer))) -> Self {
        let (sites, cells) = (worker.sites(), worker.cells());
        Self { worker, from, sites, cells, verdicts: Vec::new() }
    }

    fn hear_matomo(&mut self, query: &str, body: &[u8]) -> Result<Kind, Rejection> {
        let read = |query| matomo::read(query).ok_or(Rejection::NotMatomo);
        match matomo::requests(query, body)? {
            matomo::Requests::One(one) => {
                self.hear(read(&one));
                Ok(if matomo::wants_image(&one) { Kind::Image } else { Kind::Nothing })
            }
            matomo::Requests::Many(many) => {
                many.iter().for_each(|one| self.hear(read(&one.0)));
                Ok(Kind::Batch)
            }
            matomo::Requests::TooMany(count) => {
                let one = || Verdict::Rejected(Rejection::MatomoTooLarge);
                self.verdicts.extend(std::iter::repeat_with(one).take(count));
                Ok(Kind::Batch)
            }
        }
    }

    fn hear(&mut self, reading: Result<Reading<'_>, Rejection>) {
        let verdict = match reading {
            Err(rejection) => Verdict::Rejected(rejection),
            Ok(Reading::Ping) => Verdict::Rejected(Rejection::Ping),
            Ok(Reading::Hit(said)) => {
                let mut beacon = said.into_beacon(&self.sites);
                let is_click = beacon.c.is_some() || beacon.e.is_some();
                let (_, (headers, _)) = self.from;
                if is_click && beacon.p.is_none() && !headers.contains_key(header::REFERER) {
                    // Some clients name no page for an event. It is one nowhere, not on none.
                    beacon.p = Some(Text("".into()));
                }
                self.worker.judge.judge(&self.sites, &beacon, self.from, &mut self.cells)
            }
        };
        self.verdicts.push(verdict);
    }

    /// Adds up what all came to: one group, so that no part of a batch is repeated.
    fn close(self) -> (Option<u64>, Vec<Verdict>) {
        let group = (!self.cells.is_empty()).then(|| self.worker.add(&self.cells));
        (group, self.verdicts)
    }
}

/// Writes down what became of each, and how many were taken.
///
/// # Errors
/// The first rejection, if nothing was taken; whoever answers with it counts it.
fn book(worker: &Worker, verdicts: &[Verdict]) -> Result<usize, Rejection> {
    let metrics = &worker.shared.metrics;
    let is_taken = |verdict: &&Verdict| match verdict {
        Verdict::Rejected(rejection) => *rejection == Rejection::Ping,
        _ => true,
    };
    let tracked = verdicts.iter().filter(is_taken).count();
    for verdict in verdicts.iter().skip(usize::from(tracked == 0)) {
        match *verdict {
            Verdict::Counted => {
                metrics.accepted.inc();
            }
            Verdict::Refused(reason) => metrics.refused(reason),
            Verdict::NotOurs => metrics.rejected(Rejection::UnknownSite),
            Verdict::Rejected(rejection) => metrics.rejected(rejection),
        }
    }
    match verdicts.first() {
        None => Err(Rejection::NotMatomo),
        Some(Verdict::Rejected(rejection)) if tracked == 0 => Err(*rejection),
        Some(_) => Ok(tracked),
    }
}

/// What a client takes for success.
enum Kind {
    Ok,
    Json,
    Image,
    Nothing,
    Batch,
}

impl Kind {
    fn made(&self, tracked: usize, invalid: usize) -> Response<Body> {
        match self {
            Self::Ok => plain(StatusCode::ACCEPTED, "ok"),
            Self::Json => json("{}".into()),
            Self::Image => image(),
            Self::Nothing => taken(),
            Self::Batch => json(format!(
                "{{\"status\":\"success\",\"tracked\":{tracked},\"invalid\":{invalid}}}"
            )),
        }
    }
}

fn json(text: String) -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(text))));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    answer
}

fn preflight_of_any() -> Response<Body> {
    let mut answer = preflight();
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    answer
}
