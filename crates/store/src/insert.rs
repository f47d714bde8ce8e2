//! What is given to a store in one piece: the cells of some batches and what the ledger will say.
//!
//! What it is not: a transport's message. Which batches go together, and under which numbers of
//! which source, the aggregator decided.
//!
//! What surprises: the totals are given although they could be added up here. The store adds up
//! too and refuses when the two disagree.

use headcount_core::batch::{Batch, BatchId};
use headcount_core::cell::Counts;
use headcount_core::ledger::Progress;
use headcount_core::time::Day;

use crate::error::StoreError;

/// Longest name of a source, in bytes.
pub const SRC_BYTES_MAX: usize = 255;

/// One closed range of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Insert {
    /// The source, such as a Kafka partition; any text that does not begin with `(`, which is
    /// reserved for the store's own ledger rows.
    pub src: String,
    /// First number of the range; must be one more than what was applied.
    pub lo: u64,
    /// Last number of the range.
    pub hi: u64,
    /// The UTC day under which the range was closed; kept over retries.
    pub closed_day: Day,
    /// The batches whose cells are added. Equal cells of several batches add up.
    pub batches: Vec<Batch>,
    /// The sum over all cells of all batches.
    pub totals: Counts,
    /// The last batch of every collector and epoch up to `hi`; those that did not move may be
    /// left out.
    pub last_seqs: Vec<BatchId>,
}

/// What an apply did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Where the source stands now.
    pub progress: Progress,
    /// Different cells that were touched.
    pub cells: u64,
}

impl Insert {
    /// The sum over all cells of `batches`; `None` past the store's limit of `i64::MAX`.
    pub fn totals_of(batches: &[Batch]) -> Option<Counts> {
        batches.iter().try_fold(Counts::ZERO, |sum, batch| sum.checked_add(batch.totals()?))
    }

    /// Checks what can be checked without the ledger.
    ///
    /// # Errors
    /// [`StoreError::BadInsert`] with the rule that is broken.
    pub fn check(&self) -> Result<(), StoreError> {
        let why = if self.src.is_empty() || self.src.len() > SRC_BYTES_MAX {
            "the name of the source must have 1 to 255 bytes"
        } else if self.src.starts_with('(') {
            "a source in parentheses is the store's own"
        } else if self.lo == 0 || self.lo > self.hi || i64::try_from(self.hi).is_err() {
            "the range must run upwards from 1 or more"
        } else if Self::totals_of(&self.batches) != Some(self.totals) {
            "the totals are not the sum of the cells"
        } else {
            return Ok(());
        };
        Err(StoreError::BadInsert { why })
    }
}
