//! The routes of the analyst's side.
//!
//! What it is not: a listener. The caller owns port, TLS and shutdown.
//!
//! What surprises: `HEAD` follows `GET` everywhere, and every answer, also the constant 404 and
//! 405, carries the same hardening headers.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;

use crate::reply;
use crate::state::Stats;
use crate::{assets, dashboard, export, query, signin};

/// Everything an analyst can reach: dashboard, sign-in, API and export.
pub fn router(state: Stats) -> Router {
    Router::new()
        .route("/", get(dashboard::handle))
        .route("/list", get(dashboard::handle_list))
        .route("/share/{token}", get(dashboard::handle_share))
        .route("/share/{token}/list", get(dashboard::handle_share_list))
        .route("/share/{token}/export.csv", get(export::handle_share_csv))
        .route("/share/{token}/export.json", get(export::handle_share_json))
        .route("/signin", get(signin::by_link).post(signin::by_form))
        .route("/signout", post(signin::out))
        .route("/api/v2/query", post(query::handle))
        .route("/api/v2/openapi.json", get(query::describe))
        .route("/api/v1/export.csv", get(export::handle_csv))
        .route("/api/v1/export.json", get(export::handle_json))
        .route("/assets/{name}", get(assets::handle))
        // Browsers ask for it unasked; a 404 would be an error in their console.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn(reply::in_time))
        .layer(map_response(reply::harden))
        // No secret stands in a body beside words of the address, which compression could tell. What
        // grows with the counts comes packed already (`reply::Packing`); this is for the assets.
        .layer(CompressionLayer::new())
        .with_state(state)
}

async fn nowhere() -> Response {
    reply::text(StatusCode::NOT_FOUND, "there is nothing here\n".to_owned())
}

async fn not_so() -> Response {
    let text = "this address is not asked with this method\n".to_owned();
    reply::text(StatusCode::METHOD_NOT_ALLOWED, text)
}
