//! One lane of batches: a state machine without I/O, the same for a Kafka partition and for the
//! outbox of embedded mode.
//!
//! What it is not: a thread, a clock or a store. Events go in, effects come out, and whoever runs
//! it does the effects and tells what came of them. The simulator runs this very code.
//!
//! What surprises: an insert that was answered well may be missing, and one that failed may have
//! been written. So the ledger is read before every insert and after it: before, because an
//! aggregator that stood still for an hour does not know it, and the store has forgotten the
//! tokens of that time. And the day an insert is
//! closed under comes from its first batch, not from a clock: two aggregators that both believe
//! they own a lane then write into the same partition, where one token stops the second.

use std::collections::{BTreeMap, BTreeSet};

use headcount_core::batch::{BATCH_CELLS_MAX, BATCH_NAME_BYTES_MAX, Batch, BatchId, WireError};
use headcount_core::ledger::{Standing, Stream, Verdict};
use headcount_core::mutant::{self, Mutant};
use headcount_core::time::Day;
use headcount_store::clickhouse::{INSERT_BYTES_MAX, INSERT_ROW_BYTES, INSERT_ROWS_MAX};

/// Cells that close an insert.
pub const INSERT_CELLS_MAX: usize = 100_000;
/// Bytes that close an insert, counted as ClickHouse's rows are: so many that the largest batch
/// still fits on top of them.
pub const OPEN_BYTES_MAX: usize =
    INSERT_BYTES_MAX - BATCH_CELLS_MAX * INSERT_ROW_BYTES - BATCH_NAME_BYTES_MAX;

/// The same for its cells; one row more is the ledger's.
const _: () = assert!(INSERT_CELLS_MAX + BATCH_CELLS_MAX < INSERT_ROWS_MAX);

/// What happens to a lane.
#[derive(Debug)]
pub enum Event {
    /// A record arrived.
    Arrived {
        /// Its place in the lane, from 1: in embedded mode its sequence number, in Kafka its
        /// offset + 1.
        position: u64,
        /// What it holds.
        record: Result<(BatchId, Batch), Unreadable>,
    },
    /// Nothing more is there now, or what is open is old enough: it should be written.
    Due,
    /// The insert was answered.
    Answered(Answer),
    /// What the ledger says.
    ReadBack(Standing),
    /// No insert of the range asked about runs any more.
    Fenced,
    /// A human lets the lane pass the record at this position: one that cannot be read, or one
    /// before which batches are missing. May be said before or after the lane has stopped there.
    SetAside(u64),
}

/// A record that is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose it is, if that much could be read.
    pub id: Option<BatchId>,
    /// Why.
    pub error: WireError,
}

/// How an insert was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The store says it is there. It may have been taken for a repeat of one that is not.
    Success,
    /// No answer, or one that does not tell.
    Unclear,
    /// The store did not take it.
    Refused,
}

/// What a lane wants done.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Write these batches with one ledger row, in one transaction; then say [`Event::Answered`].
    Insert {
        /// What to write: the same over all attempts.
        insert: Insert,
        /// Part of the token, beside `lo` and nothing else. It rises only when the token before
        /// is known to be spent without having written.
        attempt: u32,
    },
    /// Read the ledger in every partition, then say [`Event::ReadBack`].
    ReadLedger,
    /// See to it that no insert beginning at `lo` runs in the store any more, then say
    /// [`Event::Fenced`].
    Fence {
        /// First position of the range.
        lo: u64,
    },
    /// Everything up to this position is in the store.
    Ack(u64),
    /// The next record wanted is the first one after this position.
    Seek(u64),
    /// Stop the lane and call a human.
    Alarm(Alarm),
}

/// The batches at positions `lo..=hi` of a lane, without repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// First position, included.
    pub lo: u64,
    /// Last position, included.
    pub hi: u64,
    /// The latest day of a cell in the first batch. No cell of the insert is of a later day.
    pub closed_day: Day,
    /// The batches, in order.
    pub batches: Vec<Batch>,
    /// The last batch of every stream that moved.
    pub last_seqs: Vec<BatchId>,
}

/// Why a lane stopped. Nothing is lost: its records wait where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Batches of a stream are missing.
    Gap {
        /// Where it was seen.
        position: u64,
        /// The batch that came.
        came: BatchId,
        /// The number that should have come.
        expected: u64,
    },
    /// A record cannot be read.
    Unreadable {
        /// Where.
        position: u64,
        /// Why.
        error: WireError,
    },
    /// A new batch came at a position that was passed before: the log was cut off and its
    /// positions are used again, so that others may have been missed.
    LogTruncated {
        /// Where.
        position: u64,
        /// How far the lane had come.
        passed: u64,
    },
    /// The ledger went back.
    LedgerMoved {
        /// What it said before.
        before: u64,
        /// What it says now.
        now: u64,
    },
    /// The ledger has a range like ours with other batches in it.
    LedgerDiffers {
        /// Last position of the range.
        hi: u64,
    },
}

/// A lane's state.
#[derive(Debug, Default)]
pub struct Lane {
    /// What the ledger said last.
    standing: Standing,
    /// The same with what was taken since. Its position is the last one passed.
    heard: Standing,
    open: Open,
    in_flight: Option<Flight>,
    /// Positions that a human has set aside.
    aside: BTreeSet<u64>,
    /// What stops the lane as soon as the insert in flight is written.
    coming: Option<Alarm>,
    alarm: Option<Alarm>,
}

/// What was taken and not closed.
#[derive(Debug, Default)]
struct Open {
    batches: Vec<Batch>,
    cells: usize,
    bytes: usize,
    day: Day,
    last_seqs: BTreeMap<Stream, u64>,
}

impl Open {
    fn push(&mut self, batch: Batch) {
        self.cells += batch.len();
        self.bytes += batch.len() * INSERT_ROW_BYTES + batch.name_bytes();
        self.batches.push(batch);
    }

    fn is_full(&self) -> bool {
        self.cells >= INSERT_CELLS_MAX || self.bytes >= OPEN_BYTES_MAX
    }
}

#[derive(Debug)]
struct Flight {
    insert: Insert,
    attempt: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Closed, and the ledger is being read.
    Closed,
    Sent,
    Reading(Answer),
    Fencing,
    ReadingFenced,
}

impl Lane {
    /// A lane of which the ledger says this. Its first record wanted is the one after
    /// `standing.applied`.
    pub fn new(standing: Standing) -> Self {
        Self { heard: standing.clone(), standing, ..Self::default() }
    }

    /// Whether the lane takes records now; if not, leave them in the transport.
    pub fn takes_records(&self) -> bool {
        self.in_flight.is_none()
            && self.coming.is_none()
            && self.alarm.is_none()
            && !self.open.is_full()
    }

    /// Whether something taken waits to be written: then say [`Event::Due`] in time.
    pub fn has_open(&self) -> bool {
        !self.open.batches.is_empty()
    }

    /// Why the lane has stopped, if it has.
    pub fn alarm(&self) -> Option<Alarm> {
        self.alarm
    }

    /// Takes one event and tells what to do.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::SetAside(position) => self.set_aside(position),
            _ if self.alarm.is_some() => Vec::new(),
            Event::Arrived { position, record } if self.takes_records() => {
                self.arrived(position, record)
            }
            Event::Arrived { .. } if mutant::is(Mutant::DropWhileInFlight) => Vec::new(),
            // Nobody asked for it.
            Event::Arrived { .. } => vec![Effect::Seek(self.heard.applied)],
            Event::Due => self.close(),
            Event::Answered(answer) => self.answered(answer),
            Event::ReadBack(standing) => self.read_back(standing),
            Event::Fenced => self.fenced(),
        }
    }

    fn arrived(
        &mut self,
        position: u64,
        record: Result<(BatchId, Batch), Unreadable>,
    ) -> Vec<Effect> {
        let id = match &record {
            Ok((id, _)) => Some(*id),
            Err(unreadable) => unreadable.id,
        };
        let passed = self.heard.applied;
        let verdict = match id.map(|id| self.heard.judge(id)) {
            Some(_) if mutant::is(Mutant::JudgeByPosition) && position <= passed => {
                Some(Verdict::Repeat)
            }
            Some(_) if mutant::is(Mutant::JudgeByPosition) => Some(Verdict::Apply),
            Some(Verdict::Gap { .. }) if mutant::is(Mutant::AcceptGap) => Some(Verdict::Apply),
            Some(Verdict::Gap { .. })
                if mutant::is(Mutant::AnyBeginning)
                    && id.is_some_and(|id| !self.heard.last_seqs.contains_key(&Stream::of(id))) =>
            {
                Some(Verdict::Apply)
            }
            Some(Verdict::Repeat) if mutant::is(Mutant::ApplyRepeat) && position > passed => {
                Some(Verdict::Apply)
            }
            verdict => verdict,
        };
        if verdict == Some(Verdict::Repeat) || (verdict.is_none() && position <= passed) {
            return self.repeated(position);
        }
        if position <= passed {
            return self.raise(Alarm::LogTruncated { position, passed });
        }
        let is_aside = self.aside.contains(&position);
        match (verdict, record) {
            (Some(Verdict::Gap { expected }), Ok((came, _))) if !is_aside => {
                self.stop_after_open(Alarm::Gap { position, came, expected })
            }
            (_, Ok((id, batch))) => self.take(position, id, batch),
            (_, Err(_)) if is_aside => {
                self.pass(position, id);
                Vec::new()
            }
            (_, Err(Unreadable { error, .. })) => {
                self.stop_after_open(Alarm::Unreadable { position, error })
            }
        }
    }

    /// A repeat is dropped. Its position is passed, but no row is written for repeats alone: after
    /// a restart they are read, judged and dropped again, which costs less than a row.
    fn repeated(&mut self, position: u64) -> Vec<Effect> {
        self.pass(position, None);
        if position <= self.standing.applied { vec![Effect::Ack(position)] } else { Vec::new() }
    }

    fn take(&mut self, position: u64, id: BatchId, batch: Batch) -> Vec<Effect> {
        let day = batch.last_day();
        let is_later = day.is_some_and(|day| day > self.open.day);
        // No cell may lie in a partition of an earlier day: it would be dropped with it.
        let effects = if is_later { self.close() } else { Vec::new() };
        self.pass(position, Some(id));
        // Without cells there is nothing to write; its number goes along with the next batch.
        let Some(day) = day else { return effects };
        if self.open.batches.is_empty() {
            self.open.day = day;
        }
        self.open.push(batch);
        if self.open.is_full() && effects.is_empty() {
            return self.close();
        }
        effects
    }

    /// Notes that a position, and the batch there, is behind us.
    fn pass(&mut self, position: u64, id: Option<BatchId>) {
        self.heard.applied = self.heard.applied.max(position);
        if let Some(id) = id {
            self.heard.last_seqs.insert(Stream::of(id), id.seq);
            self.open.last_seqs.insert(Stream::of(id), id.seq);
        }
    }

    /// Closes what is open, if nothing is being written.
    fn close(&mut self) -> Vec<Effect> {
        if self.open.batches.is_empty() || self.in_flight.is_some() {
            return Vec::new();
        }
        let open = std::mem::take(&mut self.open);
        let insert = Insert {
            lo: self.standing.applied + 1,
            hi: self.heard.applied,
            closed_day: open.day,
            batches: open.batches,
            last_seqs: open
                .last_seqs
                .into_iter()
                .map(|(Stream { collector, epoch }, seq)| BatchId { collector, epoch, seq })
                .collect(),
        };
        if mutant::is(Mutant::NoReadBefore) {
            return self.send(insert, 1);
        }
        self.in_flight = Some(Flight { insert, attempt: 1, stage: Stage::Closed });
        vec![Effect::ReadLedger]
    }

    fn send(&mut self, insert: Insert, attempt: u32) -> Vec<Effect> {
        let effect = Effect::Insert { insert: insert.clone(), attempt };
        self.in_flight = Some(Flight { insert, attempt, stage: Stage::Sent });
        vec![effect]
    }

    fn answered(&mut self, answer: Answer) -> Vec<Effect> {
        match &mut self.in_flight {
            Some(flight) if flight.stage == Stage::Sent => {
                flight.stage = Stage::Reading(answer);
                if mutant::is(Mutant::BelieveSuccess) && answer == Answer::Success {
                    return self.believed();
                }
                vec![Effect::ReadLedger]
            }
            _ => Vec::new(),
        }
    }

    /// What only [`Mutant::BelieveSuccess`] does.
    fn believed(&mut self) -> Vec<Effect> {
        let Some(flight) = self.in_flight.take() else { return Vec::new() };
        let mut now = self.standing.clone();
        now.applied = flight.insert.hi;
        let moved = flight.insert.last_seqs.iter().map(|id| (Stream::of(*id), id.seq));
        now.last_seqs.extend(moved);
        self.written(&flight.insert, now)
    }

    fn fenced(&mut self) -> Vec<Effect> {
        match &mut self.in_flight {
            Some(flight) if flight.stage == Stage::Fencing => {
                flight.stage = Stage::ReadingFenced;
                vec![Effect::ReadLedger]
            }
            _ => Vec::new(),
        }
    }

    fn read_back(&mut self, now: Standing) -> Vec<Effect> {
        if now.applied < self.standing.applied {
            let (before, now) = (self.standing.applied, now.applied);
            return self.raise(Alarm::LedgerMoved { before, now });
        }
        let is_absent = now.applied == self.standing.applied;
        match self.in_flight.take() {
            None if is_absent => Vec::new(),
            None => self.adopt(now),
            Some(flight) if flight.insert.hi == now.applied => self.written(&flight.insert, now),
            Some(_) if !is_absent && mutant::is(Mutant::IgnoreTwin) => {
                self.standing = now;
                vec![Effect::Ack(self.standing.applied)]
            }
            Some(_) if !is_absent => self.adopt(now),
            Some(flight) => self.absent(flight),
        }
    }

    /// What was closed or sent is not in the ledger.
    fn absent(&mut self, flight: Flight) -> Vec<Effect> {
        let Flight { insert, attempt, stage } = flight;
        match stage {
            Stage::Reading(Answer::Unclear) if mutant::is(Mutant::NewTokenAfterUnclear) => {
                self.send(insert, attempt.saturating_add(1))
            }
            Stage::Reading(Answer::Success) if mutant::is(Mutant::NoFence) => {
                self.send(insert, attempt.saturating_add(1))
            }
            Stage::Reading(_) if mutant::is(Mutant::DropAbsent) => Vec::new(),
            Stage::Closed => self.send(insert, attempt),
            // A token that wrote nothing protects nothing: the same again.
            Stage::Reading(Answer::Unclear | Answer::Refused) => self.send(insert, attempt),
            // The token is spent, and its part was lost in a crash; or a twin holds the token and
            // has not published its part yet. Only when no twin runs can it be told which.
            Stage::Reading(Answer::Success) => {
                let lo = insert.lo;
                self.in_flight = Some(Flight { insert, attempt, stage: Stage::Fencing });
                vec![Effect::Fence { lo }]
            }
            Stage::ReadingFenced => self.send(insert, attempt.saturating_add(1)),
            Stage::Sent | Stage::Fencing => {
                self.in_flight = Some(Flight { insert, attempt, stage });
                Vec::new()
            }
        }
    }

    fn written(&mut self, insert: &Insert, now: Standing) -> Vec<Effect> {
        let holds = |id: &BatchId| now.last_seqs.get(&Stream::of(*id)) == Some(&id.seq);
        if !insert.last_seqs.iter().all(holds) {
            return self.raise(Alarm::LedgerDiffers { hi: insert.hi });
        }
        self.aside = self.aside.split_off(&(insert.hi + 1));
        self.standing = now;
        let mut effects = vec![Effect::Ack(insert.hi)];
        if let Some(alarm) = self.coming.take() {
            effects.extend(self.raise(alarm));
        }
        effects
    }

    /// Another aggregator has written: what it wrote is ours too, and we go on from there.
    fn adopt(&mut self, now: Standing) -> Vec<Effect> {
        let applied = now.applied;
        if mutant::is(Mutant::KeepOpenAfterTwin) {
            self.standing = now;
            return vec![Effect::Ack(applied), Effect::Seek(applied)];
        }
        self.heard = now.clone();
        self.standing = now;
        self.open = Open::default();
        self.coming = None;
        if mutant::is(Mutant::NoSeek) {
            return vec![Effect::Ack(applied)];
        }
        vec![Effect::Ack(applied), Effect::Seek(applied)]
    }

    fn set_aside(&mut self, position: u64) -> Vec<Effect> {
        let is_here = |alarm: Option<Alarm>| match alarm {
            Some(Alarm::Gap { position: at, .. } | Alarm::Unreadable { position: at, .. }) => {
                at == position
            }
            _ => false,
        };
        self.aside.insert(position);
        if is_here(self.alarm) || is_here(self.coming) {
            (self.alarm, self.coming) = (None, None);
            return vec![Effect::Seek(self.heard.applied)];
        }
        Vec::new()
    }

    /// What came before is whole and should not wait for a human.
    fn stop_after_open(&mut self, alarm: Alarm) -> Vec<Effect> {
        let effects = self.close();
        if self.in_flight.is_none() {
            return self.raise(alarm);
        }
        self.coming = Some(alarm);
        effects
    }

    fn raise(&mut self, alarm: Alarm) -> Vec<Effect> {
        self.alarm = Some(alarm);
        vec![Effect::Alarm(alarm)]
    }
}

#[cfg(test)]
mod tests;
