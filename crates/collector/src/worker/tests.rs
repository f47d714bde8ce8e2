//! Places of connections.
//!
//! What it is not: a test of sockets.
//!
//! What surprises: a panic goes through here as it goes through a connection's task.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use prometheus_client::registry::Registry;

use super::*;

const NETWORK: [u8; 7] = [1; 7];

#[test]
fn whatever_ends_a_connection_gives_its_place_back() {
    let metrics = Arc::new(Metrics::register(&mut Registry::default()));
    let room = Rc::new(Room {
        limits: ConnectionLimits { total: 2, per_prefix: 1 },
        now: Rc::default(),
        watches: RefCell::default(),
        per_prefix: RefCell::default(),
        next: Cell::new(0),
        metrics: Arc::clone(&metrics),
        landing: Rc::new(Landing::new()),
    });
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
