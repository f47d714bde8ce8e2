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
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{Landing, Order, READ_BYTES_MAX, TICK, Watch, Watched, wipe};
use crate::metrics::Metrics;
use crate::peer::{AddressSource, Peer, Prefix};

/// Header lines of one request at most; beyond, 431.
const HEADERS_MAX: usize = 64;
/// After an accept that failed, as with no descriptors left, so that the thread does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
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
pub struct Room {
    limits: ConnectionLimits,
    now: Rc<Cell<u32>>,
    watches: RefCell<HashMap<u64, Rc<Watch>>>,
    per_prefix: RefCell<HashMap<[u8; 7], usize>>,
    next: Cell<u64>,
    /// Where visitors' connections are counted; others are not.
    metrics: Option<Arc<Metrics>>,
    landing: Rc<Landing>,
}

/// A connection's place among those of its room and of its network. Whatever ends the connection, and
/// be it a panic, frees it.
struct Place {
    room: Rc<Room>,
    watch: Rc<Watch>,
    id: u64,
    /// Its network, where connections of a network are counted.
    network: Option<[u8; 7]>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.watches.borrow_mut().remove(&self.id);
        if let Some(metrics) = &self.room.metrics {
            metrics.connections.dec();
        }
        if let Some(network) = self.network {
            self.room.forget(network);
        }
    }
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
            landing: Rc::new(Landing::new()),
        })
    }

    /// Whether another connection may be accepted.
    pub fn has_place(&self) -> bool {
        self.watches.borrow().len() < self.limits.total
    }

    /// Waits for a place and then for who takes it. Nothing is lost when it is dropped before.
    pub async fn accept(
        &self,
        listener: &TcpListener,
        addresses: &AddressSource,
    ) -> (TcpStream, Peer) {
        loop {
            if !self.has_place() {
                tokio::time::sleep(TICK).await;
                continue;
            }
            match listener.accept().await {
                Ok((stream, remote)) => return (stream, addresses.peer(remote)),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
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
        let network = peer.direct().filter(|_| !peer.is_loopback()).map(|p: Prefix| p.hash_input());
        let Some(place) = self.place(network) else {
            if let Some(metrics) = &self.metrics {
                metrics.connections_refused.inc();
            }
            return;
        };
        // Answers are small and whole: waiting to fill a segment would only make them late.
        stream.set_nodelay(true).ok();
        // Owned by the LocalSet, which ends with the thread; its watch ends it before.
        drop(tokio::task::spawn_local(async move {
            converse(stream, &place, Rc::new(answer)).await;
        }));
    }

    /// A place for a connection from this network, unless there are too many of it.
    fn place(self: &Rc<Self>, network: Option<[u8; 7]>) -> Option<Place> {
        if let Some(network) = network {
            let mut per_prefix = self.per_prefix.borrow_mut();
            let count = per_prefix.entry(network).or_default();
            if *count >= self.limits.per_prefix {
                return None;
            }
            *count += 1;
        }
        let id = self.next.replace(self.next.get() + 1);
        let watch = Rc::new(Watch::new(&self.now, network.is_some()));
        self.watches.borrow_mut().insert(id, Rc::clone(&watch));
        if let Some(metrics) = &self.metrics {
            metrics.connections.inc();
        }
        Some(Place { room: Rc::clone(self), watch, id, network })
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

/// A connection whose buffer is overwritten when it goes, whatever ends it.
struct Wiped<S, B>(Option<http1::Connection<Watched, S>>)
where
    S: HttpService<Incoming, ResBody = B, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>;

impl<S, B> Drop for Wiped<S, B>
where
    S: HttpService<Incoming, ResBody = B, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // The request goes first, if one is under way, and its hold on the buffer with it.
            wipe(connection.into_parts().read_buf);
        }
    }
}

/// Serves one connection to its end.
async fn converse<A, F, B>(stream: TcpStream, place: &Place, answer: Rc<A>)
where
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let watch = &place.watch;
    let of_request = Rc::clone(watch);
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
    let io = Watched::new(stream, Rc::clone(watch), Rc::clone(&place.room.landing));
    let connection = http1::Builder::new()
        .max_buf_size(READ_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .writev(false)
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let mut connection = Wiped(Some(connection));
    let mut leaving = false;
    poll_fn(|context| {
        let Some(connection) = &mut connection.0 else { return Poll::Ready(()) };
        match watch.order(context) {
            Order::Drop => return Poll::Ready(()),
            Order::Leave if !leaving => {
                leaving = true;
                Pin::new(&mut *connection).graceful_shutdown();
            }
            Order::Leave | Order::Stay => {}
        }
        // A connection ends as it likes; there is nothing to say about how.
        Pin::new(connection).poll(context).map(|ended| {
            ended.ok();
        })
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use http_body_util::Empty;
    use prometheus_client::registry::Registry;
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

    /// A panic goes through here as it goes through a connection's task.
    #[test]
    fn whatever_ends_a_connection_gives_its_place_back() {
        const NETWORK: [u8; 7] = [1; 7];
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let limits = ConnectionLimits { total: 2, per_prefix: 1 };
        let room = Room::new(limits, Some(Arc::clone(&metrics)));
        let first = room.place(Some(NETWORK)).unwrap();
        assert!(room.place(Some(NETWORK)).is_none(), "its network has one already");
        let second = room.place(None).unwrap();
        assert!(!room.has_place());
        assert_eq!(metrics.connections.get(), 2);
        drop(second);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _place = first;
            resume_unwind(Box::new(()));
        }));
        assert!(ended.is_err());
        assert!(room.watches.borrow().is_empty() && room.per_prefix.borrow().is_empty());
        assert_eq!(metrics.connections.get(), 0);
        assert!(room.place(Some(NETWORK)).is_some());
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
