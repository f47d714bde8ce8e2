//! One core: its runtime, its connections, its judge.
//!
//! What it is not: in need of locks. What a core has, it has alone; it meets the others at its
//! shard, at the names and at the visitors' filter.
//!
//! What surprises: the kernel deals connections out to the cores (SO_REUSEPORT), so there is no
//! acceptor, and a connection never moves.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use headcount_core::failpoint;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};

use crate::compat::Compat;
use crate::connection::{Landing, Order, READ_BYTES_MAX, TICK, Watch, Watched, wipe};
use crate::http::{Body, Fallback, answer};
use crate::judge::{Judge, Shared};
use crate::metrics::Metrics;
use crate::peer::{Peer, Prefix};
use crate::rejection::Rejection;
use crate::release::EdgeCell;
use crate::shard::{Doorbell, Shard};
use crate::sites::SiteTable;
use crate::ticket::Tickets;

/// Header lines of one request at most; beyond, 431.
const HEADERS_MAX: usize = 64;
/// Pause after a failed accept (no descriptors left), so that the core does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a stop lets requests finish.
const LEAVE_PATIENCE: Duration = Duration::from_secs(10);

/// What a core is given.
pub(crate) struct WorkerParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) judge: Judge,
    pub(crate) shard: Arc<Shard>,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) sites: Arc<Mutex<Arc<SiteTable>>>,
    pub(crate) sites_version: Arc<AtomicU64>,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) compat: Compat,
    pub(crate) stop: tokio::sync::watch::Receiver<bool>,
}

/// How many connections one core keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// In all.
    pub(crate) total: usize,
    /// From one network that is neither this machine nor a trusted proxy.
    pub(crate) per_prefix: usize,
}

/// One core.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) judge: Judge,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) compat: Compat,
    shard: Arc<Shard>,
    doorbell: Arc<Doorbell>,
    tickets: Tickets,
    shared_sites: Arc<Mutex<Arc<SiteTable>>>,
    sites_version: Arc<AtomicU64>,
    sites: RefCell<(u64, Arc<SiteTable>)>,
    /// One hit's cells, again and again.
    cells: RefCell<Vec<EdgeCell>>,
}

impl Worker {
    /// The sites as they are now.
    pub(crate) fn sites(&self) -> Ref<'_, SiteTable> {
        let version = self.sites_version.load(Ordering::Acquire);
        if self.sites.borrow().0 != version {
            let table = self.shared_sites.lock().unwrap_or_else(PoisonError::into_inner);
            *self.sites.borrow_mut() = (version, Arc::clone(&table));
        }
        Ref::map(self.sites.borrow(), |sites| &*sites.1)
    }

    /// Room for one hit's cells, empty. It must be let go before anything is awaited.
    pub(crate) fn cells(&self) -> RefMut<'_, Vec<EdgeCell>> {
        let mut cells = self.cells.borrow_mut();
        cells.clear();
        cells
    }

    /// Adds a hit's cells to the open group and returns its number.
    pub(crate) fn add(&self, cells: &[EdgeCell]) -> u64 {
        failpoint::hit("hit-clean");
        let (group, is_first) = self.shard.add(cells);
        if is_first {
            self.doorbell.ring();
        }
        failpoint::hit("hit-added");
        group
    }

    /// Waits until a group is on the disk.
    pub(crate) async fn durable(&self, group: u64) -> Result<(), Rejection> {
        if self.tickets.wait(group).await { Ok(()) } else { Err(Rejection::NotDurable) }
    }

    async fn herald(&self) {
        loop {
            let decisions = self.shard.decisions().await;
            failpoint::hit("core-hears");
            for (group, durable) in decisions {
                self.tickets.decide(group, durable);
            }
        }
    }
}

/// The connections of one core.
struct Room {
    limits: ConnectionLimits,
    now: Rc<Cell<u32>>,
    watches: RefCell<HashMap<u64, Rc<Watch>>>,
    per_prefix: RefCell<HashMap<[u8; 7], usize>>,
    next: Cell<u64>,
    metrics: Arc<Metrics>,
    landing: Rc<Landing>,
}

/// A connection's place among those of its core and of its network. Whatever ends the connection, and
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
        self.room.metrics.connections.dec();
        if let Some(network) = self.network {
            self.room.leave(network);
        }
    }
}

/// Runs one core until it is told to stop and its last request is answered.
pub(crate) fn run(parts: WorkerParts, listener: std::net::TcpListener) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, serve(parts, listener))
}

async fn serve(parts: WorkerParts, listener: std::net::TcpListener) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut stop = parts.stop.clone();
    let room = Rc::new(Room {
        limits: parts.limits,
        now: Rc::new(Cell::new(0)),
        watches: RefCell::default(),
        per_prefix: RefCell::default(),
        next: Cell::new(0),
        metrics: Arc::clone(&parts.shared.metrics),
        landing: Rc::new(Landing::new()),
    });
    let worker = Rc::new(Worker {
        shared: parts.shared,
        judge: parts.judge,
        fallback: parts.fallback,
        compat: parts.compat,
        shard: parts.shard,
        doorbell: parts.doorbell,
        tickets: Tickets::default(),
        sites: RefCell::new((0, Arc::default())),
        cells: RefCell::default(),
        shared_sites: parts.sites,
        sites_version: parts.sites_version,
    });
    let mut keepers = JoinSet::new();
    keepers.spawn_local({
        let worker = Rc::clone(&worker);
        async move { worker.herald().await }
    });
    keepers.spawn_local(sweep(Rc::clone(&room), Rc::clone(&worker)));
    loop {
        tokio::select! {
            biased;
            _ = stop.changed() => break,
            // Without them nobody is answered, and no deadline and no day ends.
            Some(_) = keepers.join_next() => return Err(std::io::Error::other("a task failed")),
            accepted = listener.accept(), if room.has_place() => match accepted {
                Ok((stream, remote)) => {
                    failpoint::hit("core-accepts");
                    let peer = worker.shared.addresses.peer(remote);
                    room.admit(&worker, stream, peer);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            () = tokio::time::sleep(TICK), if !room.has_place() => {}
        }
    }
    drop(listener);
    room.tell_all(Order::Leave);
    let deadline = tokio::time::Instant::now() + LEAVE_PATIENCE;
    while !room.watches.borrow().is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    keepers.shutdown().await;
    Ok(())
}

/// Four times a second: who is late, and is it another day?
async fn sweep(room: Rc<Room>, worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        failpoint::hit("core-sweeps");
        room.now.set(room.now.get().saturating_add(1));
        let watches: Vec<Rc<Watch>> = room.watches.borrow().values().map(Rc::clone).collect();
        let late = watches.iter().filter(|watch| watch.sweep()).count();
        worker.shared.metrics.connections_closed_late.inc_by(late as u64);
        worker.judge.keep_day();
    }
}

impl Room {
    fn has_place(&self) -> bool {
        self.watches.borrow().len() < self.limits.total
    }

    fn tell_all(&self, order: Order) {
        let watches: Vec<Rc<Watch>> = self.watches.borrow().values().map(Rc::clone).collect();
        watches.iter().for_each(|watch| watch.tell(order));
    }

    /// Takes a connection in, unless its network has too many.
    fn admit(self: &Rc<Self>, worker: &Rc<Worker>, stream: TcpStream, peer: Peer) {
        let network = peer.direct().filter(|_| !peer.is_loopback()).map(|p: Prefix| p.hash_input());
        let Some(place) = self.place(network) else {
            self.metrics.connections_refused.inc();
            return;
        };
        // Answers are small and whole: waiting to fill a segment would only make them late.
        stream.set_nodelay(true).ok();
        let worker = Rc::clone(worker);
        // Owned by the LocalSet, which ends with the core; its watch ends it before.
        drop(tokio::task::spawn_local(async move {
            converse(worker, stream, peer, &place).await;
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
        self.metrics.connections.inc();
        Some(Place { room: Rc::clone(self), watch, id, network })
    }

    fn leave(&self, prefix: [u8; 7]) {
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
struct Wiped<S: Answers>(Option<http1::Connection<Watched, S>>);

/// What answers the requests of a connection.
trait Answers: HttpService<Incoming, ResBody = Body, Error = Infallible> {}

impl<S: HttpService<Incoming, ResBody = Body, Error = Infallible>> Answers for S {}

impl<S: Answers> Drop for Wiped<S> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // The request goes first, if one is under way, and its hold on the buffer with it.
            wipe(connection.into_parts().read_buf);
        }
    }
}

/// Serves one connection to its end.
async fn converse(worker: Rc<Worker>, stream: TcpStream, peer: Peer, place: &Place) {
    let watch = &place.watch;
    let of_request = Rc::clone(watch);
    let service = service_fn(move |request| {
        of_request.begin();
        let (worker, watch) = (Rc::clone(&worker), Rc::clone(&of_request));
        async move {
            let answer = answer(worker, peer, request).await;
            watch.end();
            Ok::<_, Infallible>(answer)
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
        // A visitor's connection ends as it likes; there is nothing to say about how.
        Pin::new(connection).poll(context).map(|ended| {
            ended.ok();
        })
    })
    .await;
}

#[cfg(test)]
mod tests;
