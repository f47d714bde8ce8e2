//! What the processes answer to others than visitors' beacons: operators, analysts, and a visitor
//! who asks what would be counted.
//!
//! What it is not: a test of who may read. The audit has a token of its own site.
//!
//! What surprises: the dashboard is looked at through a shared link, which needs no session.

use headcount_audit::marker::Markers;
use headcount_core::cell::Attribute;
use headcount_stats::query::words::Dimension;

use super::client::{self, Reply};
use super::finder::{API, EXPORT, Finder, OPERATIONS, SHOWN};
use super::running::rooms;
use super::{Audit, SITE, requests};
use crate::notice::Mode;

/// What the operator's listener answers, and what it does not.
const OPERATIONS_PATHS: [&str; 4] = ["/metrics", "/healthz", "/readyz", "/nothing"];

/// Asks all of them.
pub(super) fn look(audit: &Audit<'_>, markers: &Markers, finder: &mut Finder) {
    shown(audit, markers, finder);
    operations(audit, finder);
    analysts(audit, finder);
}

fn shown(audit: &Audit<'_>, markers: &Markers, finder: &mut Finder) {
    finder.said(SHOWN, "/privacy, with its notice, and /.well-known/headcount.json");
    let address = markers.text("address: IPv4 in headers");
    let mut headers = requests::headers(markers, 0, Some(&address));
    headers += &requests::named_by(audit.config.addresses.header_name(), &address);
    let page = markers.text("page: e-mail address");
    let from = markers.text("referrer: subdomain");
    for line in [
        format!("GET /privacy?s={SITE}&p=/konto/{page}@post.example&r=https://{from}.example.net/"),
        "GET /privacy?lang=sv".to_owned(),
        "GET /.well-known/headcount.json".to_owned(),
    ] {
        let path = line.split(['?', ' ']).nth(1).unwrap_or_default().to_owned();
        let reply = client::send(&audit.running.visitors, &client::request(&line, &headers, ""));
        // Without the owner's words there is no notice; the answer says so.
        note(finder, SHOWN, &path, (reply, &[200, 404, 503]));
    }
}

fn operations(audit: &Audit<'_>, finder: &mut Finder) {
    finder.said(OPERATIONS, "/metrics, /healthz, /readyz");
    let rooms = rooms(audit.mode);
    if audit.running.operations.len() < rooms.len() {
        let why = format!("each of {} has a listener; name all by --ops-listen", rooms.join(", "));
        finder.not_tested(OPERATIONS, &why);
    }
    for address in &audit.running.operations {
        for path in OPERATIONS_PATHS {
            let request = client::request(&format!("GET {path}"), "Host: audit\r\n", "");
            let right: &[u16] = if path == "/nothing" { &[404] } else { &[200, 503] };
            let reply = client::send(address, &request);
            note(finder, OPERATIONS, &format!("{path} at {address}"), (reply, right));
        }
    }
}

fn note(
    finder: &mut Finder,
    artefact: &'static str,
    at: &str,
    (reply, right): (Option<Reply>, &[u16]),
) {
    match reply {
        None => finder.not_tested(artefact, &format!("{at}: no answer")),
        Some(reply) => {
            finder.bytes(artefact, at, &reply.bytes);
            if !reply.is_whole {
                finder.not_tested(artefact, &format!("{at}: the answer did not come in whole"));
            }
            if !right.contains(&reply.status) {
                let networks = "; may this machine ask (analyst_networks, ops_networks)?";
                let why = if reply.status == 403 { networks } else { "" };
                finder.not_tested(artefact, &format!("{at}: it answered {}{why}", reply.status));
            }
        }
    }
}

fn analysts(audit: &Audit<'_>, finder: &mut Finder) {
    finder.said(API, "/api/v2/query for every list, the dashboard by a shared link");
    finder.said(EXPORT, "/api/v1/export.csv and .json for every list");
    if audit.mode == Mode::Cluster && audit.args.serve_data.is_none() {
        let why = "name the data folder of headcount serve with --serve-data, for a token";
        [API, EXPORT].iter().for_each(|artefact| finder.not_tested(artefact, why));
        return;
    }
    let mut token = |share| audit.commands.token(share, finder);
    let tokens = token(false).and_then(|api| Ok((api, token(true)?)));
    match tokens {
        Ok((token, share)) => ask(audit, (&token, &share), finder),
        Err(error) => {
            let why = format!("no token for it: {error}");
            [API, EXPORT].iter().for_each(|artefact| finder.not_tested(artefact, &why));
        }
    }
}

/// What there is a list by: pages, targets, and each attribute.
fn lists() -> impl Iterator<Item = Dimension> {
    let attributes = Attribute::ALL.into_iter().map(Dimension::Attribute);
    [Dimension::Page, Dimension::Target].into_iter().chain(attributes)
}

fn ask(audit: &Audit<'_>, (token, share): (&str, &str), finder: &mut Finder) {
    let address = &audit.running.analysts;
    let host = format!("Host: {address}\r\n{}", audit.asking());
    let headers = format!("{host}Authorization: Bearer {token}\r\n");
    let mut get = |artefact, line: &str, body: &str| {
        let reply = client::send(address, &client::request(line, &headers, body));
        let at = line.split('?').next().unwrap_or(line);
        note(finder, artefact, at, (reply, &[200]));
    };
    for list in lists() {
        let (by, dimension) = (list.column(), list.as_str());
        for ending in ["csv", "json"] {
            get(EXPORT, &format!("GET /api/v1/export.{ending}?site={SITE}&by={by}"), "");
        }
        let metric = if list == Dimension::Target { "clicks" } else { "pageviews" };
        let question = format!(
            "{{\"site_id\":\"{SITE}\",\"metrics\":[\"{metric}\"],\"date_range\":\"7d\",\
             \"dimensions\":[\"{dimension}\"]}}"
        );
        get(API, "POST /api/v2/query", &question);
    }
    let path = share.trim();
    let request = client::request(&format!("GET {path}"), &host, "");
    note(finder, API, "the dashboard", (client::send(address, &request), &[200]));
}
