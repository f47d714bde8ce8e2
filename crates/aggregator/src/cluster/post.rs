//! One partition's lane and what it waits for, and the desk where all lanes have their work done.
//!
//! What it is not: in touch with Kafka. What has to be said there is handed back.
//!
//! What surprises: an effect that fails stays first in its queue and is tried again later. The lane
//! knows nothing of that; it waits for its answer. An insert that was not confirmed is answered at
//! once, but what the lane wants then comes after a pause.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use headcount_core::batch::{Batch, BatchId, WireError};
use headcount_core::failpoint;
use headcount_core::time::Day;
use headcount_store::StoreError;
use headcount_store::clickhouse::{ApplyError, Writer};
use headcount_transport::kafka::Consumed;
use headcount_transport::wire;

use super::pace::Pace;
use super::{ClusterStatus, Part, PartitionStatus};
use crate::ends::{decoded, ledgered};
use crate::lane::{self, Alarm, Answer, Effect, Event, Lane, Unreadable};

/// What has to be said to Kafka, or to a human.
pub(super) enum Outcome {
    /// Read what comes after this position.
    Begin(u64),
    /// Everything up to this position is in the ledger.
    Applied(u64),
    /// The lane has stopped.
    Stopped(Alarm),
}

/// One partition.
pub(super) struct Post {
    src: String,
    /// `None` until its ledger was read.
    lane: Option<Lane>,
    aside: Vec<u64>,
    todo: VecDeque<Effect>,
    opened_at: Option<Instant>,
    pace: Pace,
    /// Whether Kafka gives records now.
    pub(super) is_flowing: bool,
}

impl Post {
    pub(super) fn new(src: String, aside: Vec<u64>) -> Self {
        let todo = VecDeque::new();
        let pace = Pace::default();
        Self { src, lane: None, aside, todo, opened_at: None, pace, is_flowing: true }
    }

    /// Whether something is written now, or should be.
    pub(super) fn is_busy(&self) -> bool {
        let open = self.lane.as_ref().is_some_and(|lane| lane.has_open() && lane.alarm().is_none());
        open || !self.todo.is_empty()
    }

    pub(super) fn wants_records(&self) -> bool {
        self.todo.is_empty() && self.lane.as_ref().is_some_and(Lane::takes_records)
    }

    pub(super) fn arrived(&mut self, consumed: Consumed) {
        let record = match consumed.record {
            Ok((id, payload)) => decoded(id, &payload),
            Err(error) => Err(Unreadable { id: None, error: of_envelope(error) }),
        };
        self.step(Event::Arrived { position: consumed.position, record });
    }

    /// A batch that does not come from Kafka.
    pub(super) fn given(&mut self, position: u64, id: BatchId, batch: Batch) {
        self.step(Event::Arrived { position, record: Ok((id, batch)) });
        self.step(Event::Due);
    }

    /// Closes what has been open for so long.
    pub(super) fn close_if_older(&mut self, age: Duration) {
        if self.opened_at.is_some_and(|at| at.elapsed() >= age) {
            self.step(Event::Due);
        }
    }

    fn step(&mut self, event: Event) {
        let Some(lane) = &mut self.lane else { return };
        self.todo.extend(lane.step(event));
        self.opened_at = match (lane.has_open(), self.opened_at) {
            (false, _) => None,
            (true, None) => Some(Instant::now()),
            (true, since) => since,
        };
    }

    /// Does what the lane wants, until it wants nothing or something fails.
    pub(super) fn settle(&mut self, desk: &mut Desk) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::new();
        if self.pace.is_early(Instant::now()) {
            return Ok(outcomes);
        }
        if self.lane.is_none() {
            let Some(standing) = self.tried(desk.standing(&self.src))? else { return Ok(outcomes) };
            outcomes.push(Outcome::Begin(standing.applied));
            outcomes.push(Outcome::Applied(standing.applied));
            self.lane = Some(Lane::new(standing));
            self.pace.worked();
            for position in std::mem::take(&mut self.aside) {
                self.step(Event::SetAside(position));
            }
        }
        while let Some(effect) = self.todo.pop_front() {
            let event = match effect {
                Effect::Insert { insert, attempt } => {
                    Some(Event::Answered(desk.insert(&self.src, insert, attempt)?))
                }
                Effect::ReadLedger => match self.tried(desk.standing(&self.src))? {
                    Some(standing) => Some(Event::ReadBack(standing)),
                    None => return Ok(self.again(effect, outcomes)),
                },
                Effect::Fence { lo } => match self.tried(desk.fence(&self.src, lo))? {
                    Some(()) => Some(Event::Fenced),
                    None => return Ok(self.again(effect, outcomes)),
                },
                Effect::Ack(position) => {
                    self.pace.worked();
                    desk.worked(Part::Insert);
                    outcomes.push(Outcome::Applied(position));
                    failpoint::hit("ack-after");
                    None
                }
                Effect::Seek(position) => {
                    outcomes.push(Outcome::Begin(position));
                    None
                }
                Effect::Alarm(alarm) => {
                    outcomes.push(Outcome::Stopped(alarm));
                    None
                }
            };
            // Without a pause here, a server that answers questions and takes no insert would be
            // asked as fast as it answers, and nobody would listen to Kafka or to a stop.
            let is_unwritten = matches!(
                event,
                Some(Event::Answered(Answer::Unclear | Answer::Refused) | Event::Fenced)
            );
            if let Some(event) = event {
                self.step(event);
            }
            if is_unwritten {
                self.pace.failed(Instant::now());
                return Ok(outcomes);
            }
        }
        Ok(outcomes)
    }

    fn again(&mut self, effect: Effect, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        self.todo.push_front(effect);
        outcomes
    }

    /// `None` if it failed and may be tried again later.
    fn tried<T>(&mut self, done: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
        let done = done?;
        if done.is_none() {
            self.pace.failed(Instant::now());
        }
        Ok(done)
    }
}

/// What is wrong with a record, as the lane tells it.
fn of_envelope(error: wire::WireError) -> WireError {
    match error {
        wire::WireError::Empty => WireError::Empty,
        wire::WireError::Version(version) => WireError::Version(version),
        wire::WireError::Short(_) | wire::WireError::Sequence => WireError::Malformed,
    }
}

/// The store, and what is told of it.
pub(super) struct Desk {
    pub(super) writer: Writer,
    pub(super) status: Arc<Mutex<ClusterStatus>>,
}

impl Desk {
    pub(super) fn note(&self, change: impl FnOnce(&mut ClusterStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn partition(&self, partition: u32, change: impl FnOnce(&mut PartitionStatus)) {
        self.note(|status| change(status.partitions.entry(partition).or_default()));
    }

    /// Notes a failure that may pass; it is logged once until its part works again.
    pub(super) fn trouble(&self, part: Part, error: &dyn Display) {
        self.note(|status| {
            if status.failed(part, error) {
                let part = part.as_str();
                tracing::warn!(part, error = %error, "trying again, nothing is lost");
            }
        });
    }

    /// Takes back what was noted of a part, and of no other.
    pub(super) fn worked(&self, part: Part) {
        self.note(|status| status.worked(part));
    }

    fn tried<T>(&self, done: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match done {
            Ok(value) => {
                self.worked(Part::ClickHouse);
                Ok(Some(value))
            }
            Err(error) if error.is_retryable() => {
                self.trouble(Part::ClickHouse, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn standing(
        &mut self,
        src: &str,
    ) -> Result<Option<headcount_core::ledger::Standing>, StoreError> {
        let standing = self.writer.standing(src);
        self.tried(standing)
    }

    fn fence(&mut self, src: &str, lo: u64) -> Result<Option<()>, StoreError> {
        let fenced = self.writer.fence(src, lo);
        self.tried(fenced)
    }

    fn insert(
        &mut self,
        src: &str,
        insert: lane::Insert,
        attempt: u32,
    ) -> Result<Answer, StoreError> {
        failpoint::hit("apply-before");
        let cells = insert.batches.iter().map(Batch::len).sum::<usize>() as u64;
        let insert = ledgered(src, insert)?;
        let answer = match self.writer.apply(&insert, attempt - 1) {
            Ok(()) => {
                self.note(|status| {
                    status.inserts += 1;
                    status.cells += cells;
                });
                Answer::Success
            }
            Err(ApplyError::Unclear(error)) if error.is_retryable() => {
                self.trouble(Part::Insert, &error);
                Answer::Unclear
            }
            // Somebody else has written since the ledger was read; it will be read again.
            Err(ApplyError::Refused(StoreError::OutOfOrder { .. })) => Answer::Refused,
            Err(ApplyError::Refused(error)) if error.is_retryable() => {
                self.trouble(Part::Insert, &error);
                Answer::Refused
            }
            // If it was written after all, the ledger says so at the next start.
            Err(ApplyError::Unclear(error) | ApplyError::Refused(error)) => return Err(error),
        };
        failpoint::hit("apply-after");
        Ok(answer)
    }

    /// `false` if it must be tried again.
    pub(super) fn purge(&mut self, oldest: Day) -> Result<bool, StoreError> {
        let purged = self.writer.set_oldest_readable(oldest);
        let purged = purged.and_then(|()| self.writer.purge_older(oldest).map(drop));
        Ok(self.tried(purged)?.is_some())
    }

    /// `false` if it must be tried again.
    pub(super) fn close_before(&mut self, day: Day, k: u32) -> Result<bool, StoreError> {
        let closed = self.writer.close_before(day, k);
        Ok(self.tried(closed)?.is_some())
    }

    /// Whether a partition waits for much that is in Kafka.
    pub(super) fn is_behind(&self) -> bool {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.partitions.values().any(|partition| partition.lag >= super::BEHIND_RECORDS)
    }

    /// Goes on with erasures that were asked for or cut off.
    pub(super) fn sweep(&mut self) -> Result<(), StoreError> {
        let swept = self.writer.finish_erasures();
        self.tried(swept).map(drop)
    }

    pub(super) fn audit(&mut self, now: u64) -> Result<(), StoreError> {
        let books = self.writer.audit(now);
        if let Some(books) = self.tried(books)? {
            if !books.balanced() {
                tracing::error!(audit_delta = books.audit_delta, "the books do not balance");
            }
            self.note(|status| status.books = Some(books));
        }
        Ok(())
    }

    /// The last audit of whoever cleans up: it reads the whole table, and one is enough.
    pub(super) fn read_books(&self) -> Result<(), StoreError> {
        let books = self.writer.last_audit();
        if let Some(books) = self.tried(books)? {
            self.note(|status| status.books = books);
        }
        Ok(())
    }
}
