//! Where answers are made, who waits for whom, and how long.
//!
//! What it is not: about what stands in them.
//!
//! What surprises: no time is measured. A gate holds the jobs that should be under way.

use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::http::{StatusCode, header};
use flate2::read::GzDecoder;
use headcount_core::time::Day;

use super::fake::{Fake, OTHER_TOKEN, SHARE, TOKEN, host};
use super::routes::{bearer, cookie, send};
use crate::Stats;
use crate::backend::Unanswered;
use crate::breakdown::Breakdown;
use crate::query::date::Range;
use crate::queue::{ANSWER_DEADLINE, LINK_WAITING_MAX, Reading, WAITING_MAX};
use crate::reply;
use crate::session::Access;
use crate::viewer::Viewer;

const QUERY: &str = r#"{"site_id":"example.org","metrics":["pageviews"],"date_range":"7d"}"#;

#[tokio::test]
async fn answers_are_made_and_packed_beside_the_requests() {
    let names = (0..200).map(|at| format!("/a-page-of-some-length/{at}")).collect();
    let stats = Fake { names, ..Fake::default() }.stats();
    let session = cookie(&stats).await;
    let own_page = ("sec-fetch-site", "same-origin");
    for line in [
        "GET /".to_owned(),
        "GET /list?by=page&search=a".to_owned(),
        "POST /api/v2/query".to_owned(),
        "GET /api/v1/export.csv?site=example.org&by=page".to_owned(),
        "GET /api/v1/export.json?site=example.org&by=page".to_owned(),
        "GET /api/v1/export.json?site=example.org&by=refused".to_owned(),
        format!("GET /share/{SHARE}"),
        format!("GET /share/{SHARE}/list?by=page"),
        format!("GET /share/{SHARE}/export.csv?site=example.org&by=page"),
        format!("GET /share/{SHARE}/export.json?site=example.org&by=page"),
    ] {
        let body = QUERY.replace("\"date", "\"dimensions\":[\"event:page\"],\"date");
        let headers = [("cookie", session.as_str()), own_page];
        let plain = send(&stats, &line, &headers, &body).await;
        assert_eq!(plain.status, StatusCode::OK, "{line}: {}", plain.text);
        assert!(!plain.headers.contains_key(header::CONTENT_ENCODING), "{line}");
        let here = std::thread::current().id();
        assert!(
            plain.made_on.is_some_and(|thread| thread != here),
            "{line} is made where it was asked"
        );
        for (accepted, expected) in
            [("br, gzip;q=0.5", true), ("GZIP", true), ("gzip;q=0", false), ("identity", false)]
        {
            let headers = [headers[0], headers[1], ("accept-encoding", accepted)];
            let got = send(&stats, &line, &headers, &body).await;
            assert_eq!(got.headers.get(header::VARY).expect("there"), "accept-encoding", "{line}");
            let is_packed = got.headers.contains_key(header::CONTENT_ENCODING);
            assert_eq!(is_packed, expected, "{line} for {accepted}");
            let mut text = got.text;
            if is_packed {
                text.clear();
                GzDecoder::new(&got.bytes[..]).read_to_string(&mut text).expect("gzip");
            }
            assert!(text == plain.text, "{line} is another for {accepted}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_a_503_that_says_when() {
    let stats = Fake::default().stats();
    let session = cookie(&stats).await;
    let (open, waiting) = occupy(&stats, &Viewer::new(Access::ALL), 2).await;
    for (line, kind) in [
        ("GET /", "text/plain; charset=utf-8"),
        ("POST /api/v2/query", "application/json; charset=utf-8"),
        ("GET /api/v1/export.csv?site=example.org&by=page", "application/json; charset=utf-8"),
    ] {
        let headers = [("cookie", session.as_str()), ("sec-fetch-site", "same-origin")];
        let asked = send(&stats, line, &headers, QUERY);
        let (got, ()) = tokio::join!(asked, tokio::time::advance(ANSWER_DEADLINE));
        assert_eq!(got.status.as_u16(), 503, "{line}");
        assert_eq!(got.headers.get(header::RETRY_AFTER).expect("a time"), "2", "{line}");
        assert_eq!(got.headers.get(header::CONTENT_TYPE).expect("one"), kind, "{line}");
        assert_eq!(got.headers.get(header::CACHE_CONTROL).expect("one"), "no-store", "{line}");
    }
    drop(open);
    assert!(waiting.join_all().await.into_iter().all(|answered| answered));
}

#[test]
fn a_job_whose_time_is_over_asks_nothing_more() {
    let asked = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&asked);
    let mut backend = Fake::default().backend();
    let ask = Arc::clone(&backend.ask);
    backend.ask = Arc::new(move |question| {
        seen.fetch_add(1, Ordering::SeqCst);
        ask(question)
    });
    let day = Day::parse("2026-11-21").expect("a day");
    let range = Range { from: day, to: day, narrowed: false };
    let question = Breakdown::Total.question(&host("example.org"), range, 5, 1).expect("one");
    let until = |until| Reading::until(backend.clone(), until);
    let now = Instant::now();
    assert!(until(now + ANSWER_DEADLINE).ask(&question).is_ok());
    assert!(matches!(until(now).ask(&question), Err(Unanswered::Busy)));
    assert!(matches!(until(now).books(), Err(Unanswered::Busy)));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Lets that many jobs of a viewer begin, which wait until the sender is gone.
async fn occupy(
    stats: &Stats,
    viewer: &Viewer,
    jobs: usize,
) -> (Sender<()>, tokio::task::JoinSet<bool>) {
    let (open, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..jobs {
        let (stats, viewer, gate) = (stats.clone(), viewer.clone(), Arc::clone(&gate));
        waiting.spawn(async move {
            let job = move |_: &Reading| {
                let ended = gate.lock().expect("no panic").recv().is_err();
                Ok(reply::text(StatusCode::OK, ended.to_string()))
            };
            stats.answer(&viewer, job).await.is_ok()
        });
    }
    for _ in 0..jobs {
        tokio::task::yield_now().await;
    }
    (open, waiting)
}

#[tokio::test]
async fn too_many_questions_are_refused_and_tokens_are_known_all_the_same() {
    let stats = Fake::default().stats();
    let (open, waiting) = occupy(&stats, &Viewer::new(Access::ALL), WAITING_MAX).await;
    let ask = async |token: &str| {
        let headers = [("authorization", token)];
        send(&stats, "POST /api/v2/query", &headers, QUERY).await.status.as_u16()
    };
    assert_eq!(ask(&bearer(TOKEN)).await, 503);
    assert_eq!(ask(&bearer("nope")).await, 401);
    assert_eq!(ask(&bearer(OTHER_TOKEN)).await, 404);
    drop(open);
    assert!(waiting.join_all().await.into_iter().all(|answered| answered));
    assert_eq!(ask(&bearer(TOKEN)).await, 200, "and then there is room again");
}

#[tokio::test]
async fn a_shared_link_takes_one_turn_and_few_places() {
    let stats = Fake::default().stats();
    let viewer = Viewer::of_share(host("example.org"), SHARE.to_owned());
    let (open, waiting) = occupy(&stats, &viewer, LINK_WAITING_MAX).await;
    let share = async || send(&stats, &format!("GET /share/{SHARE}"), &[], "").await;
    let got = share().await;
    assert_eq!(got.status.as_u16(), 503);
    assert_eq!(got.headers.get(header::RETRY_AFTER).expect("a time"), "2");
    // The second of two turns is free.
    let token = bearer(TOKEN);
    let headers = [("authorization", token.as_str())];
    assert_eq!(send(&stats, "POST /api/v2/query", &headers, QUERY).await.status.as_u16(), 200);
    drop(open);
    assert!(waiting.join_all().await.into_iter().all(|answered| answered));
    assert_eq!(share().await.status.as_u16(), 200);
}
