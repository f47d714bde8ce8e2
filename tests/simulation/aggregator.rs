//! Aggregators: the real lane, and a model of what runs it.
//!
//! What it is not: the driver of embedded mode or of Kafka. Both do what a lane says; here the
//! answers come late, twice or not at all.
//!
//! What surprises: an aggregator that was stopped for a while goes on as if it still owned its
//! partitions. Nothing here keeps it from that.

use std::collections::BTreeMap;

use headcount_aggregator::lane::{Alarm, Answer, Effect, Event, Lane, Unreadable};
use headcount_core::batch::{Batch, BatchId};
use headcount_core::ledger::Standing;
use headcount_transport::{News, Record};

use crate::collector::SPOILED_WHOLLY;
use crate::setting::Flaw;
use crate::store::Src;
use crate::world::{World, say};

#[derive(Default)]
pub(crate) struct Aggregator {
    pub(crate) is_up: bool,
    pub(crate) stalled: usize,
    /// The partitions it believes to own; in embedded mode the collector.
    pub(crate) lanes: BTreeMap<usize, Run>,
}

pub(crate) struct Run {
    /// `None` until the ledger was read.
    lane: Option<Lane>,
    /// The last position given to the lane.
    cursor: u64,
    wait: Wait,
    src: Src,
    /// Tokens the store had written down when the ledger was read last.
    read_at: usize,
}

enum Wait {
    Nothing,
    Insert(u64),
    /// With what was read, when it was, and how many tokens the store had written down then.
    Ledger(Option<(Standing, usize)>),
    Fence(u64),
}

impl Run {
    fn new(src: Src) -> Self {
        Self { lane: None, cursor: 0, wait: Wait::Ledger(None), src, read_at: 0 }
    }

    /// The insert it waits for.
    pub(crate) fn waits_for(&self) -> Option<u64> {
        if let Wait::Insert(id) = self.wait { Some(id) } else { None }
    }
}

impl World {
    pub(crate) fn embedded_src(&self, c: usize) -> Src {
        let epoch = self.collectors[c].epoch();
        (u64::try_from(c).unwrap() + 1_000, epoch)
    }

    /// An aggregator takes a lane on.
    pub(crate) fn assign(&mut self, a: usize, p: usize) {
        let partition = u64::try_from(p).unwrap();
        let src = if self.setting.embedded { self.embedded_src(p) } else { (partition, 0) };
        self.aggregators[a].lanes.entry(p).or_insert_with(|| Run::new(src));
        say!(self, "aggregator {a} owns {p}");
    }

    /// Another aggregator gets a partition; the one before may not hear of it yet.
    pub(crate) fn rebalance(&mut self, p: usize) {
        let a = self.rng.below(self.aggregators.len());
        if !self.aggregators[a].is_up {
            return;
        }
        if self.owners[p] != a {
            let before = self.owners[p];
            let hears = self.aggregators[before].stalled == 0 && self.rng.percent(60);
            if hears {
                self.aggregators[before].lanes.remove(&p);
                say!(self, "aggregator {before} gives {p} up");
            }
        }
        self.owners[p] = a;
        self.assign(a, p);
    }

    pub(crate) fn crash_aggregator(&mut self, a: usize) {
        say!(self, "aggregator {a} dies");
        self.aggregators[a].is_up = false;
        self.aggregators[a].lanes.clear();
        if self.setting.embedded {
            self.store.requests.clear();
        }
    }

    pub(crate) fn start_aggregator(&mut self, a: usize) {
        self.aggregators[a].is_up = true;
        for p in 0..self.owners.len() {
            if self.owners[p] == a {
                self.assign(a, p);
            }
        }
    }

    /// One thing that an aggregator does for one of its lanes.
    pub(crate) fn run_aggregator(&mut self, a: usize, p: usize) {
        let Some(mut run) = self.aggregators[a].lanes.remove(&p) else { return };
        match std::mem::replace(&mut run.wait, Wait::Nothing) {
            Wait::Nothing => self.work(&mut run, p),
            Wait::Insert(id) => self.await_insert(&mut run, p, id),
            Wait::Ledger(None) => {
                let at = self.store.tokens_made;
                let read = (!self.store.is_down).then(|| (self.read_ledger(run.src), at));
                run.wait = Wait::Ledger(read);
            }
            // Without a guard, what was read may not be older than the window.
            Wait::Ledger(Some((_, at))) if self.is_too_old(at) => run.wait = Wait::Ledger(None),
            Wait::Ledger(Some((standing, at))) => {
                run.read_at = at;
                self.has_read(&mut run, p, standing);
            }
            Wait::Fence(lo) if self.store.is_down => run.wait = Wait::Fence(lo),
            Wait::Fence(lo) => {
                self.fence(run.src, lo);
                self.step(&mut run, p, Event::Fenced);
            }
        }
        self.aggregators[a].lanes.insert(p, run);
    }

    fn is_too_old(&self, at: usize) -> bool {
        !self.setting.guarded && self.store.tokens_made - at >= self.setting.window / 4
    }

    /// The store's connections end, with what was read through them.
    pub(crate) fn cut_off_aggregators(&mut self) {
        for run in self.aggregators.iter_mut().flat_map(|a| a.lanes.values_mut()) {
            if matches!(run.wait, Wait::Ledger(_)) {
                run.wait = Wait::Ledger(None);
            }
        }
    }

    fn has_read(&mut self, run: &mut Run, p: usize, mut standing: Standing) {
        if run.lane.is_some() {
            return self.step(run, p, Event::ReadBack(standing));
        }
        if !self.setting.embedded && self.protocol.flaw() == Some(Flaw::CommittedOffset) {
            standing.applied = self.kafka.partitions[p].committed;
        }
        run.cursor = standing.applied;
        if !self.setting.embedded && self.protocol.flaw() == Some(Flaw::BeginAtEnd) {
            run.cursor = u64::try_from(self.kafka.partitions[p].high).unwrap();
        }
        say!(self, "lane {p} begins after {}", standing.applied);
        run.lane = Some(Lane::new(standing));
    }

    fn await_insert(&mut self, run: &mut Run, p: usize, id: u64) {
        let is_late =
            |world: &mut Self, chance| world.setting.faults.late && world.rng.percent(chance);
        let answer = match self.store.answer(id) {
            Some(_) if is_late(self, 15) => Some(Answer::Unclear),
            Some(answer) => Some(answer),
            None if !self.store.has(id) || is_late(self, 10) => Some(Answer::Unclear),
            None => None,
        };
        match answer {
            Some(answer) => {
                say!(self, "lane {p} hears of insert {id}: {answer:?}");
                self.step(run, p, Event::Answered(answer));
            }
            None => {
                // A consumer that does not wait for the lane.
                run.wait = Wait::Insert(id);
                if !self.setting.embedded && self.rng.percent(10) {
                    self.poll(run, p);
                }
            }
        }
    }

    fn work(&mut self, run: &mut Run, p: usize) {
        if self.setting.faults.rewind && !self.setting.embedded && self.rng.percent(5) {
            run.cursor =
                u64::try_from(self.rng.below(usize::try_from(run.cursor).unwrap() + 1)).unwrap();
            say!(self, "lane {p} is given its records again, after {}", run.cursor);
        }
        let is_due = self.rng.percent(if self.draining { 50 } else { 25 });
        if is_due {
            return self.step(run, p, Event::Due);
        }
        for _ in 0..=self.rng.below(3) {
            let takes = run.lane.as_ref().is_some_and(Lane::takes_records);
            if !takes || !self.poll(run, p) {
                break;
            }
        }
    }

    /// Gives the lane the next record.
    fn poll(&mut self, run: &mut Run, p: usize) -> bool {
        if self.setting.embedded {
            let Some(record) = self.local.pop_front() else { return false };
            let position = record.id.seq;
            if self.protocol.flaw() == Some(Flaw::AckOnTake) {
                self.perform(run, p, Effect::Ack(position));
            }
            self.step(run, p, arrived(position, &record));
            return true;
        }
        if usize::try_from(run.cursor).unwrap() > self.kafka.partitions[p].high {
            // "Offset out of range": the driver's alarm.
            self.alarms.push(Alarm::LogTruncated { position: 0, passed: run.cursor });
            return false;
        }
        let Some(record) = self.kafka.record(p, run.cursor + 1) else { return false };
        run.cursor += 1;
        if self.protocol.flaw() == Some(Flaw::CommittedOffset) {
            self.kafka.partitions[p].committed = run.cursor;
        }
        self.step(run, p, arrived(run.cursor, &record));
        true
    }

    fn step(&mut self, run: &mut Run, p: usize, event: Event) {
        let Some(lane) = &mut run.lane else { return };
        for effect in lane.step(event) {
            self.perform(run, p, effect);
        }
    }

    fn perform(&mut self, run: &mut Run, p: usize, effect: Effect) {
        match effect {
            Effect::Insert { insert, attempt } => {
                self.seen.attempts += usize::from(attempt > 1);
                run.wait = Wait::Insert(self.send(run.src, insert, attempt, run.read_at));
            }
            Effect::ReadLedger => run.wait = Wait::Ledger(None),
            Effect::Fence { lo } => run.wait = Wait::Fence(lo),
            Effect::Ack(position) if self.setting.embedded => {
                let id = BatchId {
                    collector: u64::try_from(p).unwrap(),
                    epoch: run.src.1,
                    seq: position,
                };
                self.collectors[p].news.push_back(News::Acked { partition: 0, id });
            }
            Effect::Ack(position) => self.kafka.partitions[p].committed = position,
            Effect::Seek(position) => {
                self.seen.sought += 1;
                say!(self, "lane {p} seeks {position}");
                run.cursor = position;
            }
            Effect::Alarm(alarm) => {
                say!(self, "lane {p} stops: {alarm:?}");
                match self.poisoned.explains(p, alarm) {
                    Some(position) => {
                        self.seen.aside += 1;
                        self.step(run, p, Event::SetAside(position));
                    }
                    None => self.alarms.push(alarm),
                }
            }
        }
    }

    /// Whether a lane has read and written everything there is.
    pub(crate) fn is_done(&self, run: &Run, p: usize) -> bool {
        let has_all = if self.setting.embedded {
            self.local.is_empty()
        } else {
            usize::try_from(run.cursor).unwrap() == self.kafka.partitions[p].high
        };
        let is_written = run.lane.as_ref().is_some_and(|lane| !lane.has_open());
        has_all && is_written && matches!(run.wait, Wait::Nothing)
    }
}

fn arrived(position: u64, record: &Record) -> Event {
    let batch = Batch::decode(&record.payload).map(|batch| (record.id, batch)).map_err(|error| {
        Unreadable { id: (record.payload != SPOILED_WHOLLY).then_some(record.id), error }
    });
    Event::Arrived { position, record: batch }
}
