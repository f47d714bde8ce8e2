//! The ledger's rules: what of a source was applied, and what to do with the next batch of it.
//!
//! What it is not: storage. The store keeps the rows; here is only the decision.
//!
//! What surprises: a batch that was applied already is no error. A crash between "applied" and
//! "acknowledged" makes it the normal case.

use std::collections::BTreeMap;

use crate::batch::BatchId;

/// One sequence of batches: those of one collector and epoch, within one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// The collector.
    pub collector: u64,
    /// The life of its edge file.
    pub epoch: u64,
}

/// How a source stands in the ledger: everything that a start needs to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last position applied; positions begin at 1, so 0 is none. In embedded mode a position
    /// is the batch's sequence number, in Kafka it is the offset + 1.
    pub applied: u64,
    /// The last sequence number applied of every stream.
    pub last_seqs: BTreeMap<Stream, u64>,
}

impl Standing {
    /// Judges a batch by its number in its stream; the first one of a stream is 1.
    pub fn judge(&self, id: BatchId) -> Verdict {
        let applied = self.last_seqs.get(&Stream::of(id)).copied().unwrap_or(0);
        Progress { applied }.judge(id.seq)
    }
}

impl Stream {
    /// The stream that a batch belongs to.
    pub fn of(id: BatchId) -> Self {
        Self { collector: id.collector, epoch: id.epoch }
    }
}

/// How far a source has been applied: batches `1..=applied`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last sequence number applied; 0 for none.
    pub applied: u64,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next one: apply it.
    Apply,
    /// Applied before: drop it and acknowledge.
    Repeat,
    /// Batches before it are missing: stop this source and raise the alarm.
    Gap {
        /// The sequence number that should have come.
        expected: u64,
    },
}

impl Progress {
    /// Judges the batch `seq`, given what was applied and what waits to be.
    pub fn judge(self, seq: u64) -> Verdict {
        let expected = self.applied.saturating_add(1);
        match seq.cmp(&expected) {
            std::cmp::Ordering::Less => Verdict::Repeat,
            std::cmp::Ordering::Equal => Verdict::Apply,
            std::cmp::Ordering::Greater => Verdict::Gap { expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_order_with_repeats_applies_each_once(seqs in proptest::collection::vec(1u64..20, 0..200)) {
            let mut progress = Progress::default();
            let mut applied = Vec::new();
            for seq in seqs {
                if progress.judge(seq) == Verdict::Apply {
                    applied.push(seq);
                    progress.applied = seq;
                }
            }
            let expect: Vec<u64> = (1..=progress.applied).collect();
            prop_assert_eq!(applied, expect);
        }
    }
}
