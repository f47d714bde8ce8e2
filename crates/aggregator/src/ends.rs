//! Both ends of a lane: a record's bytes as the lane takes them, and its insert as the store does.
//!
//! What it is not: a decision. Each is a translation between two rooms.
//!
//! What surprises: an insert is handed over and not copied; it may hold a hundred thousand cells.

use headcount_core::batch::{Batch, BatchId};
use headcount_store::{Insert, StoreError};

use crate::lane::{self, Unreadable};

/// What a record holds.
pub(crate) fn decoded(id: BatchId, payload: &[u8]) -> Result<(BatchId, Batch), Unreadable> {
    match Batch::decode(payload) {
        Ok(batch) => Ok((id, batch)),
        Err(error) => Err(Unreadable { id: Some(id), error }),
    }
}

/// An insert with its totals, under the name of its source.
pub(crate) fn ledgered(src: &str, insert: lane::Insert) -> Result<Insert, StoreError> {
    let lane::Insert { lo, hi, closed_day, batches, last_seqs } = insert;
    let totals = Insert::totals_of(&batches)
        .ok_or(StoreError::BadInsert { why: "its totals pass the limit of a count" })?;
    Ok(Insert { src: src.to_owned(), lo, hi, closed_day, batches, totals, last_seqs })
}
