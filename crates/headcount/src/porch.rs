//! The porch before the doors of analysts and operators: how many stand there, and for how long.
//!
//! What it is not: the door, which judges each request. Here connections are kept as the edge keeps
//! those of visitors, with its limits and deadlines: nobody may take the files that visitors need.
//!
//! What surprises: a stranger, whom the door refuses whatever they ask, is told so if few do it at
//! once, and is closed without a word if many do.

use std::rc::Rc;

use axum::Router;
use headcount_collector::TICK;
use headcount_collector::peer::Peer;
use headcount_collector::room::{ConnectionLimits, Room};
use tokio::net::{TcpListener, TcpStream};

use crate::door::Door;

/// Connections of those who may not ask: they are told so, if it is no flood.
const STRANGERS: ConnectionLimits = ConnectionLimits { total: 16, per_prefix: 4 };

/// A listener, by the key of its address, and how many connections it keeps.
#[derive(Clone, Copy)]
pub(crate) struct Entrance {
    pub(crate) key: &'static str,
    limits: ConnectionLimits,
}

/// The analysts' own: a browser opens six connections, and a network may be a whole house.
pub(crate) const ANALYSTS: Entrance =
    Entrance { key: "stats_listen", limits: ConnectionLimits { total: 256, per_prefix: 64 } };
/// The operators': a few programs that ask now and then.
pub(crate) const OPERATORS: Entrance =
    Entrance { key: "ops_listen", limits: ConnectionLimits { total: 64, per_prefix: 16 } };

/// Who stands at one listener.
pub(crate) struct Porch {
    door: Door,
    router: Router,
    inside: Rc<Room>,
    outside: Rc<Room>,
}

impl Porch {
    /// An empty one.
    pub(crate) fn new(entrance: Entrance, router: Router, door: Door) -> Self {
        let room = |limits| Room::new(limits, None);
        Self { door, router, inside: room(entrance.limits), outside: room(STRANGERS) }
    }

    /// Serves the listener for as long as it is polled.
    pub(crate) async fn serve(self, listener: TcpListener) {
        tokio::join!(self.accept(&listener), self.sweep());
    }

    async fn accept(&self, listener: &TcpListener) {
        loop {
            let (stream, peer) = self.inside.accept(listener, self.door.addresses()).await;
            self.admit(stream, peer);
        }
    }

    fn admit(&self, stream: TcpStream, peer: Peer) {
        let room = if peer.may_ask() { &self.inside } else { &self.outside };
        if room.has_place() {
            let (door, router) = (self.door.clone(), self.router.clone());
            room.admit(stream, peer, move |request| {
                let asker = door.addresses().asker(peer, request.headers());
                door.ask(&router, Some(asker), request)
            });
        }
    }

    async fn sweep(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.inside.sweep();
            self.outside.sweep();
        }
    }
}
