//! The transport of embedded mode: a bounded queue between two threads of one process.
//!
//! What it is not: durable, and it need not be. What is lost with the process is still in the
//! outbox and is sent again at the next start.
//!
//! What surprises: sending never waits. A full queue gives the record back, and the outbox keeps
//! it until there is room.

use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::time::Duration;

use headcount_core::batch::BatchId;

use crate::{News, Offered, Publisher, Record};

/// Acknowledgements waiting at most; the subscriber waits when the publisher reads none.
const ACKS_MAX: usize = 1_024;

/// The collector's end.
#[derive(Debug)]
pub struct LocalPublisher {
    records: SyncSender<Record>,
    acks: Receiver<BatchId>,
    is_closed: bool,
}

/// The aggregator's end.
#[derive(Debug)]
pub struct LocalSubscriber {
    records: Receiver<Record>,
    acks: SyncSender<BatchId>,
}

/// What a subscriber heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A record.
    Record(Record),
    /// Nothing in time.
    Nothing,
    /// The other end has stopped and everything it sent was read.
    Closed,
}

/// Both ends of a queue of `records_max` records.
pub fn pair(records_max: usize) -> (LocalPublisher, LocalSubscriber) {
    let (records, records_out) = sync_channel(records_max);
    let (acks, acks_out) = sync_channel(ACKS_MAX);
    let publisher = LocalPublisher { records, acks: acks_out, is_closed: false };
    (publisher, LocalSubscriber { records: records_out, acks })
}

impl Publisher for LocalPublisher {
    fn offer(&mut self, record: Record) -> Offered {
        match self.records.try_send(record) {
            Ok(()) => Offered::Sent,
            Err(TrySendError::Full(record)) => Offered::Full(record),
            Err(TrySendError::Disconnected(_)) => Offered::Closed,
        }
    }

    fn news(&mut self) -> Option<News> {
        let heard = self.acks.try_recv();
        self.is_closed = heard == Err(TryRecvError::Disconnected);
        heard.ok().map(|id| News::Acked { partition: 0, id })
    }

    fn is_closed(&self) -> bool {
        self.is_closed
    }
}

impl LocalSubscriber {
    /// Waits for a record, `patience` at most.
    pub fn hear(&self, patience: Duration) -> Heard {
        match self.records.recv_timeout(patience) {
            Ok(record) => Heard::Record(record),
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
            Err(RecvTimeoutError::Disconnected) => Heard::Closed,
        }
    }

    /// Says that `id` and everything before it is in the store.
    pub fn ack(&self, id: BatchId) {
        // A publisher that has stopped reads its acknowledgements from the store's ledger at the
        // next start, so an unheard one loses nothing.
        self.acks.send(id).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64) -> Record {
        Record { id: BatchId { collector: 1, epoch: 1, seq }, partition: 0, payload: vec![1] }
    }

    #[test]
    fn gives_back_what_has_no_room() {
        let (mut publisher, subscriber) = pair(1);
        assert_eq!(publisher.offer(record(1)), Offered::Sent);
        assert_eq!(publisher.offer(record(2)), Offered::Full(record(2)));
        assert_eq!(subscriber.hear(Duration::ZERO), Heard::Record(record(1)));
        assert_eq!(subscriber.hear(Duration::ZERO), Heard::Nothing);
        assert_eq!(publisher.news(), None);
        subscriber.ack(record(1).id);
        assert_eq!(publisher.news(), Some(News::Acked { partition: 0, id: record(1).id }));
        drop(publisher);
        assert_eq!(subscriber.hear(Duration::ZERO), Heard::Closed);
        subscriber.ack(record(1).id);
    }

    #[test]
    fn the_last_word_of_the_other_end_is_heard_before_it_is_gone() {
        let (mut publisher, subscriber) = pair(1);
        assert_eq!((publisher.news(), publisher.is_closed()), (None, false));
        subscriber.ack(record(1).id);
        drop(subscriber);
        assert!(publisher.news().is_some() && !publisher.is_closed());
        assert_eq!((publisher.news(), publisher.is_closed()), (None, true));
        assert_eq!(publisher.offer(record(2)), Offered::Closed);
    }
}
