//! The world: everything that happens in one run, one thing after the other, all from one seed.
//!
//! What it is not: parallel. Two things at once are two things in either order, and the seed says
//! which.
//!
//! What surprises: every hit has a page of its own. The right answer is all ones: a two is a hit
//! counted twice, a zero one that was lost.

use std::collections::{BTreeMap, VecDeque};

use headcount_aggregator::lane::Alarm;
use headcount_core::time::Day;
use headcount_transport::Record;

use crate::aggregator::Aggregator;
use crate::collector::{Collector, Poisoned};
use crate::kafka::Kafka;
use crate::rng::Rng;
use crate::setting::{Faults, Protocol, Setting};
use crate::store::{Src, Store};

/// Rounds after which a world that still works is stuck.
const ROUNDS_MAX: usize = 600;

/// What a visitor was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Nothing, or that it was not counted.
    Open,
    /// That it is counted.
    Answered,
}

/// How often rare things happened: a simulator that never meets them proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Inserts whose token was known.
    pub(crate) deduplicated: usize,
    /// Inserts whose range was in the ledger.
    pub(crate) guarded: usize,
    /// Tokens without a part.
    pub(crate) spent: usize,
    pub(crate) fenced: usize,
    /// Inserts under another token.
    pub(crate) attempts: usize,
    /// Times that a lane was sent to another position.
    pub(crate) sought: usize,
    /// Records set aside.
    pub(crate) aside: usize,
    /// Edge files restored.
    pub(crate) restored: usize,
    /// Alarms, or books that do not balance, after a loss that no protocol can bear.
    pub(crate) alarms_due: usize,
    /// Answered hits that count once.
    pub(crate) answered: usize,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) setting: Setting,
    pub(crate) protocol: Protocol,
    pub(crate) hour: u32,
    /// How far a process's clock is ahead, in hours.
    pub(crate) skews: Vec<u32>,
    pub(crate) collectors: Vec<Collector>,
    pub(crate) kafka: Kafka,
    /// The queue of embedded mode.
    pub(crate) local: VecDeque<Record>,
    pub(crate) aggregators: Vec<Aggregator>,
    /// Which aggregator the group has given a lane to.
    pub(crate) owners: Vec<usize>,
    pub(crate) store: Store,
    pub(crate) promises: Vec<Promise>,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) draining: bool,
    pub(crate) is_restored: bool,
    /// Something was lost that may not be lost: now an alarm is the right answer.
    pub(crate) is_beyond: bool,
    pub(crate) poisoned: Poisoned,
    pub(crate) seen: Seen,
    pub(crate) trace: Option<Vec<String>>,
}

/// Writes a line of the trace, if one is kept.
macro_rules! say {
    ($world:expr, $($part:tt)*) => {
        if let Some(trace) = &mut $world.trace {
            trace.push(format!($($part)*));
        }
    };
}
pub(crate) use say;

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.deduplicated += other.deduplicated;
        self.guarded += other.guarded;
        self.spent += other.spent;
        self.fenced += other.fenced;
        self.attempts += other.attempts;
        self.sought += other.sought;
        self.aside += other.aside;
        self.restored += other.restored;
        self.alarms_due += other.alarms_due;
        self.answered += other.answered;
    }

    /// Panics if something rare never happened.
    pub(crate) fn must_have_seen_everything(&self) {
        let twins = [self.deduplicated, self.guarded, self.sought];
        let tokens = [self.spent, self.fenced, self.attempts];
        let others = [self.aside, self.restored, self.alarms_due, self.answered];
        let all = [&twins[..], &tokens, &others].concat();
        assert!(all.iter().all(|n| *n > 0), "something never happened: {self:?}");
    }
}

impl World {
    pub(crate) fn new(seed: u64, protocol: Protocol, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let setting = Setting::draw(&mut rng);
        let lanes = if setting.embedded { setting.collectors } else { setting.partitions };
        let skews = (0..3).map(|_| u32::try_from(rng.below(3)).unwrap()).collect();
        let mut world = Self {
            hour: Day(20_000).first_hour().0 + 20 + u32::try_from(rng.below(3)).unwrap(),
            skews,
            collectors: (0..setting.collectors).map(|_| Collector::default()).collect(),
            kafka: Kafka::new(setting.partitions),
            local: VecDeque::new(),
            aggregators: (0..setting.aggregators).map(|_| Aggregator::default()).collect(),
            owners: vec![0; lanes],
            store: Store::new(),
            promises: Vec::new(),
            alarms: Vec::new(),
            draining: false,
            is_restored: false,
            is_beyond: false,
            poisoned: Poisoned::default(),
            seen: Seen::default(),
            trace: trace.then(Vec::new),
            rng,
            setting,
            protocol,
        };
        say!(world, "{setting:?}");
        for c in 0..world.collectors.len() {
            world.start_collector(c);
        }
        for p in 0..lanes {
            world.owners[p] = world.rng.below(world.aggregators.len());
        }
        for a in 0..world.aggregators.len() {
            world.start_aggregator(a);
        }
        world
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// What went wrong, in one line.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.protocol.set();
        for _ in 0..self.setting.steps {
            self.turn();
        }
        let outcome = self.drain().and_then(|()| self.check());
        Protocol::Right.set();
        outcome
    }

    fn turn(&mut self) {
        let c = self.rng.below(self.collectors.len());
        match self.rng.below(100) {
            0..8 if self.promises.len() < self.setting.hits && self.collectors[c].stalled == 0 => {
                self.hit(c);
            }
            8..34 => self.turn_collector(c),
            34..52 if !self.setting.embedded => {
                let p = self.rng.below(self.setting.partitions);
                self.run_kafka(p);
            }
            52..66 if !self.store.requests.is_empty() => {
                let r = self.rng.below(self.store.requests.len());
                self.run_store(r);
            }
            66..92 => self.turn_aggregator(),
            92..94 if self.setting.faults.clock => self.move_clock(),
            94..100 => self.fail(c),
            _ => {}
        }
    }

    fn turn_collector(&mut self, c: usize) {
        let collector = &mut self.collectors[c];
        if collector.stalled > 0 {
            collector.stalled -= 1;
        } else if collector.memory.is_some() {
            self.run_collector(c);
        } else if self.rng.percent(30) {
            self.start_collector(c);
        }
    }

    fn turn_aggregator(&mut self) {
        let a = self.rng.below(self.aggregators.len());
        let aggregator = &mut self.aggregators[a];
        if !aggregator.is_up {
            let may = !self.setting.embedded || self.collectors[a].memory.is_some();
            if may && self.rng.percent(30) {
                self.start_aggregator(a);
            }
        } else if aggregator.stalled > 0 {
            aggregator.stalled -= 1;
        } else if !aggregator.lanes.is_empty() {
            let nth = self.rng.below(aggregator.lanes.len());
            let p = *aggregator.lanes.keys().nth(nth).unwrap();
            self.run_aggregator(a, p);
        }
    }

    fn move_clock(&mut self) {
        let back = self.rng.percent(30);
        let hours = u32::try_from(1 + self.rng.below(4)).unwrap();
        self.hour = if back { self.hour - hours } else { self.hour + hours };
        say!(self, "it is hour {}", self.hour);
    }

    /// One fault of those that may happen here.
    fn fail(&mut self, c: usize) {
        let faults = self.setting.faults;
        let a = self.rng.below(self.aggregators.len());
        let p = self.rng.below(self.setting.partitions);
        match self.rng.below(11) {
            0 if faults.collector_crash => self.crash_process(c),
            1 if faults.aggregator_crash && !self.setting.embedded => self.crash_aggregator(a),
            2 | 3 if self.store.is_down || !self.setting.embedded => self.break_store(),
            4 if faults.stall => {
                let turns = 2 + self.rng.below(25);
                say!(self, "aggregator {a} stands still");
                self.aggregators[a].stalled = turns;
            }
            5 if faults.stall => self.collectors[c].stalled = 2 + self.rng.below(10),
            6 | 7 if faults.rebalance && !self.setting.embedded => self.rebalance(p),
            8 if faults.failover && !self.setting.embedded => self.break_kafka(p),
            9 if faults.restart
                && !self.setting.embedded
                && self.collectors[c].memory.is_some() =>
            {
                self.restart_producer(c);
            }
            10 if faults.restore => {
                let is_restored = self.copy_edge(c);
                self.is_restored |= is_restored;
                self.seen.restored += usize::from(is_restored);
            }
            9 if faults.part_loss => self.lose_part(),
            10 if faults.log_loss => self.lose_log(p),
            _ => {}
        }
    }

    /// In embedded mode collector and aggregator are one process.
    fn crash_process(&mut self, c: usize) {
        self.crash_collector(c);
        if self.setting.embedded {
            self.crash_aggregator(c);
        }
    }

    /// Every fault ends; everything that can still happen, happens.
    fn drain(&mut self) -> Result<(), String> {
        say!(self, "the faults end");
        self.setting.faults = Faults::default();
        self.draining = true;
        self.hour += 72;
        let mut is_to_show = self.is_beyond;
        for _ in 0..ROUNDS_MAX {
            if !self.alarms.is_empty() {
                break;
            }
            self.heal();
            if self.is_idle() {
                if !std::mem::take(&mut is_to_show) {
                    return Ok(());
                }
                self.show_ends();
            }
        }
        match self.alarms.first() {
            Some(_) if self.is_beyond => {
                self.seen.alarms_due += 1;
                Ok(())
            }
            Some(alarm) => Err(format!("a lane stopped: {alarm:?}")),
            None => Err("stuck: not all is written in the end".to_owned()),
        }
    }

    /// One more hit for every stream: that a log lost something shows by the stream's next number.
    fn show_ends(&mut self) {
        for c in 0..self.collectors.len() {
            if self.collectors[c].memory.is_some() {
                (0..4).for_each(|site| self.hit_site(c, site));
            }
        }
        self.hour += 48;
    }

    /// One round in which nothing fails.
    fn heal(&mut self) {
        self.heal_store();
        for c in 0..self.collectors.len() {
            self.collectors[c].stalled = 0;
            if self.collectors[c].memory.is_none() {
                self.start_collector(c);
            }
            self.write(c, true);
            self.sync(c);
            self.ship(c);
            self.hear(c);
        }
        for p in 0..self.kafka.partitions.len() {
            self.kafka.partitions[p].is_down = false;
            (0..6).for_each(|_| self.run_kafka(p));
        }
        for a in 0..self.aggregators.len() {
            self.aggregators[a].stalled = 0;
            if !self.aggregators[a].is_up {
                self.start_aggregator(a);
            }
            let lanes: Vec<usize> = self.aggregators[a].lanes.keys().copied().collect();
            for p in lanes {
                (0..3).for_each(|_| self.run_aggregator(a, p));
            }
        }
        for p in 0..self.owners.len() {
            if !self.aggregators[self.owners[p]].lanes.contains_key(&p) {
                self.assign(self.owners[p], p);
            }
        }
        self.heal_requests();
    }

    /// Inserts run on; those that nobody waits for come later than others.
    fn heal_requests(&mut self) {
        let awaited: Vec<u64> = self
            .aggregators
            .iter()
            .flat_map(|a| a.lanes.values().filter_map(|run| run.waits_for()))
            .collect();
        for _ in 0..self.store.requests.len() * 2 {
            let r = self.rng.below(self.store.requests.len());
            let Some(request) = self.store.requests.get(r) else { break };
            if awaited.contains(&request.id) || self.rng.percent(15) {
                self.run_store(r);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.store.requests.is_empty()
            && self.kafka.is_idle()
            && self.collectors.iter().all(|c| c.memory.as_ref().is_some_and(|m| m.is_idle()))
            && self.aggregators.iter().all(|a| a.lanes.iter().all(|(p, run)| self.is_done(run, *p)))
    }

    /// All ones, and the books balance.
    fn check(&mut self) -> Result<(), String> {
        if !self.alarms.is_empty() {
            return Ok(());
        }
        if self.is_beyond && self.check_books().is_err() {
            self.seen.alarms_due += 1;
            return Ok(());
        }
        let mut counts = vec![0; self.promises.len()];
        let mut devices = 0;
        for part in &self.store.parts {
            part.pages.iter().for_each(|hit| counts[*hit as usize] += 1);
            devices += part.devices;
        }
        self.poisoned.hits.iter().for_each(|hit| self.promises[*hit as usize] = Promise::Open);
        for (hit, (count, promise)) in counts.iter().zip(&self.promises).enumerate() {
            match (count, promise) {
                (1, _) | (0, Promise::Open) => {}
                (0, Promise::Answered) => {
                    return Err(format!("hit {hit} was answered and is lost"));
                }
                _ => return Err(format!("hit {hit} counts {count} times")),
            }
        }
        self.seen.answered += self.promises.iter().filter(|p| **p == Promise::Answered).count();
        let is_whole = !self.is_restored && self.poisoned.ids.is_empty();
        if is_whole && devices != counts.iter().sum::<u64>() {
            return Err(format!("{devices} visits have a device, {counts:?} a page"));
        }
        self.check_books()
    }

    fn check_books(&self) -> Result<(), String> {
        let mut rows: BTreeMap<Src, Vec<(u64, u64)>> = BTreeMap::new();
        let mut books: BTreeMap<(Src, Day), (u64, u64)> = BTreeMap::new();
        for part in &self.store.parts {
            let (counts, totals) = books.entry((part.src, part.day)).or_default();
            *counts += u64::try_from(part.pages.len()).unwrap() + part.devices;
            *totals += part.ledger.as_ref().map_or(0, |row| row.views);
            if let Some(row) = &part.ledger {
                rows.entry(part.src).or_default().push((row.lo, row.hi));
            }
        }
        if let Some((at, sums)) = books.iter().find(|(_, (counts, totals))| counts != totals) {
            return Err(format!("the books of {at:?} do not balance: {sums:?}"));
        }
        for (src, mut ranges) in rows {
            ranges.sort_unstable();
            let mut next = 1;
            for (lo, hi) in ranges {
                if lo != next {
                    return Err(format!(
                        "the ledger of {src:?} has {lo}..={hi} where {next} is due"
                    ));
                }
                next = hi + 1;
            }
        }
        Ok(())
    }
}
