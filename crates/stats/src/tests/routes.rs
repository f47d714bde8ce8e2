//! Every route with every credential, and the headers of every answer.
//!
//! What it is not: about numbers.
//!
//! What surprises: an unknown site and another's site must be the same bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::ThreadId;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::fake::{CODE, Fake, GONE, LINK, OTHER_TOKEN, SHARE, TOKEN, VIEWER};
use crate::access::Guard;
use crate::router::ROUTES;
use crate::tries::Asker;
use crate::{Stats, router};

pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// The same, where it is text.
    pub(crate) text: String,
    /// The thread that wrote the body.
    pub(crate) made_on: Option<ThreadId>,
}

/// Sends `METHOD PATH` with headers and a body.
pub(crate) async fn send(stats: &Stats, line: &str, headers: &[(&str, &str)], body: &str) -> Got {
    send_from(stats, Asker::default(), (line, headers, body)).await
}

/// [`send`] from one of several networks.
pub(crate) async fn send_from(
    stats: &Stats,
    asker: Asker,
    (line, headers, body): (&str, &[(&str, &str)], &str),
) -> Got {
    let (method, path) = line.split_once(' ').expect("METHOD PATH");
    let mut request = Request::builder().method(method).uri(path).extension(asker);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let response = router(stats.clone()).oneshot(request).await.expect("infallible");
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.expect("in memory").to_bytes();
    let bytes = bytes.to_vec();
    let text = String::from_utf8(bytes.clone()).unwrap_or_default();
    let made_on = head.extensions.get().copied();
    Got { status: head.status, headers: head.headers, bytes, text, made_on }
}

/// The cookie of a session signed in with the operator's code.
pub(crate) async fn cookie(stats: &Stats) -> String {
    let got = send(stats, &format!("GET /signin?code={CODE}"), &[], "").await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    let cookie = got.headers.get(header::SET_COOKIE).expect("a cookie").to_str().expect("text");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// The cookie of a session signed in with a token.
async fn cookie_of(stats: &Stats, token: &str) -> String {
    let got = send(stats, "POST /signin", &[], &format!("token={token}")).await;
    let cookie = got.headers.get(header::SET_COOKIE).expect("a cookie").to_str().expect("text");
    cookie.split(';').next().expect("a pair").to_owned()
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

const QUERY: &str = r#"{"site_id":"example.org","metrics":["pageviews"],"date_range":"7d"}"#;

/// Who asks in the table below, in its order.
const ROLES: [&str; 10] = [
    "nobody",
    "wrong token",
    "wrong scheme",
    "wrong cookie",
    "link that signs in",
    "token of a shared link",
    "owner of another site",
    "viewer",
    "owner",
    "operator's session",
];

/// What each gets. Whose row is all 401, 404 or 405 gets nothing of a site, whoever asks.
const TABLE: [(&str, [u16; 10]); 23] = [
    ("POST /api/v2/query", [401, 401, 401, 401, 401, 401, 404, 200, 200, 200]),
    ("GET /api/v2/openapi.json", [401, 401, 401, 401, 401, 401, 200, 200, 200, 200]),
    ("GET /api/v1/export.csv?site=example.org&by=page", API),
    ("GET /api/v1/export.json?site=example.org&by=page", API),
    ("GET /api/v1/export.csv?site=example.org&by=refused", API),
    ("GET /api/v1/export.json?site=example.org&by=refused", API),
    ("GET /", PAGE),
    ("GET /?site=example.org", PAGE),
    ("GET /list?by=page", PAGE),
    ("GET /?site=unknown.example", [401, 401, 401, 401, 401, 401, 401, 401, 401, 404]),
    ("GET /share/hc_5ha4e", [200; 10]),
    ("GET /share/hc_5ha4e/list?by=page", [200; 10]),
    ("GET /share/hc_5ha4e/export.csv?site=example.org&by=page", [200; 10]),
    ("GET /share/hc_5ha4e/export.json?site=example.org&by=page", [200; 10]),
    ("GET /share/hc_5ha4e/export.json?site=example.org&by=refused", [403; 10]),
    ("GET /share/hc_5ha4e/export.json?site=other.example&by=page", [404; 10]),
    ("GET /share/0123456789abcdef", [401; 10]),
    ("GET /signin", [401; 10]),
    ("POST /signout", [303; 10]),
    ("GET /assets/other.css", [404; 10]),
    ("GET /favicon.ico", [204; 10]),
    ("GET /metrics", [404; 10]),
    ("GET /api/v2/query", [405; 10]),
];
const API: [u16; 10] = [401, 401, 401, 401, 401, 401, 404, 200, 200, 200];
const PAGE: [u16; 10] = [401, 401, 401, 401, 401, 401, 401, 401, 401, 200];

#[tokio::test]
async fn nothing_without_a_credential_and_each_only_its_own() {
    for (line, statuses) in TABLE {
        for (name, status) in ROLES.iter().zip(statuses) {
            // One process for each, so that signing out ends nothing of another.
            let stats = Fake::default().stats();
            let session = cookie(&stats).await;
            let own_page = ("sec-fetch-site", "same-origin");
            let [other, viewer, owner, share, link] =
                [OTHER_TOKEN, VIEWER, TOKEN, SHARE, LINK].map(bearer);
            let headers: Vec<(&str, &str)> = match *name {
                "nobody" => vec![],
                "wrong token" => vec![("authorization", "Bearer nope")],
                "wrong scheme" => vec![("authorization", "Basic nope")],
                "wrong cookie" => vec![("cookie", "headcount_session=nope"), own_page],
                "link that signs in" => vec![("authorization", &link)],
                "token of a shared link" => vec![("authorization", &share)],
                "owner of another site" => vec![("authorization", &other)],
                "viewer" => vec![("authorization", &viewer)],
                "owner" => vec![("authorization", &owner)],
                _ => vec![("cookie", &session), own_page],
            };
            let got = send(&stats, line, &headers, QUERY).await;
            assert_eq!(got.status.as_u16(), status, "{line} with {name}: {}", got.text);
            if [401, 403, 404].contains(&status) {
                assert!(!got.text.contains("example.org"), "{line} with {name}");
            }
        }
    }
}

#[test]
fn every_route_is_in_the_table_and_only_signing_in_is_public() {
    for (path, guard, _) in ROUTES {
        let sample = path.replace("{token}", SHARE).replace("{name}", "other.css");
        let asked = |line: &str| {
            let path = line.split_once(' ').expect("METHOD PATH").1;
            path.split('?').next() == Some(sample.as_str())
        };
        let rows: Vec<_> = TABLE.iter().filter(|(line, _)| asked(line)).collect();
        assert!(!rows.is_empty(), "{path} is not in the table");
        let public = ["/signin", "/signout", "/assets/{name}", "/favicon.ico"];
        assert_eq!(guard == Guard::Public, public.contains(&path), "{path}");
        let opens = |status: &u16| *status == 200;
        let refuses_nobody = rows.iter().any(|(_, statuses)| opens(&statuses[0]));
        assert_eq!(refuses_nobody, guard == Guard::Share, "{path}");
    }
}

#[tokio::test]
async fn counts_are_the_same_for_owners_and_viewers() {
    let stats = Fake::default().stats();
    for by in crate::breakdown::Breakdown::ALL {
        let line = format!("GET /api/v1/export.csv?site=example.org&by={}", by.as_str());
        let mut texts = Vec::new();
        for token in [TOKEN, VIEWER] {
            let got = send(&stats, &line, &[("authorization", &bearer(token))], "").await;
            texts.push((got.status, got.text));
        }
        assert_eq!(texts[0], texts[1], "{line}");
    }
    for secret in [TOKEN, VIEWER, CODE] {
        let session = cookie_of(&stats, secret).await;
        let session = [("cookie", session.as_str())];
        let page = send(&stats, "GET /?site=example.org", &session, "").await.text;
        assert!(page.contains("Not counted") && page.contains("/prices"), "{secret}");
    }
    let shared = send(&stats, &format!("GET /share/{SHARE}"), &[], "").await.text;
    assert!(shared.contains("/prices") && !shared.contains("Not counted"));
}

#[tokio::test]
async fn a_link_signs_in_by_its_button_only() {
    let stats = Fake::default().stats();
    let line = format!("/signin?code={LINK}");
    for method in ["GET", "HEAD"] {
        let got = send(&stats, &format!("{method} {line}"), &[], "").await;
        assert_eq!(got.status.as_u16(), 200);
        assert!(!got.headers.contains_key(header::SET_COOKIE) && !got.text.contains(LINK));
        assert_eq!(got.text.contains("<form method=\"post\">"), method == "GET");
    }
    let head = send(&stats, &format!("HEAD /signin?code={CODE}"), &[], "").await;
    assert!(!head.headers.contains_key(header::SET_COOKIE));
    let got = send(&stats, &format!("POST {line}"), &[], "").await;
    assert_eq!(got.status.as_u16(), 303);
    assert!(got.headers.contains_key(header::SET_COOKIE));
    let other = [("sec-fetch-site", "cross-site")];
    assert_eq!(send(&stats, &format!("POST {line}"), &other, "").await.status.as_u16(), 403);
}

#[tokio::test]
async fn a_session_ends_with_the_token_that_began_it() {
    let stats = Fake::default().stats();
    let session = cookie_of(&stats, GONE).await;
    let session = [("cookie", session.as_str())];
    assert_eq!(send(&stats, "GET /", &session, "").await.status.as_u16(), 401);
    let line = "GET /api/v1/export.csv?site=example.org&by=page";
    assert_eq!(send(&stats, line, &session, "").await.status.as_u16(), 401);
}

#[tokio::test]
async fn a_flood_of_wrong_tokens_waits_and_right_ones_do_not() {
    let stats = Fake::default().stats();
    let line = "GET /api/v2/openapi.json";
    let ask = async |token: &str| {
        let got = send(&stats, line, &[("authorization", &bearer(token))], "").await;
        (got.status.as_u16(), got.headers.contains_key(header::RETRY_AFTER))
    };
    assert_eq!(ask(TOKEN).await, (200, false));
    for n in 0..crate::tries::WRONG_MAX {
        assert_eq!(ask(&format!("wrong{n}")).await, (401, false));
    }
    assert_eq!(ask("wrong").await, (429, true));
    assert_eq!(ask(VIEWER).await, (429, true), "it was not seen before");
    assert_eq!(ask(TOKEN).await, (200, false), "who works already goes on");
    let got = send(&stats, "POST /signin", &[], "token=nope").await;
    assert_eq!(got.status.as_u16(), 429);
    assert_eq!(send(&stats, &format!("GET /share/{}", "x"), &[], "").await.status.as_u16(), 429);
    let session = cookie_of(&stats, TOKEN).await;
    let session = [("cookie", session.as_str())];
    assert_eq!(send(&stats, "GET /", &session, "").await.status.as_u16(), 200);
}

#[tokio::test]
async fn another_site_and_no_site_are_the_same_answer() {
    let stats = Fake::default().stats();
    let token = bearer(TOKEN);
    for site in ["other.example", "unknown.example"] {
        let headers = [("authorization", token.as_str())];
        let body = QUERY.replace("example.org", site);
        let got = send(&stats, "POST /api/v2/query", &headers, &body).await;
        let want = r#"{"error":"there is no such site or path for this token"}"#;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (404, want));
        let line = format!("GET /api/v1/export.csv?site={site}&by=page");
        let got = send(&stats, &line, &headers, "").await;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (404, want));
    }
}

#[tokio::test]
async fn a_session_alone_does_not_let_another_site_ask() {
    let stats = Fake::default().stats();
    let session = cookie(&stats).await;
    for (status, extra) in [
        (403, vec![]),
        (403, vec![("sec-fetch-site", "cross-site")]),
        (403, vec![("sec-fetch-site", "same-site")]),
        (403, vec![("origin", "null")]),
        (403, vec![("origin", "https://evil.example"), ("host", "127.0.0.1:8080")]),
        (200, vec![("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]),
        (200, vec![("sec-fetch-site", "same-origin")]),
    ] {
        let headers: Vec<_> = [("cookie", session.as_str())].into_iter().chain(extra).collect();
        let got = send(&stats, "POST /api/v2/query", &headers, QUERY).await;
        assert_eq!(got.status.as_u16(), status, "{headers:?}");
    }
    let headers = [("cookie", session.as_str()), ("sec-fetch-site", "cross-site")];
    let got = send(&stats, "GET /api/v1/export.csv?site=example.org&by=page", &headers, "").await;
    assert_eq!(got.status.as_u16(), 403);
    let got = send(&stats, "POST /signout", &headers, "").await;
    assert_eq!(got.status.as_u16(), 403);
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let stats = Fake::default().stats();
    let css = format!("GET {}", crate::assets::css_path());
    for line in ["GET /", "POST /", "GET /nothing", "POST /api/v2/query", "GET /signin", &css] {
        let got = send(&stats, line, &[], "").await;
        let header = |name: &str| got.headers.get(name).map(|value| value.to_str().expect("text"));
        assert_eq!(
            header("content-security-policy"),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                 img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
                 require-trusted-types-for 'script'"
            )
        );
        // The form of the sign-in page must say where it comes from.
        let policy =
            if ["GET /", "GET /signin"].contains(&line) { "same-origin" } else { "no-referrer" };
        assert_eq!(header("referrer-policy"), Some(policy), "{line}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        let kept = header("cache-control").expect("chosen");
        assert_eq!(kept != "no-store", line == css, "{line}");
    }
}

#[tokio::test]
async fn the_address_is_never_repeated() {
    let stats = Fake::default().stats();
    let token = bearer(TOKEN);
    for line in [
        "GET /canary7",
        "PUT /signin?canary7",
        "GET /assets/canary7",
        "GET /assets/canary7%ff",
        "GET /api/v1/export.csv?site=canary7&by=canary7",
        "GET /api/v1/export.csv?site=example.org&by=canary7",
        "GET /api/v1/export.csv?site=example.org&by=page&from=canary7",
        "GET /signin?code=canary7",
        "GET /?site=canary7",
    ] {
        let got = send(&stats, line, &[("authorization", &token)], "canary7").await;
        assert!(got.status.is_client_error() && !got.text.contains("canary7"), "{line}");
    }
    let body = QUERY.replace("pageviews", "canary7");
    let got = send(&stats, "POST /api/v2/query", &[("authorization", &token)], &body).await;
    assert!(got.status.as_u16() == 400 && !got.text.contains("canary7"), "{}", got.text);
}

#[tokio::test]
async fn signing_in_by_form_and_out_again() {
    for https in [false, true] {
        let stats = Fake { https, ..Fake::default() }.stats();
        let form = format!("token={TOKEN}");
        let headers = [("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")];
        let got = send(&stats, "POST /signin", &headers, &form).await;
        assert_eq!(got.status.as_u16(), 303);
        assert_eq!(got.headers.get(header::LOCATION).expect("a place"), "/");
        let set = got.headers.get(header::SET_COOKIE).expect("a cookie").to_str().expect("text");
        let prefix = if https { "__Host-headcount_session=" } else { "headcount_session=" };
        assert!(set.starts_with(prefix), "{set}");
        assert!(set.contains("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{set}");
        assert_eq!(set.ends_with("; Secure"), https);
        let cookie = [("cookie", set.split(';').next().expect("a pair"))];
        let got = send(&stats, "GET /", &cookie, "").await;
        assert!(got.status.is_success() && got.text.contains("<h1>example.org</h1>"));
        assert!(!got.text.contains("other.example"), "a token's session sees one site");
        assert_eq!(
            send(&stats, "GET /?site=other.example", &cookie, "").await.status.as_u16(),
            404
        );
        let got = send(&stats, "POST /signout", &cookie, "").await;
        let cleared =
            got.headers.get(header::SET_COOKIE).expect("a cookie").to_str().expect("text");
        assert!(cleared.contains("Max-Age=0"), "{cleared}");
        assert_eq!(send(&stats, "GET /", &cookie, "").await.status.as_u16(), 401);
    }
}

#[tokio::test]
async fn wrong_credentials_do_not_sign_in() {
    let stats = Fake::default().stats();
    let long = format!("token={}", "a".repeat(10_000));
    for body in ["", "token=", "token=nope", "other=1", "token=%ff", long.as_str()] {
        let got = send(&stats, "POST /signin", &[], body).await;
        assert_eq!(got.status.as_u16(), 401, "{body}");
        assert!(!got.headers.contains_key(header::SET_COOKIE));
    }
    for line in
        ["GET /signin", "GET /signin?code=", "GET /signin?code=nope", "GET /signin?code=a&code=b"]
    {
        let got = send(&stats, line, &[], "").await;
        assert_eq!(got.status.as_u16(), 401, "{line}");
        assert!(got.text.contains("<form method=\"post\" action=\"/signin\">"));
        assert!(got.text.contains("<a href=\"/\">Continue"));
    }
    let headers = [("sec-fetch-site", "cross-site")];
    let got = send(&stats, "POST /signin", &headers, &format!("token={TOKEN}")).await;
    assert_eq!(got.status.as_u16(), 403);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let stats = Fake::default().stats();
    let token = bearer(TOKEN);
    let headers = [("authorization", token.as_str())];
    let got = send(&stats, "POST /api/v2/query", &headers, &" ".repeat(64 * 1024 + 1)).await;
    assert_eq!(got.status.as_u16(), 413);
    let got = send(&stats, "POST /signin", &[], &"a".repeat(64 * 1024 + 1)).await;
    assert_eq!(got.status.as_u16(), 413);
}

#[tokio::test]
async fn a_broken_store_is_a_503_that_says_when() {
    let stats = Fake { fails: true, ..Fake::default() }.stats();
    let session = cookie(&stats).await;
    let headers = [("cookie", session.as_str()), ("sec-fetch-site", "same-origin")];
    for line in ["GET /", "POST /api/v2/query", "GET /api/v1/export.csv?site=example.org&by=day"] {
        let got = send(&stats, line, &headers, QUERY).await;
        assert_eq!(got.status.as_u16(), 503, "{line}");
        assert_eq!(got.headers.get(header::RETRY_AFTER).expect("a time"), "2");
        assert!(!got.text.contains("canary7"), "the store's words stay inside");
    }
}

#[tokio::test]
async fn what_the_store_declines_is_a_400_in_its_words() {
    let stats = Fake::default().stats();
    let token = bearer(OTHER_TOKEN);
    let body = QUERY.replace("example.org", "other.example");
    let got = send(&stats, "POST /api/v2/query", &[("authorization", &token)], &body).await;
    let want = r#"{"error":"that is not counted"}"#;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (400, want));
}

#[tokio::test]
async fn exports_are_attachments() {
    let fake = Fake { names: vec!["=cmd|' /C calc'!A0".into(), "/a\"b".into()], ..Fake::default() };
    let stats = fake.stats();
    let token = bearer(TOKEN);
    let headers = [("authorization", token.as_str())];
    let line = "GET /api/v1/export.csv?site=example.org&by=page&from=2026-11-01&to=2026-11-02";
    let got = send(&stats, line, &headers, "").await;
    let header = |name| got.headers.get(name).expect("there").to_str().expect("text");
    assert_eq!(
        header(header::CONTENT_DISPOSITION),
        "attachment; filename=\"headcount-example.org-page-2026-11-01-2026-11-02.csv\""
    );
    assert_eq!(header(header::CONTENT_TYPE), "text/csv; charset=utf-8; header=present");
    assert!(got.text.starts_with(
        "\"page\",\"views\",\"visitors\",\"visits\"\r\n\"'=cmd|' /C calc'!A0\",\"12345\","
    ));
    assert!(got.text.contains("\"/a\"\"b\","));
    for by in crate::breakdown::Breakdown::ALL {
        let line = format!("GET /api/v1/export.csv?site=example.org&by={}", by.as_str());
        let got = send(&stats, &line, &headers, "").await;
        assert!(got.status.is_success() && got.text.lines().count() > 0, "{line}: {}", got.text);
    }
    let json = send(&stats, &line.replace(".csv", ".json"), &headers, "").await;
    let header = json.headers.get(header::CONTENT_DISPOSITION).expect("there");
    assert!(header.to_str().expect("text").ends_with("-2026-11-02.json\""));
    assert!(json.text.contains("\"dimensions\":[\"=cmd|' /C calc'!A0\"]"));
    for by in crate::breakdown::Breakdown::ALL {
        let line = format!("GET /api/v1/export.json?site=example.org&by={}", by.as_str());
        let got = send(&stats, &line, &headers, "").await;
        let body: serde_json::Value = serde_json::from_str(&got.text).expect("JSON");
        assert!(got.status.is_success() && body["results"].is_array(), "{line}");
    }
    for (query, error) in [
        ("by=country&page=/", "page cannot be chosen for this list"),
        ("by=nope", "by is not known: use one of total, page, target,"),
        ("by=page&from=x", "from is not a date: write 2026-01-31"),
        ("by=page&from=2026-02-02&to=2026-02-01", "the first day 2026-02-02 must not be after"),
        ("by=page&to=2020-01-01", "the period ends before 2025-11-22, the oldest day"),
        ("by=page&site=twice", "the address must have site and by"),
    ] {
        let line = format!("GET /api/v1/export.csv?site=example.org&{query}");
        let got = send(&stats, &line, &headers, "").await;
        assert!(got.status.as_u16() == 400 && got.text.contains(error), "{line}: {}", got.text);
    }
}

#[tokio::test]
async fn only_the_range_all_looks_for_the_first_day() {
    let asked = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&asked);
    let mut backend = Fake::default().backend();
    let first_day = Arc::clone(&backend.first_day);
    backend.first_day = Arc::new(move |site| {
        seen.fetch_add(1, Ordering::SeqCst);
        first_day(site)
    });
    let stats = Fake::default().stats_over(backend);
    let token = bearer(TOKEN);
    for (range, times) in [("\"7d\"", 0), ("[\"2026-11-01\", \"2026-11-02\"]", 0), ("\"all\"", 1)] {
        let body = QUERY.replace("\"7d\"", range);
        let got = send(&stats, "POST /api/v2/query", &[("authorization", &token)], &body).await;
        assert_eq!(got.status, StatusCode::OK, "{range}: {}", got.text);
        assert_eq!(asked.load(Ordering::SeqCst), times, "{range}");
    }
}

#[tokio::test]
async fn all_begins_with_the_local_day_of_the_first_hour() {
    // The first UTC day with counts is 2026-03-05.
    for (time_zone, first) in
        [("UTC", "2026-03-05"), ("America/New_York", "2026-03-04"), ("Asia/Kolkata", "2026-03-05")]
    {
        let stats = Fake { time_zone, ..Fake::default() }.stats();
        let body = QUERY.replace("\"7d\"", "\"all\"");
        let token = bearer(TOKEN);
        let got = send(&stats, "POST /api/v2/query", &[("authorization", &token)], &body).await;
        let answer: serde_json::Value = serde_json::from_str(&got.text).expect("JSON");
        let begin = answer["query"]["date_range"][0].as_str().expect("a date");
        assert!(begin.starts_with(first), "{time_zone}: {begin}");
    }
}

#[tokio::test]
async fn the_oldest_day_is_the_oldest_that_retention_leaves() {
    let token = bearer(TOKEN);
    // 365 UTC days with today, 2026-11-21; of 2025-11-22 in India, hours before them are gone.
    for (time_zone, day, status) in [
        ("UTC", "2025-11-22", StatusCode::OK),
        ("UTC", "2025-11-21", StatusCode::BAD_REQUEST),
        ("America/New_York", "2025-11-22", StatusCode::OK),
        ("Asia/Kolkata", "2025-11-23", StatusCode::OK),
        ("Asia/Kolkata", "2025-11-22", StatusCode::BAD_REQUEST),
    ] {
        let stats = Fake { time_zone, ..Fake::default() }.stats();
        let body = QUERY.replace("\"7d\"", &format!("[\"{day}\", \"{day}\"]"));
        let got = send(&stats, "POST /api/v2/query", &[("authorization", &token)], &body).await;
        assert_eq!(got.status, status, "{day}: {}", got.text);
    }
}

#[tokio::test]
async fn where_no_hours_are_told_days_are_the_finest_time_everywhere() {
    let stats = Fake { hours: false, ..Fake::default() }.stats();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let ask = async |time: &str, range: &str| {
        let body = json!({"site_id": "example.org", "metrics": ["pageviews"],
            "date_range": range, "dimensions": [time]});
        let got = send(&stats, "POST /api/v2/query", &headers, &body.to_string()).await;
        (got.status.as_u16(), got.text)
    };
    for (time, range) in [("time:hour", "7d"), ("time", "day")] {
        let (status, text) = ask(time, range).await;
        assert!(status == 400 && text.contains("ask by day, week or month"), "{status} {text}");
    }
    assert_eq!(ask("time:day", "day").await.0, 200);
    let export = |by| format!("GET /api/v1/export.csv?site=example.org&by={by}");
    assert_eq!(send(&stats, &export("hour"), &headers, "").await.status.as_u16(), 400);
    assert_eq!(send(&stats, &export("day"), &headers, "").await.status.as_u16(), 200);
    let session = cookie(&stats).await;
    let page = send(&stats, "GET /?period=day", &[("cookie", &session)], "").await.text;
    assert!(page.contains("by day") && !page.contains("by hour"), "{page}");
}
