//! The doors of the analysts' and the operators' listeners: who may ask, by the network they are in.
//!
//! What it is not: a check of credentials. That comes after it, and for the operators' side there is
//! none: its doors and its own port are all it has.
//!
//! What surprises: each request is judged, not the connection: behind a proxy of ours each may be
//! somebody else's.

use std::future::Future;
use std::hash::RandomState;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use headcount_collector::peer::{AddressSource, Asker};
use hyper::Request;
use hyper::body::Incoming;
use tower_service::Service as _;

/// What is said to who may not ask.
const NOT_FROM_THERE: &str = "this network may not ask here\n";

/// Which networks may ask a listener.
#[derive(Clone)]
pub(crate) struct Door {
    addresses: AddressSource,
    /// Makes numbers of networks; drawn anew by each process.
    state: Arc<RandomState>,
}

impl Door {
    /// A door that only the networks of `addresses` come through.
    pub(crate) fn new(addresses: &AddressSource) -> Self {
        Self { addresses: addresses.clone(), state: Arc::new(RandomState::new()) }
    }

    /// How it tells who is there.
    pub(crate) fn addresses(&self) -> &AddressSource {
        &self.addresses
    }

    /// Hands a request to the router behind the door, if who asks may come in; who asks has a number
    /// from then on.
    pub(crate) fn ask(
        &self,
        router: &Router,
        asker: Option<Asker>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response> + use<> {
        let entered = asker.filter(Asker::is_admitted).map(|asker| {
            let number = headcount_stats::Asker(asker.number(&self.state));
            request.extensions_mut().insert(number);
            router.clone()
        });
        async move {
            match entered {
                Some(mut router) => {
                    let answered = router.call(request.map(Body::new)).await;
                    answered.unwrap_or_else(|never| match never {})
                }
                None => refusal(),
            }
        }
    }
}

/// The answer to who may not come in.
fn refusal() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let mut response = (StatusCode::FORBIDDEN, kind, NOT_FROM_THERE).into_response();
    // There is nothing else to be had on this connection.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
