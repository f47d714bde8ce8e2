//! The way of batches from a collector's outbox to the aggregator.
//!
//! What it is not: a store. The outbox keeps a batch until the other side has written it down;
//! here batches only pass.
//!
//! What surprises: in embedded mode an acknowledgement means "in the store", so the outbox empties
//! exactly when nothing can be lost any more.

#[cfg(feature = "kafka")]
pub mod kafka;
pub mod local;
pub mod wire;

use headcount_core::batch::BatchId;

/// A batch on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which batch.
    pub id: BatchId,
    /// The lane it travels in; sequence numbers are counted per lane.
    pub partition: u32,
    /// An encoded [`headcount_core::batch::Batch`].
    pub payload: Vec<u8>,
}

/// What became of a record that was offered.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is on its way.
    Sent,
    /// No room now; here it is again.
    Full(Record),
    /// The other end has stopped.
    Closed,
}

/// What a publisher hears from the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// This batch and all before it of the same collector, epoch and partition are safe there.
    Acked {
        /// The lane.
        partition: u32,
        /// The batch.
        id: BatchId,
    },
    /// What was sent and not acknowledged may be gone: offer it again, from the first, in order.
    Restarted,
}

/// The collector's end of a transport.
pub trait Publisher: Send {
    /// Offers a record without waiting. Records of one partition arrive in the order offered. While
    /// a [`News::Restarted`] waits to be read, nothing is taken: what is offered then would arrive
    /// before what has to be offered again.
    fn offer(&mut self, record: Record) -> Offered;

    /// The next piece of news, if there is one.
    fn news(&mut self) -> Option<News>;

    /// Whether all news was read and none will come: the other end has stopped for good.
    fn is_closed(&self) -> bool {
        false
    }
}
