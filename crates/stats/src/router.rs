//! The routes of the analyst's side.
//!
//! What it is not: a listener. The caller owns port, TLS and shutdown.
//!
//! What surprises: `HEAD` follows `GET` everywhere, and every answer, also the constant 404 and
//! 405, carries the same hardening headers.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use tower_http::compression::CompressionLayer;

use crate::access::{self, Guard, Purpose};
use crate::reply;
use crate::state::Stats;
use crate::{assets, dashboard, export, query, signin};

/// A route: its path, what it wants to see first, and what answers it.
pub(crate) type Route = (&'static str, Guard, fn() -> MethodRouter<Stats>);

/// Every route there is. Nothing is reachable that does not stand here with its guard.
pub(crate) const ROUTES: [Route; 14] = [
    ("/", Guard::Page, || get(dashboard::handle)),
    ("/list", Guard::Page, || get(dashboard::handle_list)),
    ("/share/{token}", Guard::Share, || get(dashboard::handle)),
    ("/share/{token}/list", Guard::Share, || get(dashboard::handle_list)),
    ("/share/{token}/export.csv", Guard::Share, || get(export::handle_csv)),
    ("/share/{token}/export.json", Guard::Share, || get(export::handle_json)),
    ("/signin", Guard::Public, || get(signin::by_link).post(signin::by_form)),
    ("/signout", Guard::Public, || post(signin::out)),
    ("/api/v2/query", Guard::Api(Purpose::Post), || post(query::handle)),
    ("/api/v2/openapi.json", Guard::Api(Purpose::Get), || get(query::describe)),
    ("/api/v1/export.csv", Guard::Api(Purpose::Get), || get(export::handle_csv)),
    ("/api/v1/export.json", Guard::Api(Purpose::Get), || get(export::handle_json)),
    ("/assets/{name}", Guard::Public, || get(assets::handle)),
    // Browsers ask for it unasked; a 404 would be an error in their console.
    ("/favicon.ico", Guard::Public, || get(async || StatusCode::NO_CONTENT)),
];

/// Everything an analyst can reach: dashboard, sign-in, API and export.
pub fn router(state: Stats) -> Router {
    let add = |router: Router<Stats>, (path, guard, answer): Route| {
        let kept = from_fn_with_state((state.clone(), guard), access::keep);
        router.route(path, answer().route_layer(kept))
    };
    ROUTES
        .into_iter()
        .fold(Router::new(), add)
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn(name_the_asker))
        .layer(from_fn(reply::in_time))
        .layer(map_response(reply::harden))
        // No secret stands in a body beside words of the address, which compression could tell. What
        // grows with the counts comes packed already (`reply::Packing`); this is for the assets.
        .layer(CompressionLayer::new())
        .with_state(state)
}

/// Without a listener that tells networks apart, all askers are one.
async fn name_the_asker(mut request: Request<Body>, next: Next) -> Response {
    let asker = access::asker(request.extensions());
    request.extensions_mut().insert(asker);
    next.run(request).await
}

async fn nowhere() -> Response {
    reply::text(StatusCode::NOT_FOUND, "there is nothing here\n".to_owned())
}

async fn not_so() -> Response {
    let text = "this address is not asked with this method\n".to_owned();
    reply::text(StatusCode::METHOD_NOT_ALLOWED, text)
}
