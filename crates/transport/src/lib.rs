//! The way of batches from a collector's outbox to the aggregator.
//!
//! What it is not: a store. The outbox keeps a batch until the other side has written it down;
//! here batches only pass.
//!
//! What surprises: in embedded mode an acknowledgement means "in the store", so the outbox empties
//! exactly when nothing can be lost any more.

pub mod local;

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
