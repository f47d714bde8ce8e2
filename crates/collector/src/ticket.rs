//! What a counted request waits on: its group's commit.
//!
//! What it is not: a channel between threads. Tickets live on one core; the committer wakes the
//! core once a group, and the core wakes its own requests.
//!
//! What surprises: a request that goes away keeps its place in the counts. It was not answered, so
//! it may count once or not at all.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The requests of one core that wait for a commit, by group.
#[derive(Default)]
pub(crate) struct Tickets {
    waiting: RefCell<VecDeque<(u64, Vec<Rc<Slot>>)>>,
}

#[derive(Default)]
struct Slot {
    outcome: Cell<Option<bool>>,
    waker: RefCell<Option<Waker>>,
}

impl Tickets {
    /// Waits until `group` is decided: `true` when it is durable.
    pub(crate) async fn wait(&self, group: u64) -> bool {
        let slot = Rc::new(Slot::default());
        {
            let mut waiting = self.waiting.borrow_mut();
            match waiting.back_mut() {
                Some((last, slots)) if *last == group => slots.push(Rc::clone(&slot)),
                _ => waiting.push_back((group, vec![Rc::clone(&slot)])),
            }
        }
        poll_fn(|context| match slot.outcome.get() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                *slot.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Tells everybody up to `group` how it went.
    pub(crate) fn decide(&self, group: u64, durable: bool) {
        loop {
            let slots = {
                let mut waiting = self.waiting.borrow_mut();
                match waiting.front() {
                    Some((first, _)) if *first <= group => waiting.pop_front(),
                    _ => None,
                }
            };
            let Some((_, slots)) = slots else { return };
            for slot in slots {
                slot.outcome.set(Some(durable));
                if let Some(waker) = slot.waker.borrow_mut().take() {
                    waker.wake();
                }
            }
        }
    }
}
