//! The doors of the analysts' and the operators' listeners: who may ask, by the network they are in.
//!
//! What it is not: a check of credentials. That comes after it, and for the operators' side there is
//! none: its doors and its own port are all it has.
//!
//! What surprises: a full address lives here for one expression only, as at the edge.

use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;

use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::serve::{IncomingStream, Listener};
use headcount_collector::peer::{AddressSource, Asker, Peer};
use headcount_core::failpoint;
use tokio::net::TcpStream;

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

    /// Whether a request may come in; if so, who asks has a number from then on.
    pub(crate) fn enter<B>(
        &self,
        asker: Option<Asker>,
        request: &mut axum::http::Request<B>,
    ) -> bool {
        failpoint::hit("request-entered");
        let Some(asker) = asker.filter(Asker::is_admitted) else { return false };
        let number = headcount_stats::Asker(asker.number(&self.state));
        request.extensions_mut().insert(number);
        true
    }

    /// Puts the door before a router.
    pub(crate) fn before(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, keep))
    }

    /// A listener that tells the door who is there.
    pub(crate) fn porch(&self, listener: tokio::net::TcpListener) -> Porch {
        Porch { listener, addresses: self.addresses.clone() }
    }
}

async fn keep(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let asker = request
        .extensions()
        .get::<ConnectInfo<Caller>>()
        .map(|ConnectInfo(Caller(peer))| door.addresses.asker(*peer, request.headers()));
    if door.enter(asker, &mut request) { next.run(request).await } else { refusal() }
}

/// The answer to who may not come in.
pub(crate) fn refusal() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (StatusCode::FORBIDDEN, kind, NOT_FROM_THERE).into_response()
}

/// The other end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Caller(Peer);

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

/// A listener that cuts addresses before anybody sees them.
pub(crate) struct Porch {
    listener: tokio::net::TcpListener,
    addresses: AddressSource,
}

impl Listener for Porch {
    type Io = TcpStream;
    type Addr = Caller;

    async fn accept(&mut self) -> (TcpStream, Caller) {
        let (stream, remote) = Listener::accept(&mut self.listener).await;
        (stream, Caller(self.addresses.peer(remote)))
    }

    fn local_addr(&self) -> std::io::Result<Caller> {
        Ok(Caller(self.addresses.peer(self.listener.local_addr()?)))
    }
}

impl Connected<IncomingStream<'_, Porch>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Porch>) -> Self {
        *stream.remote_addr()
    }
}
