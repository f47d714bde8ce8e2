//! Signing in: who keeps whom from it.
//!
//! What it is not: what a session may see; that is in [`super::routes`].
//!
//! What surprises: the clock stands, so nobody is forgiven for waiting.

use axum::http::StatusCode;

use super::fake::{CODE, Fake, LINK, NOW, TOKEN, VIEWER};
use super::routes::{send, send_from};
use crate::Stats;
use crate::tries::{Asker, SIGN_INS_MAX, SIGN_INS_OF_TOKEN_MAX, WRONG_MAX};

/// What this secret gets in the form, from this network.
async fn sign_in(stats: &Stats, asker: Asker, secret: &str) -> StatusCode {
    let body = format!("token={secret}");
    send_from(stats, asker, ("POST /signin", &[], &body)).await.status
}

#[tokio::test]
async fn no_number_of_wrong_secrets_keeps_another_network_from_signing_in() {
    let stats = Fake::default().stats();
    for network in 1..=SIGN_INS_MAX / WRONG_MAX + 1 {
        for _ in 0..WRONG_MAX {
            assert_eq!(sign_in(&stats, Asker(network), "nope").await, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(sign_in(&stats, Asker(network), "nope").await, StatusCode::TOO_MANY_REQUESTS);
    }
    for secret in [TOKEN, CODE] {
        assert_eq!(sign_in(&stats, Asker(0), secret).await, StatusCode::SEE_OTHER, "{secret}");
    }
}

#[tokio::test]
async fn one_token_signs_in_so_often_and_others_go_on() {
    let stats = Fake::default().stats();
    for n in 0..SIGN_INS_OF_TOKEN_MAX {
        assert_eq!(sign_in(&stats, Asker(n), VIEWER).await, StatusCode::SEE_OTHER);
    }
    let body = format!("token={VIEWER}");
    let got = send_from(&stats, Asker(0), ("POST /signin", &[], &body)).await;
    assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(got.text.contains("ten minutes") && got.headers["retry-after"] == "600");
    for secret in [TOKEN, CODE] {
        assert_eq!(sign_in(&stats, Asker(0), secret).await, StatusCode::SEE_OTHER, "{secret}");
    }
}

#[tokio::test]
async fn no_other_site_signs_anybody_in() {
    let stats = Fake::default().stats();
    let (form, link) = (format!("token={TOKEN}"), format!("POST /signin?code={LINK}"));
    for (status, headers) in [
        (403, vec![("origin", "null")]),
        (403, vec![("origin", "http://evil.example")]),
        (403, vec![("origin", "null"), ("sec-fetch-site", "cross-site")]),
        (303, vec![("origin", "null"), ("sec-fetch-site", "same-origin")]),
        (303, vec![("origin", "http://127.0.0.1:8080")]),
        // No browser: those name an origin with each form.
        (303, vec![]),
    ] {
        let headers: Vec<_> = [("host", "127.0.0.1:8080")].into_iter().chain(headers).collect();
        for (line, body) in [("POST /signin", &*form), (&*link, "")] {
            let got = send(&stats, line, &headers, body).await;
            assert_eq!(got.status.as_u16(), status, "{line} {headers:?}");
        }
    }
    for line in ["GET /signin", "GET /", "GET /?code=x", &link.replace("POST", "GET")] {
        let got = send(&stats, line, &[], "").await;
        assert_eq!(
            got.headers["referrer-policy"], "same-origin",
            "{line}: its form says whose it is"
        );
    }
}

#[tokio::test]
async fn a_code_that_was_logged_opens_nothing_after_its_time() {
    for (until, status) in [(None, 303), (Some(NOW + 1), 303), (Some(NOW), 401)] {
        let stats = Fake { codes_until: until, ..Fake::default() }.stats();
        let line = format!("GET /signin?code={CODE}");
        assert_eq!(send(&stats, &line, &[], "").await.status.as_u16(), status, "{until:?}");
        assert_eq!(sign_in(&stats, Asker(0), CODE).await.as_u16(), status, "{until:?}");
    }
}
