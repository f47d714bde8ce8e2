//! The operator's listener: is it alive, is it ready, how many.
//!
//! What it is not: for visitors or analysts. It has a port of its own, on this machine by default.
//!
//! What surprises: `/readyz` is about the disk and the books, not about what is downstream. An
//! outage there must not take the edge out of rotation.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use headcount_core::leak::{self, Leak};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// What is asked of the running process.
pub(crate) trait Health: Send + Sync + 'static {
    /// What is missing for being ready; `None` if nothing is.
    fn missing(&self) -> Option<String>;
    /// Brings metrics up to date that are read, not counted.
    fn refresh(&self);
}

/// `/healthz`, `/readyz`, `/metrics`.
pub(crate) fn router(health: Arc<dyn Health>, registry: Registry) -> Router {
    let (ready, fresh) = (Arc::clone(&health), health);
    let registry = Arc::new(registry);
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route(
            "/readyz",
            get(|| async move {
                match ready.missing() {
                    None => (StatusCode::OK, "ready\n".to_owned()),
                    Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")),
                }
            }),
        )
        .route("/metrics", get(|| async move { metrics(&*fresh, &registry).into_response() }))
}

fn metrics(health: &dyn Health, registry: &Registry) -> impl IntoResponse {
    health.refresh();
    let mut text = String::new();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match encode(&mut text, registry) {
        Ok(()) => {
            if let Some(seen) = leak::seen(Leak::Metric) {
                text += &format!("headcount_last{{request=\"{seen}\"}} 1\n");
            }
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text)
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, kind)], text),
    }
}
