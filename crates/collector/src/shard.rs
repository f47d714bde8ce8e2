//! One core's half-open group of hits, and how the committer and the core meet over it.
//!
//! What it is not: a queue of hits. A hit is added up the moment it is clean; what waits is a
//! tally and a number.
//!
//! What surprises: the lock is held for one hit's additions or one swap, so core and committer
//! hardly ever meet.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use headcount_core::tally::Tally;

use crate::names::{NameId, SiteId};
use crate::release::EdgeCell;

/// Cells of one core, between the core and the committer.
#[derive(Default)]
pub(crate) struct Shard {
    open: Mutex<Open>,
    decided: Mutex<Vec<(u64, bool)>>,
    news: tokio::sync::Notify,
}

#[derive(Default)]
struct Open {
    group: u64,
    hits: usize,
    tally: Tally<SiteId, NameId>,
}

/// A group that takes no more hits.
pub(crate) struct Closed {
    pub(crate) group: u64,
    /// Hits and refusals in it.
    pub(crate) hits: usize,
    pub(crate) tally: Tally<SiteId, NameId>,
}

impl Shard {
    /// Adds a hit's cells to the open group and returns the group's number, and whether the
    /// committer must be rung for.
    pub(crate) fn add(&self, cells: &[EdgeCell]) -> (u64, bool) {
        let mut open = lock(&self.open);
        let is_first = open.tally.is_empty();
        open.hits += 1;
        for (site, key, counts) in cells {
            open.tally.add(*site, *key, counts);
        }
        (open.group, is_first)
    }

    /// Closes the open group and takes it; `None` if nothing is in it.
    pub(crate) fn close(&self) -> Option<Closed> {
        let mut open = lock(&self.open);
        if open.tally.is_empty() {
            return None;
        }
        let group = open.group;
        open.group += 1;
        let hits = std::mem::take(&mut open.hits);
        // The next group will have about as many.
        let next = Tally::with_capacity(open.tally.len());
        Some(Closed { group, hits, tally: std::mem::replace(&mut open.tally, next) })
    }

    /// The committer's word on a group.
    pub(crate) fn decide(&self, group: u64, durable: bool) {
        lock(&self.decided).push((group, durable));
        self.news.notify_one();
    }

    /// Waits for the committer's word.
    pub(crate) async fn decisions(&self) -> Vec<(u64, bool)> {
        self.news.notified().await;
        std::mem::take(&mut lock(&self.decided))
    }
}

/// Wakes the committer.
#[derive(Default)]
pub(crate) struct Doorbell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Doorbell {
    pub(crate) fn ring(&self) {
        *lock(&self.rung) = true;
        self.ring.notify_one();
    }

    /// Waits until somebody rings, `patience` at most.
    pub(crate) fn wait(&self, patience: Duration) {
        let rung = lock(&self.rung);
        let (mut rung, _) = self
            .ring
            .wait_timeout_while(rung, patience, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
