//! Collectors: the real release rule and the real shipper around a model of the edge file.
//!
//! What it is not: the committer or SQLite. What is copied from them is the order of things: which
//! changes share a transaction, and what happens only after its sync.
//!
//! What surprises: a crash between write and sync may keep the transaction or lose it, never half
//! of it. SQLite's log has a checksum per frame and one commit mark.

use std::collections::{BTreeMap, VecDeque};

use headcount_aggregator::lane::Alarm;
use headcount_collector::names::{NameId, SiteId};
use headcount_collector::release::{EdgeCell, EdgeKey, Held, Plan, ReleaseRule};
use headcount_collector::shipper::Shipper;
use headcount_core::batch::{Batch, BatchId};
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::tally::Tally;
use headcount_core::time::Hour;
use headcount_transport::{News, Offered, Record};

use crate::rng::Rng;
use crate::setting::Flaw;
use crate::world::{Promise, World, say};

/// Batches in the outbox at most, before cells stay cells.
const OUTBOX_MAX: usize = 5;
/// The name of the one device there is; pages are named by their hit.
const DEVICE: u32 = 1_000_000;
const SITES: u32 = 4;
/// What became of a batch that only a newer build can read.
const SPOILED: &[u8] = &[9];
/// What became of a batch whose number cannot be read either.
pub(crate) const SPOILED_WHOLLY: &[u8] = &[8];

#[derive(Default)]
pub(crate) struct Collector {
    pub(crate) edge: Edge,
    /// What a backup of the edge file holds.
    copy: Option<Edge>,
    /// `None` while the process is down.
    pub(crate) memory: Option<Memory>,
    pub(crate) stalled: usize,
    pub(crate) news: VecDeque<News>,
    /// Epochs given so far.
    epochs: u64,
}

/// The rows on the disk.
#[derive(Clone, Default)]
pub(crate) struct Edge {
    epoch: u64,
    last_seq: BTreeMap<u32, u64>,
    cells: BTreeMap<(SiteId, EdgeKey), Counts>,
    journal: Vec<EdgeCell>,
    outbox: Vec<Record>,
}

pub(crate) struct Memory {
    held: Held,
    shipper: Shipper,
    group: Vec<u32>,
    increments: Vec<EdgeCell>,
    writing: Option<Writing>,
}

/// Transactions that are written and not yet synced.
struct Writing {
    transactions: VecDeque<Transaction>,
    plan: Option<Plan>,
    increments: Vec<EdgeCell>,
    hits: Vec<u32>,
    deletes: Vec<(u32, BatchId)>,
    records: Vec<Record>,
}

/// Rows of `cells` to write and to delete; the journal is emptied.
struct Fold {
    write: Vec<EdgeCell>,
    delete: Vec<(SiteId, EdgeKey)>,
}

#[derive(Default)]
struct Transaction {
    increments: Vec<EdgeCell>,
    fold: Option<Fold>,
    records: Vec<Record>,
    deletes: Vec<(u32, BatchId)>,
}

impl Edge {
    fn apply(&mut self, transaction: Transaction) {
        if let Some(Fold { write, delete }) = transaction.fold {
            self.journal.clear();
            self.cells.extend(write.iter().map(|(site, key, counts)| ((*site, *key), *counts)));
            self.cells.retain(|cell, _| !delete.contains(cell));
        }
        self.journal.extend(transaction.increments);
        for record in transaction.records {
            self.last_seq.insert(record.partition, record.id.seq);
            self.outbox.push(record);
        }
        for (partition, id) in transaction.deletes {
            self.outbox.retain(|record| {
                let of = record.id;
                record.partition != partition || of.epoch != id.epoch || of.seq > id.seq
            });
        }
    }

    fn held(&self, with_journal: bool) -> Held {
        let (mut kept, mut fresh) = (Tally::default(), Tally::default());
        self.cells.iter().for_each(|((site, key), counts)| kept.add(*site, *key, counts));
        if with_journal {
            self.journal.iter().for_each(|(site, key, counts)| fresh.add(*site, *key, counts));
        }
        Held::recovered(kept, fresh)
    }
}

impl Collector {
    pub(crate) fn epoch(&self) -> u64 {
        self.edge.epoch
    }
}

impl Memory {
    /// Nothing is left to do for anyone.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty()
            && self.shipper.is_empty()
            && self.shipper.deletable().is_empty()
            && self.group.is_empty()
            && self.writing.is_none()
    }
}

impl World {
    pub(crate) fn start_collector(&mut self, c: usize) {
        let flaw = self.protocol.flaw();
        let standing = self.store.standing(self.embedded_src(c));
        let embedded = self.setting.embedded;
        let collector = &mut self.collectors[c];
        let edge = &mut collector.edge;
        let is_old = embedded
            && standing.applied > edge.last_seq.get(&0).copied().unwrap_or(0)
            && flaw != Some(Flaw::RestoreSameEpoch);
        if is_old && flaw != Some(Flaw::RestoreKeepsCells) {
            (edge.cells, edge.journal, edge.outbox) = Default::default();
        }
        if collector.epochs == 0 || !embedded || is_old {
            if flaw != Some(Flaw::SeqAgain) || collector.epochs == 0 {
                collector.epochs += 1;
            }
            edge.epoch = collector.epochs;
            edge.last_seq.clear();
        }
        let memory = Memory {
            held: edge.held(flaw != Some(Flaw::ForgetJournal)),
            shipper: Shipper::new(edge.outbox.iter().cloned()),
            group: Vec::new(),
            increments: Vec::new(),
            writing: None,
        };
        say!(
            self,
            "collector {c} starts, epoch {}, outbox {}",
            collector.epochs,
            memory.shipper.len()
        );
        collector.news.clear();
        collector.memory = Some(memory);
    }

    pub(crate) fn crash_collector(&mut self, c: usize) {
        let Some(memory) = self.collectors[c].memory.take() else { return };
        say!(self, "collector {c} dies");
        if let Some(writing) = memory.writing {
            for transaction in writing.transactions {
                if !self.rng.percent(50) {
                    say!(self, "  and what it was writing is lost");
                    break;
                }
                self.collectors[c].edge.apply(transaction);
            }
        }
        self.collectors[c].news.clear();
        self.kafka.orphan(c, &mut self.rng);
        self.local.clear();
    }

    /// A backup is made, or put back.
    pub(crate) fn copy_edge(&mut self, c: usize) -> bool {
        let collector = &mut self.collectors[c];
        if collector.copy.is_none() || self.rng.percent(50) {
            collector.copy = Some(collector.edge.clone());
            return false;
        }
        self.crash_collector(c);
        self.crash_aggregator(0);
        self.collectors[c].edge = self.collectors[c].copy.clone().unwrap();
        say!(self, "collector {c} has its file restored from an older copy");
        for promise in &mut self.promises {
            // What the copy does not hold may be lost; nothing may count twice.
            *promise = Promise::Open;
        }
        true
    }

    /// A hit arrives at a collector.
    pub(crate) fn hit(&mut self, c: usize) {
        let site = u32::try_from(self.rng.below(SITES as usize)).unwrap();
        self.hit_site(c, site);
    }

    pub(crate) fn hit_site(&mut self, c: usize, site: u32) {
        let hour = self.hour(c);
        let Some(memory) = &mut self.collectors[c].memory else { return };
        let hit = u32::try_from(self.promises.len()).unwrap();
        let site = SiteId(site);
        self.promises.push(Promise::Open);
        let counts = Counts { views: 1, visitors: 1, ..Counts::ZERO };
        let (day, attribute) = (hour.day(), Attribute::Device);
        let page = CellKey::Page { hour, page: NameId(hit) };
        let device = CellKey::Attribute { day, attribute, value: NameId(DEVICE) };
        memory.increments.extend([(site, page, counts), (site, device, counts)]);
        memory.group.push(hit);
        say!(self, "hit {hit} at collector {c}, site {}, hour {}", site.0, hour.0);
    }

    /// One thing that a collector does.
    pub(crate) fn run_collector(&mut self, c: usize) {
        match self.rng.below(6) {
            0 | 1 => self.write(c, false),
            2 | 3 => self.sync(c),
            4 => self.ship(c),
            _ => self.hear(c),
        }
    }

    /// Begins a group commit, with a release now and then.
    pub(crate) fn write(&mut self, c: usize, flush: bool) {
        let (today, flaw) = (self.hour(c).day(), self.protocol.flaw());
        let rule = ReleaseRule { crowd: self.setting.crowd, admission: false };
        let is_due = flush || self.rng.percent(50);
        let partitions = self.setting.partitions;
        let Collector { memory: Some(memory), edge, .. } = &mut self.collectors[c] else { return };
        if memory.writing.is_some() {
            return;
        }
        let deletes = memory.shipper.deletable();
        let increments = add_up(std::mem::take(&mut memory.increments));
        let hits = std::mem::take(&mut memory.group);
        let flow = flush || memory.shipper.len() < OUTBOX_MAX;
        let plan = is_due
            .then(|| memory.held.plan_with(&increments, rule, (today, flow), |_, _| false))
            .filter(|plan| !plan.is_empty());
        if increments.is_empty() && plan.is_none() && deletes.is_empty() {
            return;
        }
        let mut transactions = VecDeque::new();
        let mut records = Vec::new();
        match &plan {
            None => {
                let increments = increments.clone();
                transactions.push_back(Transaction {
                    increments,
                    deletes: deletes.clone(),
                    ..Default::default()
                });
            }
            Some(plan) => {
                records = pack(edge, u64::try_from(c).unwrap(), &plan.leaving, partitions);
                if self.setting.faults.poison {
                    for record in &mut records {
                        if self.rng.percent(15) {
                            self.poisoned.spoil(record, &mut self.rng);
                        }
                    }
                }
                let fold = Some(Fold { write: plan.write.clone(), delete: plan.delete.clone() });
                let cells = Transaction { fold, deletes: deletes.clone(), ..Default::default() };
                let batches = Transaction { records: records.clone(), ..Default::default() };
                match flaw {
                    Some(Flaw::ReleaseApart) => transactions.extend([cells, batches]),
                    Some(Flaw::BatchesFirst) => transactions.extend([batches, cells]),
                    _ => transactions.push_back(Transaction { records: batches.records, ..cells }),
                }
            }
        }
        if flaw == Some(Flaw::ShipEarly) {
            memory.shipper.put(std::mem::take(&mut records));
        }
        if flaw == Some(Flaw::AnswerEarly) {
            hits.iter().for_each(|hit| self.promises[*hit as usize] = Promise::Answered);
        }
        say!(self, "collector {c} writes hits {hits:?}, releases {:?}", ids(&records));
        memory.writing = Some(Writing { transactions, plan, increments, hits, deletes, records });
    }

    /// The disk has what was written.
    pub(crate) fn sync(&mut self, c: usize) {
        let fails = self.setting.faults.disk_full && !self.draining && self.rng.percent(15);
        let Collector { memory: Some(memory), edge, .. } = &mut self.collectors[c] else { return };
        let Some(mut writing) = memory.writing.take() else { return };
        if fails {
            say!(self, "collector {c}: the disk is full, hits {:?} get 503", writing.hits);
            return;
        }
        let first = writing.transactions.pop_front().expect("there is one at least");
        edge.apply(first);
        if !writing.transactions.is_empty() {
            memory.writing = Some(writing);
            return;
        }
        memory.held.add(&writing.increments);
        memory.shipper.deleted(&writing.deletes);
        if let Some(plan) = &writing.plan {
            memory.held.released(plan);
            memory.shipper.put(writing.records);
        }
        writing.hits.iter().for_each(|hit| self.promises[*hit as usize] = Promise::Answered);
        say!(self, "collector {c} is synced, answers {:?}", writing.hits);
    }

    pub(crate) fn ship(&mut self, c: usize) {
        let flaw = self.protocol.flaw();
        let collector = &mut self.collectors[c];
        // Between two producers nothing is taken, until the shipper knows.
        let is_between =
            collector.news.contains(&News::Restarted) && flaw != Some(Flaw::TakeBeforeRestarted);
        let Collector { memory: Some(memory), edge, .. } = collector else { return };
        let (embedded, local, kafka) = (self.setting.embedded, &mut self.local, &mut self.kafka);
        let (rng, draining) = (&mut self.rng, self.draining);
        let mut offered = Vec::new();
        memory.shipper.ship(|record| {
            let is_full =
                is_between || !draining && rng.percent(10) || embedded && local.len() >= 4;
            if is_full {
                return Offered::Full(record);
            }
            offered.push(record.clone());
            if embedded {
                local.push_back(record)
            } else {
                kafka.offer(c, record)
            }
            Offered::Sent
        });
        if flaw == Some(Flaw::EmptyOnOffer) {
            edge.outbox.retain(|record| !offered.contains(record));
        }
        if !offered.is_empty() {
            say!(self, "collector {c} offers {:?}", ids(&offered));
        }
    }

    pub(crate) fn hear(&mut self, c: usize) {
        let collector = &mut self.collectors[c];
        let Some(memory) = &mut collector.memory else { return };
        while let Some(news) = collector.news.pop_front() {
            memory.shipper.hear(news);
            say!(self, "collector {c} hears {news:?}");
        }
    }
}

pub(crate) fn ids(records: &[Record]) -> Vec<(u32, u64, u64)> {
    records.iter().map(|record| (record.partition, record.id.epoch, record.id.seq)).collect()
}

/// Batches that became unreadable.
#[derive(Default)]
pub(crate) struct Poisoned {
    pub(crate) ids: Vec<(u32, BatchId)>,
    pub(crate) hits: Vec<u32>,
}

impl Poisoned {
    fn spoil(&mut self, record: &mut Record, rng: &mut Rng) {
        let batch = Batch::decode(&record.payload).unwrap();
        let names = batch.cells().filter_map(|(_, key, _)| match key {
            CellKey::Page { page, .. } => page.trim_start_matches('/').parse::<u32>().ok(),
            _ => None,
        });
        self.hits.extend(names);
        self.ids.push((record.partition, record.id));
        record.payload = if rng.percent(50) { SPOILED } else { SPOILED_WHOLLY }.to_vec();
    }

    /// Whether an alarm comes from these batches alone.
    pub(crate) fn explains(&self, p: usize, alarm: Alarm) -> Option<u64> {
        match alarm {
            Alarm::Unreadable { position, .. } => Some(position),
            Alarm::Gap { position, came, expected } => (expected..came.seq)
                .all(|seq| {
                    self.ids
                        .iter()
                        .any(|(q, id)| *q as usize == p && *id == BatchId { seq, ..came })
                })
                .then_some(position),
            _ => None,
        }
    }
}

fn add_up(cells: Vec<EdgeCell>) -> Vec<EdgeCell> {
    let mut sum: BTreeMap<_, Counts> = BTreeMap::new();
    for (site, key, counts) in cells {
        sum.entry((site, key)).or_default().add(&counts);
    }
    sum.into_iter().map(|((site, key), counts)| (site, key, counts)).collect()
}

/// Batches of these cells: by partition, attributes apart, two cells at most so that there are
/// many.
fn pack(edge: &Edge, collector: u64, cells: &[EdgeCell], partitions: usize) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let of = |site: SiteId| site.0 % u32::try_from(partitions).unwrap();
    let is_attribute = |key: &EdgeKey| matches!(key, CellKey::Attribute { .. });
    for partition in 0..u32::try_from(partitions).unwrap() {
        let mut seq = edge.last_seq.get(&partition).copied().unwrap_or(0);
        for attributes in [false, true] {
            let some: Vec<&EdgeCell> = cells
                .iter()
                .filter(|(site, key, _)| of(*site) == partition && is_attribute(key) == attributes)
                .collect();
            for part in some.chunks(2) {
                seq += 1;
                let id = BatchId { collector, epoch: edge.epoch, seq };
                records.push(Record { id, partition, payload: encode(part) });
            }
        }
    }
    records
}

fn encode(cells: &[&EdgeCell]) -> Vec<u8> {
    let names: Vec<(String, String)> = cells
        .iter()
        .map(|(site, key, _)| {
            let name = match key {
                CellKey::Page { page, .. } => format!("/{}", page.0),
                _ => "mobile".to_owned(),
            };
            (format!("s{}.x", site.0), name)
        })
        .collect();
    let cells = cells.iter().zip(&names).map(|((_, key, counts), (site, name))| {
        let key = key.try_map(|_| Ok::<_, ()>(name.as_str())).unwrap();
        (site.as_str(), key, *counts)
    });
    Batch::new(cells).unwrap().encode()
}

impl World {
    /// The hour on a collector's clock.
    pub(crate) fn hour(&self, c: usize) -> Hour {
        Hour(self.hour + self.skews[c % self.skews.len()])
    }
}
