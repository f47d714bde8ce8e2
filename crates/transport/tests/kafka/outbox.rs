//! Records to send, as an outbox keeps them, and a reader of everything.
//!
//! What it is not: the collector's outbox; it only keeps to the same rules.
//!
//! What surprises: a repeat is fine and a gap never is, so that is all the reader checks.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headcount_core::batch::BatchId;
use headcount_core::time::Clock;
use headcount_transport::kafka::{Heard, KafkaError, KafkaPublisher, KafkaSubscriber};
use headcount_transport::{News, Offered, Publisher, Record};

/// How long anything may take: only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// What is said or ended in time is so within seconds; on a slow machine within this, and otherwise after
/// the minutes that a client waits for a broker by itself.
pub(crate) const IN_TIME: Duration = Duration::from_secs(60);

/// The machine's clock: a broker refuses records from the future and deletes old ones.
pub(crate) struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "the broker beside us reads the same clock")]
    fn unix_seconds(&self) -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }
}

/// Records not acknowledged yet, per partition in order.
pub(crate) struct Outbox {
    kept: BTreeMap<u32, VecDeque<Record>>,
    /// How many of a partition's kept records were offered.
    offered: BTreeMap<u32, usize>,
    /// The last number acknowledged, per partition.
    pub(crate) acked: BTreeMap<u32, u64>,
    pub(crate) restarts: usize,
}

/// Batch `seq` of a partition, recognisable by its content.
pub(crate) fn record(partition: u32, seq: u64) -> Record {
    let id = BatchId { collector: 7, epoch: 1, seq };
    let payload = format!("{partition}:{seq}:{}", "x".repeat(500)).into_bytes();
    Record { id, partition, payload }
}

impl Outbox {
    /// Batches `1..=last` for each of the partitions.
    pub(crate) fn new(partitions: u32, last: u64) -> Self {
        let kept = (0..partitions).map(|p| (p, (1..=last).map(|seq| record(p, seq)).collect()));
        Self { kept: kept.collect(), offered: BTreeMap::new(), acked: BTreeMap::new(), restarts: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.values().all(VecDeque::is_empty)
    }

    pub(crate) fn acked_total(&self) -> u64 {
        self.acked.values().sum()
    }

    /// A new publisher knows nothing of what the last one was offered.
    pub(crate) fn rewind(&mut self) {
        self.offered.clear();
    }

    /// One round: offers what there is, and hears what there is.
    pub(crate) fn round(&mut self, publisher: &mut KafkaPublisher) {
        for (partition, kept) in &self.kept {
            let offered = self.offered.entry(*partition).or_default();
            while let Some(record) = kept.get(*offered) {
                match publisher.offer(record.clone()) {
                    Offered::Sent => *offered += 1,
                    Offered::Full(back) => {
                        assert_eq!(&back, record);
                        break;
                    }
                    Offered::Closed => panic!("a kafka publisher never closes"),
                }
            }
        }
        while let Some(news) = publisher.news() {
            match news {
                News::Acked { partition, id } => self.acked(partition, id),
                News::Restarted => {
                    self.restarts += 1;
                    self.rewind();
                }
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }

    fn acked(&mut self, partition: u32, id: BatchId) {
        let last = self.acked.insert(partition, id.seq).unwrap_or(0);
        assert_eq!(id.seq, last + 1, "acknowledged out of order in partition {partition}");
        let kept = self.kept.get_mut(&partition).unwrap();
        assert_eq!(kept.pop_front().unwrap().id, id);
        *self.offered.get_mut(&partition).unwrap() -= 1;
    }

    /// Rounds until `done`.
    pub(crate) fn run(&mut self, publisher: &mut KafkaPublisher, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "only {:?} acknowledged", self.acked);
            self.round(publisher);
        }
    }
}

/// What a subscriber complains of, which it must in time.
pub(crate) fn complaint(subscriber: &mut KafkaSubscriber) -> KafkaError {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "never said");
        if let Err(error) = subscriber.hear(Duration::from_millis(200)) {
            return error;
        }
    }
}

/// What was read of each partition: sequence numbers in the order of the log, repeats too.
pub(crate) type Log = BTreeMap<u32, Vec<u64>>;

/// Reads every partition from `begin_at` until each has had its batch `last`.
pub(crate) fn read_all(subscriber: &mut KafkaSubscriber, partitions: u32, last: u64) -> Log {
    let mut log = Log::new();
    let is_complete =
        |log: &Log| (0..partitions).all(|p| log.get(&p).is_some_and(|seqs| seqs.contains(&last)));
    let deadline = Instant::now() + PATIENCE;
    while !is_complete(&log) {
        assert!(Instant::now() < deadline, "read {:?}", ends(&log));
        match subscriber.hear(Duration::from_millis(500)).unwrap() {
            Heard::Assigned(partitions) => {
                partitions.iter().for_each(|p| subscriber.begin(*p, 0).unwrap());
            }
            Heard::Record(consumed) => {
                let seqs = log.entry(consumed.partition).or_default();
                let (id, payload) = consumed.record.unwrap();
                assert_eq!(payload, record(consumed.partition, id.seq).payload);
                assert_eq!(consumed.position, u64::try_from(seqs.len()).unwrap() + 1);
                seqs.push(id.seq);
            }
            Heard::Nothing => {}
            other => panic!("{other:?}"),
        }
    }
    log
}

/// Checks that a partition's numbers begin at 1 and never leave one out. Returns the repeats.
pub(crate) fn repeats(seqs: &[u64]) -> usize {
    let mut highest = 0;
    let mut repeats = 0;
    for seq in seqs {
        assert!(*seq <= highest + 1, "a gap before {seq} (after {highest})");
        repeats += usize::from(*seq <= highest);
        highest = highest.max(*seq);
    }
    repeats
}

fn ends(log: &Log) -> BTreeMap<u32, Option<u64>> {
    log.iter().map(|(p, seqs)| (*p, seqs.last().copied())).collect()
}
