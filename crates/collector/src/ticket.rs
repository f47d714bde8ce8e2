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
    waiting: RefCell<VecDeque<Rc<Group>>>,
}

struct Group {
    number: u64,
    outcome: Cell<Option<bool>>,
    wakers: RefCell<Vec<Waker>>,
}

impl Tickets {
    /// Waits until `group` is decided: `true` when it is durable.
    pub(crate) async fn wait(&self, group: u64) -> bool {
        let group = self.group(group);
        let mut place = None;
        poll_fn(|context| {
            if let Some(outcome) = group.outcome.get() {
                return Poll::Ready(outcome);
            }
            let mut wakers = group.wakers.borrow_mut();
            match place.and_then(|place: usize| wakers.get_mut(place)) {
                Some(waker) => waker.clone_from(context.waker()),
                None => {
                    place = Some(wakers.len());
                    wakers.push(context.waker().clone());
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Tells everybody up to `group` how it went.
    pub(crate) fn decide(&self, group: u64, durable: bool) {
        loop {
            let decided = {
                let mut waiting = self.waiting.borrow_mut();
                match waiting.front() {
                    Some(first) if first.number <= group => waiting.pop_front(),
                    _ => None,
                }
            };
            let Some(decided) = decided else { return };
            decided.outcome.set(Some(durable));
            decided.wakers.take().into_iter().for_each(Waker::wake);
        }
    }

    fn group(&self, number: u64) -> Rc<Group> {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.back() {
            Some(last) if last.number == number => Rc::clone(last),
            _ => {
                let outcome = Cell::new(None);
                let group = Rc::new(Group { number, outcome, wakers: RefCell::default() });
                waiting.push_back(Rc::clone(&group));
                group
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn each_group_gets_its_own_word_and_the_undecided_wait() {
        let tickets = Tickets::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(tickets.wait(1));
        let (mut second, mut third) = (pin!(tickets.wait(2)), pin!(tickets.wait(3)));
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending(), "asked twice");
        tickets.decide(1, true);
        tickets.decide(2, false);
        assert_eq!(first.poll(&mut context), Poll::Ready(true));
        assert_eq!(second.poll(&mut context), Poll::Ready(false));
        assert!(third.as_mut().poll(&mut context).is_pending());
        tickets.decide(3, true);
        assert_eq!(third.poll(&mut context), Poll::Ready(true));
    }
}
