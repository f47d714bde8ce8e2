//! A lane that is fed by hand: batches that lie ready as a whole, such as those of an embedded store.
//!
//! What it is not: another way to write. The lane, the desk and the ledger are those of a partition.
//!
//! What surprises: it may be fed from the beginning again after a crash. What the ledger has is
//! dropped, as it is when Kafka repeats itself.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use headcount_core::batch::{Batch, BatchId};
use headcount_core::ledger::Stream;
use headcount_store::StoreError;
use headcount_store::clickhouse::Writer;
use thiserror::Error;

use super::post::{Desk, Outcome, Post};
use super::{Alarm, ClusterStatus};

/// Between two looks while the store is away.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a feed has ended before its end.
#[derive(Debug, Error)]
pub enum FeedError {
    /// The store cannot be written, for good.
    #[error("the store cannot be written")]
    Store(#[from] StoreError),
    /// The ledger has other batches under this name.
    #[error(
        "the ledger has other counts under {src}: this folder, or a copy of it, was brought in before"
    )]
    Other {
        /// The name in the ledger.
        src: String,
    },
    /// The ledger moved while nobody but this feed should write.
    #[error("another process writes {src} to the store")]
    Overtaken {
        /// The name in the ledger.
        src: String,
    },
}

/// Batches from one hand, numbered from 1, each written with a ledger row of its own.
pub struct Feed {
    post: Post,
    desk: Desk,
    src: String,
    stream: Stream,
    next: u64,
    applied: u64,
}

impl Feed {
    /// Reads how far `src` is in the ledger. The batches are those of `stream`, or it was not begun.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn start(mut writer: Writer, src: &str, stream: Stream) -> Result<Self, FeedError> {
        let standing = writer.standing(src)?;
        if standing.applied > 0 && !standing.last_seqs.contains_key(&stream) {
            return Err(FeedError::Other { src: src.to_owned() });
        }
        let desk = Desk { writer, status: Arc::default() };
        let post = Post::new(src.to_owned(), Vec::new());
        let mut feed =
            Self { post, desk, src: src.to_owned(), stream, next: 1, applied: standing.applied };
        while !feed.post.wants_records() {
            feed.settle(true)?;
        }
        Ok(feed)
    }

    /// The last number in the ledger.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// What happened so far.
    pub fn status(&self) -> ClusterStatus {
        self.desk.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes the next batch, and comes back when it is in the ledger. While the store is away it
    /// is waited for.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn give(&mut self, batch: Batch) -> Result<(), FeedError> {
        let Stream { collector, epoch } = self.stream;
        let position = self.next;
        self.post.given(position, BatchId { collector, epoch, seq: position }, batch);
        while self.applied < position || self.post.is_busy() {
            self.settle(false)?;
        }
        self.next += 1;
        Ok(())
    }

    fn settle(&mut self, is_start: bool) -> Result<(), FeedError> {
        let mut is_quiet = true;
        for outcome in self.post.settle(&mut self.desk)? {
            is_quiet = false;
            match outcome {
                Outcome::Applied(position) => self.applied = self.applied.max(position),
                Outcome::Begin(_) if is_start => {}
                Outcome::Begin(_) => return Err(FeedError::Overtaken { src: self.src.clone() }),
                Outcome::Stopped(
                    Alarm::Gap { .. } | Alarm::LogTruncated { .. } | Alarm::Unreadable { .. },
                ) => return Err(FeedError::Other { src: self.src.clone() }),
                Outcome::Stopped(Alarm::LedgerMoved { .. } | Alarm::LedgerDiffers { .. }) => {
                    return Err(FeedError::Overtaken { src: self.src.clone() });
                }
            }
        }
        if is_quiet {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}
