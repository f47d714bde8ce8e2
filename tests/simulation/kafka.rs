//! Kafka: partitions with a high watermark, producers that retry in order, orphaned requests.
//!
//! What it is not: a broker. What counts is which orders of records a consumer can see, and what a
//! producer can be told about them.
//!
//! What surprises: an idempotent producer writes each record once and in order, but only as long
//! as it lives. What its successor sends again lies twice in the log, and requests of the dead one
//! may still arrive between.

use std::collections::VecDeque;
use std::rc::Rc;

use headcount_transport::{News, Record};

use crate::rng::Rng;
use crate::world::{World, say};

#[derive(Default)]
pub(crate) struct Kafka {
    pub(crate) partitions: Vec<Partition>,
    sessions: Vec<Session>,
    sessions_made: usize,
}

#[derive(Default)]
pub(crate) struct Partition {
    log: Vec<(Rc<Record>, usize)>,
    /// So many records are replicated: consumers see them, producers are told.
    pub(crate) high: usize,
    /// The offset that a group has committed, as a position: a hint.
    pub(crate) committed: u64,
    pub(crate) is_down: bool,
}

/// One producer's requests to one partition.
struct Session {
    number: usize,
    collector: usize,
    partition: u32,
    /// Without an answer.
    queue: VecDeque<Rc<Record>>,
    /// The first so many lie in the log, above the high watermark.
    appended: usize,
    is_orphan: bool,
}

impl Kafka {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn offer(&mut self, collector: usize, record: Record) {
        let partition = record.partition;
        let record = Rc::new(record);
        let mine =
            |s: &&mut Session| s.collector == collector && s.partition == partition && !s.is_orphan;
        if let Some(session) = self.sessions.iter_mut().find(mine) {
            session.queue.push_back(record);
            return;
        }
        self.sessions_made += 1;
        self.sessions.push(Session {
            number: self.sessions_made,
            collector,
            partition,
            queue: VecDeque::from([record]),
            appended: 0,
            is_orphan: false,
        });
    }

    /// A producer is gone. What it had sent may arrive all the same, from the first on.
    pub(crate) fn orphan(&mut self, collector: usize, rng: &mut Rng) {
        for session in &mut self.sessions {
            if session.collector == collector && !session.is_orphan {
                session.is_orphan = true;
                let sent = session.appended + rng.below(session.queue.len() - session.appended + 1);
                session.queue.truncate(sent);
            }
        }
        self.sessions.retain(|session| !session.queue.is_empty());
    }

    /// The record at a position, if consumers may see it.
    pub(crate) fn record(&self, partition: usize, position: u64) -> Option<Rc<Record>> {
        let index = usize::try_from(position).unwrap() - 1;
        let partition = &self.partitions[partition];
        (index < partition.high).then(|| Rc::clone(&partition.log[index].0))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.sessions.iter().all(|session| session.queue.is_empty())
            && self.partitions.iter().all(|partition| partition.high == partition.log.len())
    }

    /// What was appended and not replicated is gone; producers that live send it again.
    fn fail_over(&mut self, p: usize) {
        let high = self.partitions[p].high;
        self.partitions[p].log.truncate(high);
        for session in &mut self.sessions {
            if session.partition as usize == p {
                session.appended = 0;
            }
        }
    }
}

impl World {
    /// One thing that a partition's leader does.
    pub(crate) fn run_kafka(&mut self, p: usize) {
        if self.kafka.partitions[p].is_down {
            return;
        }
        if self.rng.percent(50) { self.append(p) } else { self.replicate(p) }
    }

    fn append(&mut self, p: usize) {
        let Kafka { partitions, sessions, .. } = &mut self.kafka;
        let waiting: Vec<usize> = (0..sessions.len())
            .filter(|s| sessions[*s].partition as usize == p)
            .filter(|s| sessions[*s].appended < sessions[*s].queue.len())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let session = &mut sessions[waiting[self.rng.below(waiting.len())]];
        let record = Rc::clone(&session.queue[session.appended]);
        session.appended += 1;
        partitions[p].log.push((Rc::clone(&record), session.number));
        say!(
            self,
            "partition {p}: {:?} of collector {} at {}{}",
            (record.id.epoch, record.id.seq),
            session.collector,
            partitions[p].log.len(),
            if session.is_orphan { ", from a dead producer" } else { "" }
        );
    }

    fn replicate(&mut self, p: usize) {
        let Kafka { partitions, sessions, .. } = &mut self.kafka;
        let partition = &mut partitions[p];
        if partition.high == partition.log.len() {
            return;
        }
        partition.high += 1;
        let (record, number) = &partition.log[partition.high - 1];
        let Some(s) = sessions.iter().position(|s| s.number == *number) else { return };
        let session = &mut sessions[s];
        drop(session.queue.pop_front());
        session.appended -= 1;
        let (collector, id) = (session.collector, record.id);
        if session.queue.is_empty() && session.is_orphan {
            sessions.swap_remove(s);
        } else if !session.is_orphan {
            let partition = u32::try_from(p).unwrap();
            let restarts = self.setting.faults.restart && !self.draining && self.rng.percent(12);
            if restarts {
                self.restart_producer(collector);
            } else {
                self.collectors[collector].news.push_back(News::Acked { partition, id });
            }
        }
    }

    /// The producer gave up on an answer and was made anew.
    pub(crate) fn restart_producer(&mut self, c: usize) {
        say!(self, "the producer of collector {c} is made anew");
        self.kafka.orphan(c, &mut self.rng);
        self.collectors[c].news.push_back(News::Restarted);
    }

    pub(crate) fn break_kafka(&mut self, p: usize) {
        match self.rng.below(3) {
            0 => {
                say!(self, "partition {p}: another leader");
                self.kafka.fail_over(p);
            }
            1 => self.kafka.partitions[p].is_down = true,
            _ => self.kafka.partitions[p].is_down = false,
        }
    }

    /// Beyond what Kafka promises: acknowledged records are gone.
    pub(crate) fn lose_log(&mut self, p: usize) {
        self.kafka.fail_over(p);
        let partition = &mut self.kafka.partitions[p];
        let lost = (1 + self.rng.below(4)).min(partition.high);
        partition.high -= lost;
        partition.log.truncate(partition.high);
        self.is_beyond |= lost > 0;
        say!(self, "partition {p}: {lost} acknowledged records are gone");
    }
}
