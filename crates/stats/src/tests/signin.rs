//! Signing in: who keeps whom from it.
//!
//! What it is not: what a session may see; that is in [`super::routes`].
//!
//! What surprises: the clock stands, so nobody is forgiven for waiting.

use axum::http::StatusCode;

use super::fake::{CODE, Fake, TOKEN, VIEWER};
use super::routes::send_from;
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
