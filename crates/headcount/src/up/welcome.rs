//! What `up` says at its start, and the demo page.
//!
//! What it is not: a log. It goes to standard output, once.
//!
//! What surprises: the link to the dashboard works: it carries a code of this process, unless the
//! journal would keep it (`start_link.rs`).

#![expect(clippy::disallowed_types, reason = "listening addresses are settings, not visitors")]

use std::net::SocketAddr;

use axum::Router;
use headcount_collector::assets::demo_page;
use headcount_collector::tracker::Tracker;
use headcount_collector::{Answer, Body, REQUEST_DEADLINE, plain};
use headcount_core::site::SiteHost;
use headcount_stats::Snippet;
use headcount_stats::queue::ANSWER_DEADLINE;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::DEMO_HOST;
use crate::commands::say;
use crate::door::Door;

/// Sites whose snippets are printed; more are listed by their number.
const SNIPPETS_MAX: usize = 3;

/// A request that the analyst's side answers late gets its words while there is a connection.
const _: () = assert!(ANSWER_DEADLINE.as_millis() < REQUEST_DEADLINE.as_millis());

/// Where everything is.
pub(crate) struct Links {
    pub(crate) origin: String,
    /// The dashboard, where this process has one.
    pub(crate) dashboard: Option<String>,
    pub(crate) ops: String,
    /// Where the admin log stands: a line, or nothing.
    pub(crate) admin_log: String,
}

/// The origin under which this machine reaches a listener.
pub(crate) fn origin(address: SocketAddr) -> String {
    let port = address.port();
    match address {
        _ if address.ip().is_unspecified() => format!("http://127.0.0.1:{port}"),
        SocketAddr::V4(v4) => format!("http://{}:{port}", v4.ip()),
        SocketAddr::V6(v6) => format!("http://[{}]:{port}", v6.ip()),
    }
}

/// The link to a dashboard, with a code that signs in.
pub(crate) fn sign_in(origin: &str, code: &str) -> String {
    format!("{origin}/signin?code={code}")
}

/// What the dashboard of a site without counts shows.
pub(crate) fn snippet(site: &SiteHost, origin: &str) -> Snippet {
    let lines = Tracker::newest().snippet(site, origin).to_vec();
    Snippet { lines, origin: origin.to_owned() }
}

/// Prints snippets and links.
///
/// # Errors
/// If standard output is gone.
pub(crate) fn print(hosts: &[SiteHost], links: &Links) -> anyhow::Result<()> {
    let Links { origin, dashboard, ops, admin_log } = links;
    let mut text = format!("headcount {} is counting\n\n", env!("CARGO_PKG_VERSION"));
    for host in hosts.iter().take(SNIPPETS_MAX) {
        let [script, pixel] = Tracker::newest().snippet(host, origin);
        text += &format!("put into the pages of {host}:\n  {script}\n  {pixel}\n\n");
    }
    if hosts.len() > SNIPPETS_MAX {
        text += &format!("and {} more sites: headcount site list\n\n", hosts.len() - SNIPPETS_MAX);
    }
    if hosts.iter().any(|host| host.as_str() == DEMO_HOST) {
        text += &format!("demo page   {origin}/demo\n");
    }
    if let Some(dashboard) = dashboard {
        text += &format!("dashboard   {dashboard}\n");
    }
    text += admin_log;
    text += &format!("operations  {ops}/metrics\n");
    if hosts.iter().any(|host| host.as_str() == DEMO_HOST) {
        text += "\nadd your site: headcount site add example.org\n";
    }
    say(&text)
}

/// Hands a request to the analyst's side, if its network may ask there.
pub(crate) fn ask(stats: &Router, door: &Door, request: Request<Incoming>) -> Answer {
    let asker = request.extensions().get().copied();
    let answered = door.ask(stats, asker, request);
    Box::pin(async move {
        let answer = answered.await;
        answer.map(|body| -> Body { Either::Right(body.map_err(Into::into).boxed_unsync()) })
    })
}

/// The demo page.
pub(crate) fn demo_answer(origin: &str) -> Answer {
    let page = SiteHost::parse(DEMO_HOST).map(|host| demo_page(&host, origin));
    Box::pin(async move {
        let mut answer = Response::new(Either::Left(Full::new(page.unwrap_or_default().into())));
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    })
}

/// Where the dashboard has a port of its own.
pub(crate) fn nothing_here() -> Answer {
    Box::pin(async { plain(StatusCode::NOT_FOUND, "nothing here\n") })
}
