//! The thread that runs a lane against the transport and the store.
//!
//! What it is not: a place for decisions. The lane says what to do, this does it.
//!
//! What surprises: nobody writes to the store but this thread, so erasing, purging and auditing
//! are done here too, between two inserts.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use headcount_core::batch::BatchId;
use headcount_core::failpoint;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Day};
use headcount_store::StoreError;
use headcount_store::question::Books;
use headcount_store::sqlite::Writer;
use headcount_transport::Record;
use headcount_transport::local::{Heard, LocalSubscriber};
use thiserror::Error;

use crate::ends::{decoded, ledgered};
use crate::keeping::{Keeping, closed_before};
use crate::lane::{Alarm, Answer, Effect, Event, Lane};

/// How long one look at the transport waits.
const PATIENCE: Duration = Duration::from_millis(200);
/// Pause before a failed write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// At least this long between two audits; and never more than a fiftieth of the time in them.
const AUDIT_INTERVAL: Duration = Duration::from_secs(2);
/// At most this long between two audits when nothing was written.
const AUDIT_INTERVAL_IDLE: Duration = Duration::from_secs(60);
/// See [`AUDIT_INTERVAL`].
const AUDIT_SHARE: u32 = 50;
/// Between two emptyings of the store's log.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);
/// From a start to its first close of a day: what the last end left in the edge file comes before.
const CLOSE_AFTER: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 5 });
/// Requests waiting at most.
const REQUESTS_MAX: usize = 16;
/// How long an erasure may take before its asker gives up waiting.
const REQUEST_PATIENCE: Duration = Duration::from_secs(120);

/// Why an aggregator has stopped.
#[derive(Debug, Error)]
pub enum AggregatorError {
    /// The store cannot be written, for good.
    #[error("the store cannot be written")]
    Store(#[from] StoreError),
    /// The thread could not be started.
    #[error("the aggregator cannot run")]
    Thread(#[source] std::io::Error),
    /// The ledger has more than this thread wrote.
    #[error("another process writes to the store")]
    Overtaken,
    /// It has stopped and answers no more.
    #[error("the aggregator has stopped")]
    Stopped,
}

/// What others may see of a running aggregator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// The last audit.
    pub books: Option<Books>,
    /// Why the lane stopped, if it did.
    pub alarm: Option<Alarm>,
}

enum Request {
    Erase(SiteHost, SyncSender<Result<(), StoreError>>),
}

/// A running aggregator.
#[derive(Debug)]
pub struct Aggregator {
    thread: JoinHandle<Result<(), AggregatorError>>,
    requests: SyncSender<Request>,
    status: Arc<Mutex<Status>>,
}

/// The name under which the ledger keeps a lane of the local transport.
pub fn local_src(collector: u64, epoch: u64) -> String {
    format!("local:{collector:016x}:{epoch:016x}:0")
}

impl Aggregator {
    /// Starts the thread on the lane of a collector and epoch.
    ///
    /// # Errors
    /// [`AggregatorError`] if the ledger cannot be read or the thread cannot start.
    pub fn start(
        writer: Writer,
        subscriber: LocalSubscriber,
        (collector, epoch): (u64, u64),
        keeping: Keeping,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AggregatorError> {
        let src = local_src(collector, epoch);
        let lane = Lane::new(writer.standing(&src)?);
        let (requests, inbox) = sync_channel(REQUESTS_MAX);
        let status = Arc::new(Mutex::new(Status::default()));
        let driver = Driver {
            writer,
            subscriber,
            src,
            id: BatchId { collector, epoch, seq: 0 },
            lane,
            inbox,
            status: Arc::clone(&status),
            clock,
            keeping,
            started: Instant::now(),
            purged: None,
            closed: None,
            audited: None,
            changed: true,
            settled: None,
            settled_at: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("aggregator".into())
            .spawn(move || driver.run())
            .map_err(AggregatorError::Thread)?;
        Ok(Self { thread, requests, status })
    }

    /// Removes every count of a site from the store. Nothing of it may still be on its way.
    ///
    /// # Errors
    /// [`AggregatorError`] if the store cannot do it.
    pub fn erase(&self, host: &SiteHost) -> Result<(), AggregatorError> {
        let (reply, answer) = sync_channel(1);
        self.requests
            .send(Request::Erase(host.clone(), reply))
            .map_err(|_| AggregatorError::Stopped)?;
        Ok(answer.recv_timeout(REQUEST_PATIENCE).map_err(|_| AggregatorError::Stopped)??)
    }

    /// How it is.
    pub fn status(&self) -> Status {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the thread still runs.
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits for the end: it comes when the publisher has gone and everything it sent is written.
    ///
    /// # Errors
    /// Why it ended before that.
    pub fn join(self) -> Result<(), AggregatorError> {
        drop(self.requests);
        self.thread.join().map_err(|_| AggregatorError::Stopped)?
    }
}

struct Driver {
    writer: Writer,
    subscriber: LocalSubscriber,
    src: String,
    id: BatchId,
    lane: Lane,
    inbox: Receiver<Request>,
    status: Arc<Mutex<Status>>,
    clock: Arc<dyn Clock>,
    keeping: Keeping,
    started: Instant,
    purged: Option<Day>,
    closed: Option<Day>,
    audited: Option<(Instant, Duration)>,
    /// Whether anything was written since the last audit.
    changed: bool,
    /// What the writer had changed when the store's log was emptied last; when that was tried last.
    settled: Option<u64>,
    settled_at: Instant,
}

impl Driver {
    fn run(mut self) -> Result<(), AggregatorError> {
        loop {
            self.keep_house()?;
            match self.subscriber.hear(PATIENCE) {
                Heard::Record(record) if self.lane.takes_records() => self.take(record)?,
                // A lane stopped by an alarm acknowledges nothing: its records stay in the outbox
                // until a human has looked.
                Heard::Record(_) => {}
                Heard::Nothing => self.settle()?,
                Heard::Closed => {
                    self.audit()?;
                    return Ok(());
                }
            }
        }
    }

    /// Empties the store's log when there is nothing else to do: it would tell one view from the next.
    fn settle(&mut self) -> Result<(), AggregatorError> {
        let changes = self.writer.changes();
        if self.settled != Some(changes) && self.settled_at.elapsed() >= SETTLE_INTERVAL {
            match self.writer.empty_log() {
                Ok(true) => self.settled = Some(changes),
                Ok(false) => {}
                Err(error) => self.survive(error)?,
            }
            self.settled_at = Instant::now();
        }
        Ok(())
    }

    /// Takes a record and whatever else is there already, and writes them in one insert.
    fn take(&mut self, first: Record) -> Result<(), AggregatorError> {
        let mut next = Some(first);
        while let Some(record) = next.take() {
            let (position, record) = (record.id.seq, decoded(record.id, &record.payload));
            self.step(Event::Arrived { position, record })?;
            if self.lane.takes_records()
                && let Heard::Record(record) = self.subscriber.hear(Duration::ZERO)
            {
                next = Some(record);
            }
        }
        self.step(Event::Due)
    }

    /// Gives the lane an event and does what it wants, until it wants nothing.
    fn step(&mut self, event: Event) -> Result<(), AggregatorError> {
        let mut effects = self.lane.step(event);
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                if let Some(event) = self.perform(effect)? {
                    next.extend(self.lane.step(event));
                }
            }
            effects = next;
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Result<Option<Event>, AggregatorError> {
        match effect {
            Effect::Insert { insert, .. } => {
                failpoint::hit("apply-before");
                self.changed = true;
                let insert = ledgered(&self.src, insert)?;
                let answer = match self.writer.apply(&insert) {
                    Ok(_) => Answer::Success,
                    Err(error) => {
                        self.survive(error)?;
                        Answer::Unclear
                    }
                };
                failpoint::hit("apply-after");
                Ok(Some(Event::Answered(answer)))
            }
            Effect::ReadLedger => loop {
                match self.writer.standing(&self.src) {
                    Ok(standing) => return Ok(Some(Event::ReadBack(standing))),
                    Err(error) => self.survive(error)?,
                }
            },
            // Nobody writes but this thread, and what it wrote has ended when it was answered.
            Effect::Fence { .. } => Ok(Some(Event::Fenced)),
            // A queue cannot be read again. The next start reads the outbox from its beginning.
            Effect::Seek(_) => Err(AggregatorError::Overtaken),
            Effect::Ack(seq) => {
                self.subscriber.ack(BatchId { seq, ..self.id });
                failpoint::hit("ack-after");
                Ok(None)
            }
            Effect::Alarm(alarm) => {
                tracing::error!(?alarm, "lane stopped, nothing is lost, its batches wait");
                self.note(|status| status.alarm = Some(alarm));
                Ok(None)
            }
        }
    }

    /// Waits after a failure that may pass; gives up on one that will not.
    fn survive(&self, error: StoreError) -> Result<(), AggregatorError> {
        if !error.is_retryable() {
            tracing::error!(error = %error, "store failed, stopping");
            return Err(error.into());
        }
        tracing::warn!(error = %error, "store refused a write, trying again");
        std::thread::sleep(RETRY_PAUSE);
        Ok(())
    }

    /// Erasures, retention and the audit, between two inserts.
    fn keep_house(&mut self) -> Result<(), AggregatorError> {
        while let Ok(Request::Erase(host, reply)) = self.inbox.try_recv() {
            let erased = self.writer.erase_site(&host).map(drop);
            self.audited = None;
            // The asker may have given up.
            drop(reply.send(erased));
        }
        let oldest = self.today().oldest_kept(self.keeping.retention_days);
        if self.purged != Some(oldest) {
            match self.purge(oldest) {
                Ok(()) => self.purged = Some(oldest),
                Err(error) => self.survive(error)?,
            }
        }
        self.close_days()?;
        let interval = if self.changed { AUDIT_INTERVAL } else { AUDIT_INTERVAL_IDLE };
        let due = self.audited.is_none_or(|(at, took)| {
            at.elapsed() >= interval.max(took.saturating_mul(AUDIT_SHARE))
        });
        if due { self.audit() } else { Ok(()) }
    }

    /// Closes the days that are over, but not before the edge has told what a standstill left there.
    fn close_days(&mut self) -> Result<(), AggregatorError> {
        let before = closed_before(self.clock.hour());
        if self.closed == Some(before) || self.started.elapsed() < CLOSE_AFTER {
            return Ok(());
        }
        match self.writer.close_before(before, self.keeping.k_day) {
            Ok(folded) => {
                if folded > 0 {
                    tracing::info!(%before, folded, "days are closed, small values folded");
                }
                self.closed = Some(before);
                self.changed = true;
            }
            Err(error) => self.survive(error)?,
        }
        Ok(())
    }

    fn purge(&mut self, oldest: Day) -> Result<(), StoreError> {
        self.writer.set_oldest_readable(oldest)?;
        let removed = self.writer.purge_older(oldest)?;
        self.writer.compact_ledger(oldest)?;
        if !removed.totals.is_zero() {
            tracing::info!(oldest = %oldest, "counts past their retention are gone");
        }
        Ok(())
    }

    fn audit(&mut self) -> Result<(), AggregatorError> {
        let started = Instant::now();
        match self.writer.audit(self.clock.unix_seconds()) {
            Ok(books) => {
                if !books.balanced() {
                    tracing::error!(audit_delta = books.audit_delta, "the books do not balance");
                }
                self.note(|status| status.books = Some(books));
            }
            Err(error) => self.survive(error)?,
        }
        self.audited = Some((Instant::now(), started.elapsed()));
        self.changed = false;
        Ok(())
    }

    fn today(&self) -> Day {
        self.clock.hour().day()
    }

    fn note(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests;
