//! The connections of one listener: how many, how many of one network, and for how long each.
//!
//! What it is not: what is answered on them. Who opens the room brings that.
//!
//! What surprises: it lives on one thread, so nothing of it is locked. Each core has one, and so have
//! the listeners of analysts and operators.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::net::TcpStream;

use crate::connection::{Order, Watch, Watched};
use crate::metrics::Metrics;
use crate::peer::{Peer, Prefix};

/// Bytes hyper reads ahead on one connection: a whole header and body.
const READ_BYTES_MAX: usize = 16 * 1024;
/// Header lines of one request at most; beyond, 431.
const HEADERS_MAX: usize = 64;
/// Between two looks at who has left.
const LEAVE_PAUSE: Duration = Duration::from_millis(5);

/// How many connections a room keeps.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// From one network that is neither this machine nor a trusted proxy.
    pub per_prefix: usize,
}

/// The connections of one listener. Something must [`Room::sweep`] it each [`TICK`].
///
/// [`TICK`]: crate::TICK
pub struct Room {
    limits: ConnectionLimits,
    now: Rc<Cell<u32>>,
    watches: RefCell<HashMap<u64, Rc<Watch>>>,
    per_prefix: RefCell<HashMap<[u8; 7], usize>>,
    next: Cell<u64>,
    /// Where visitors' connections are counted; others are not.
    metrics: Option<Arc<Metrics>>,
}

impl Room {
    /// An empty room.
    pub fn new(limits: ConnectionLimits, metrics: Option<Arc<Metrics>>) -> Rc<Self> {
        Rc::new(Self {
            limits,
            now: Rc::new(Cell::new(0)),
            watches: RefCell::default(),
            per_prefix: RefCell::default(),
            next: Cell::new(0),
            metrics,
        })
    }

    /// Whether another connection may be accepted.
    pub fn has_place(&self) -> bool {
        self.watches.borrow().len() < self.limits.total
    }

    /// Ends what is late.
    pub fn sweep(&self) {
        self.now.set(self.now.get().saturating_add(1));
        let late = self.watches().iter().filter(|watch| watch.sweep()).count();
        if let Some(metrics) = &self.metrics {
            metrics.connections_closed_late.inc_by(late as u64);
        }
    }

    /// Lets each connection finish the request that runs, and waits for that so long at most.
    pub async fn leave(&self, patience: Duration) {
        self.watches().iter().for_each(|watch| watch.tell(Order::Leave));
        let deadline = tokio::time::Instant::now() + patience;
        while !self.watches.borrow().is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(LEAVE_PAUSE).await;
        }
    }

    fn watches(&self) -> Vec<Rc<Watch>> {
        self.watches.borrow().values().map(Rc::clone).collect()
    }

    /// Takes a connection in, unless its network has too many: then it is closed without a word.
    /// Call it in a [`tokio::task::LocalSet`].
    pub fn admit<A, F, B>(self: &Rc<Self>, stream: TcpStream, peer: Peer, answer: A)
    where
        A: Fn(Request<Incoming>) -> F + 'static,
        F: Future<Output = Response<B>> + 'static,
        B: Body + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let counted = peer.direct().filter(|_| !peer.is_loopback()).map(|p: Prefix| p.hash_input());
        if let Some(prefix) = counted {
            let mut per_prefix = self.per_prefix.borrow_mut();
            let count = per_prefix.entry(prefix).or_default();
            if *count >= self.limits.per_prefix {
                if let Some(metrics) = &self.metrics {
                    metrics.connections_refused.inc();
                }
                return;
            }
            *count += 1;
        }
        // Answers are small and whole: waiting to fill a segment would only make them late.
        stream.set_nodelay(true).ok();
        let id = self.next.replace(self.next.get() + 1);
        let watch = Rc::new(Watch::new(&self.now, counted.is_some()));
        self.watches.borrow_mut().insert(id, Rc::clone(&watch));
        if let Some(metrics) = &self.metrics {
            metrics.connections.inc();
        }
        let room = Rc::clone(self);
        // Owned by the LocalSet, which ends with the thread; its watch ends it before.
        drop(tokio::task::spawn_local(async move {
            converse(stream, watch, Rc::new(answer)).await;
            room.watches.borrow_mut().remove(&id);
            if let Some(metrics) = &room.metrics {
                metrics.connections.dec();
            }
            if let Some(prefix) = counted {
                room.forget(prefix);
            }
        }));
    }

    fn forget(&self, prefix: [u8; 7]) {
        let mut per_prefix = self.per_prefix.borrow_mut();
        if let Some(count) = per_prefix.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                per_prefix.remove(&prefix);
            }
        }
    }
}

/// Serves one connection to its end.
async fn converse<A, F, B>(stream: TcpStream, watch: Rc<Watch>, answer: Rc<A>)
where
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let of_request = Rc::clone(&watch);
    let service = service_fn(move |request| {
        of_request.begin();
        let (answer, watch) = (Rc::clone(&answer), Rc::clone(&of_request));
        async move {
            // Begun here: a future that was handed in would lie in this one twice.
            let response = answer(request).await;
            watch.end();
            Ok::<_, Infallible>(response)
        }
    });
    let io = Watched::new(stream, Rc::clone(&watch));
    let connection = http1::Builder::new()
        .max_buf_size(READ_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .writev(false)
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut leaving = false;
    poll_fn(|context| {
        match watch.order(context) {
            Order::Drop => return Poll::Ready(()),
            Order::Leave if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            Order::Leave | Order::Stay => {}
        }
        // A connection ends as it likes; there is nothing to say about how.
        connection.as_mut().poll(context).map(|ended| {
            ended.ok();
        })
    })
    .await;
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    use super::*;
    use crate::peer::AddressSource;

    const LIMITS: ConnectionLimits = ConnectionLimits { total: 4, per_prefix: 2 };

    /// A connection that the room takes for one from `remote`; its other end.
    async fn enter(room: &Rc<Room>, listener: &TcpListener, remote: &str) -> TcpStream {
        let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (here, _) = listener.accept().await.unwrap();
        let peer = AddressSource::default().peer(remote.parse().unwrap());
        let nothing = || Response::new(Empty::<&[u8]>::new());
        room.admit(here, peer, move |_| std::future::ready(nothing()));
        there
    }

    async fn is_answered(stream: &mut TcpStream) -> bool {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.read(&mut [0; 512]).await.is_ok_and(|length| length > 0)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_network_has_its_share_and_who_is_late_makes_room() {
        let all = async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let room = Room::new(LIMITS, None);
            let mut streams = Vec::new();
            for (remote, expect) in [
                ("192.0.2.1:1", true),
                ("192.0.2.77:1", true),
                ("192.0.2.1:2", false),
                ("198.51.100.1:1", true),
                ("127.0.0.1:1", true),
            ] {
                assert!(room.has_place(), "{remote}");
                let mut stream = enter(&room, &listener, remote).await;
                assert_eq!(is_answered(&mut stream).await, expect, "{remote}");
                streams.push(stream);
            }
            assert!(!room.has_place());
            // None asks again: all are idle for too long.
            (0..100).for_each(|_| room.sweep());
            while !room.watches.borrow().is_empty() {
                tokio::task::yield_now().await;
            }
            assert!(room.has_place() && room.per_prefix.borrow().is_empty());
            let mut again = enter(&room, &listener, "192.0.2.1:3").await;
            assert!(is_answered(&mut again).await);
            room.leave(Duration::from_secs(9)).await;
            assert!(room.watches.borrow().is_empty());
        };
        LocalSet::new().run_until(all).await;
    }
}
