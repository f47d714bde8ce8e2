//! One core: its runtime, its connections, its judge.
//!
//! What it is not: in need of locks. What a core has, it has alone; it meets the others at its
//! shard, at the names and at the visitors' filter.
//!
//! What surprises: the kernel deals connections out to the cores (SO_REUSEPORT), so there is no
//! acceptor, and a connection never moves.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headcount_core::failpoint;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, LocalSet};

use crate::compat::Compat;
use crate::connection::TICK;
use crate::http::{Fallback, answer};
use crate::judge::{Judge, Shared};
use crate::rejection::Rejection;
use crate::release::EdgeCell;
use crate::room::{ConnectionLimits, Room};
use crate::shard::{Doorbell, Shard};
use crate::sites::SiteTable;
use crate::ticket::Tickets;

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
    let room = Room::new(parts.limits, Some(Arc::clone(&parts.shared.metrics)));
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
            (stream, peer) = room.accept(&listener, &worker.shared.addresses) => {
                failpoint::hit("core-accepts");
                let worker = Rc::clone(&worker);
                room.admit(stream, peer, move |request| answer(Rc::clone(&worker), peer, request));
            }
        }
    }
    drop(listener);
    room.leave(LEAVE_PATIENCE).await;
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
        room.sweep();
        worker.judge.keep_day();
    }
}
