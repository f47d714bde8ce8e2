//! Where one partition is being read, and which record is the next.
//!
//! What it is not: the ledger's judgement. Here offsets are compared, there sequence numbers.
//!
//! What surprises: a record further on than expected is not taken at once. It may be left over from
//! before a new beginning, so the partition is read again from where it should stand; if the same
//! record comes again, the log really has nothing in between.

use std::fmt;

/// What is missing in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Records were deleted before they were read.
    Deleted {
        /// The offset that should be read next.
        wanted: u64,
        /// The first one that is left.
        first: u64,
    },
    /// The log ends before the position that was already reached.
    Behind {
        /// The offset that should be read next.
        wanted: u64,
        /// Where the log ends.
        end: u64,
    },
}

impl Loss {
    /// What is missing if `wanted` is to be read of a log with these ends.
    pub(super) fn of(wanted: u64, (first, end): (u64, u64)) -> Option<Self> {
        if wanted < first {
            Some(Self::Deleted { wanted, first })
        } else if wanted > end {
            Some(Self::Behind { wanted, end })
        } else {
            None
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted { wanted, first } => write!(
                f,
                "records from offset {wanted} were deleted before they were read: the log begins \
                 at {first}"
            ),
            Self::Behind { wanted, end } => write!(
                f,
                "the log ends at offset {end}, before {wanted} that was reached already: the topic \
                 was made anew or cut"
            ),
        }
    }
}

/// What to do with a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// It is the next one.
    Deliver,
    /// It was read before, or nothing is wanted now.
    Drop,
    /// Something may lie before it: fetch from this offset again.
    ReadAgain(u64),
}

/// One partition that is being read.
#[derive(Debug)]
pub(super) struct Lane {
    next: u64,
    is_paused: bool,
    /// A record came while paused and was dropped.
    has_skipped: bool,
    /// A record beyond the expected one, seen once.
    doubted: Option<u64>,
}

impl From<u64> for Lane {
    /// A partition of which `applied` records are in the store.
    fn from(applied: u64) -> Self {
        Self { next: applied, is_paused: false, has_skipped: false, doubted: None }
    }
}

impl Lane {
    /// The offset that should come next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Goes on; the offset to fetch from again if something was dropped meanwhile.
    pub(super) fn resume(&mut self) -> Option<u64> {
        self.is_paused = false;
        std::mem::take(&mut self.has_skipped).then_some(self.next)
    }

    /// Judges a record by its offset.
    pub(super) fn take(&mut self, offset: u64) -> Take {
        if offset < self.next {
            return Take::Drop;
        }
        if self.is_paused {
            self.has_skipped = true;
            return Take::Drop;
        }
        if offset > self.next && self.doubted != Some(offset) {
            self.doubted = Some(offset);
            return Take::ReadAgain(self.next);
        }
        self.doubted = None;
        self.next = offset.saturating_add(1);
        Take::Deliver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_each_offset_once_and_in_order() {
        let mut lane = Lane::from(5);
        assert_eq!(lane.take(4), Take::Drop);
        assert_eq!(lane.take(5), Take::Deliver);
        assert_eq!(lane.take(5), Take::Drop);
        assert_eq!(lane.take(6), Take::Deliver);
        assert_eq!(lane.next(), 7);
    }

    #[test]
    fn a_leftover_beyond_the_expected_is_not_taken() {
        let mut lane = Lane::from(5);
        assert_eq!(lane.take(90), Take::ReadAgain(5));
        assert_eq!(lane.take(5), Take::Deliver);
        assert_eq!(lane.take(6), Take::Deliver);
    }

    #[test]
    fn a_hole_that_is_seen_twice_is_passed() {
        let mut lane = Lane::from(5);
        assert_eq!(lane.take(7), Take::ReadAgain(5));
        assert_eq!(lane.take(7), Take::Deliver);
        assert_eq!(lane.next(), 8);
        assert_eq!(lane.take(9), Take::ReadAgain(8));
    }

    #[test]
    fn what_comes_during_a_pause_is_read_again() {
        let mut lane = Lane::from(0);
        lane.pause();
        assert_eq!(lane.take(0), Take::Drop);
        assert_eq!(lane.resume(), Some(0));
        assert_eq!(lane.take(0), Take::Deliver);
        lane.pause();
        assert_eq!(lane.resume(), None);
    }

    #[test]
    fn a_loss_names_both_numbers() {
        assert_eq!(Loss::of(5, (0, 5)), None);
        assert_eq!(Loss::of(0, (0, 0)), None);
        let deleted = Loss::of(3, (7, 9)).unwrap();
        assert_eq!(deleted, Loss::Deleted { wanted: 3, first: 7 });
        assert!(deleted.to_string().contains("offset 3") && deleted.to_string().contains("at 7"));
        assert_eq!(Loss::of(10, (7, 9)), Some(Loss::Behind { wanted: 10, end: 9 }));
    }
}
