//! The thread that reads Kafka's partitions and writes them to ClickHouse, a lane for each.
//!
//! What it is not: a place for decisions. Each partition's lane says what to do, this does it, one
//! thing at a time: the server is the same for all of them.
//!
//! What surprises: while the server is away, partitions are paused and the group is kept: nothing
//! is read that could not be written, and nobody else need take over.

mod feed;
mod pace;
mod post;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use headcount_core::time::{Clock, Day};
use headcount_store::StoreError;
use headcount_store::clickhouse::Writer;
use headcount_store::question::Books;
use headcount_transport::kafka::{Heard, KafkaError, KafkaSubscriber};
use thiserror::Error;

pub use self::feed::{Feed, FeedError};
use self::post::{Outcome, Post};
use crate::keeping::{Keeping, closed_before};
use crate::lane::Alarm;

/// How long one look at Kafka waits.
const PATIENCE: Duration = Duration::from_millis(100);
/// How old what is open gets before it is written.
const CLOSE_AGE: Duration = Duration::from_millis(1_500);
/// From a start to its first close of a day: what waited in Kafka is read before.
const CLOSE_AFTER: Duration = Duration::from_secs(60);
/// A partition that is so many records behind still has something of the day before.
const BEHIND_RECORDS: u64 = 1_000;
/// Pause after Kafka failed.
const KAFKA_PAUSE: Duration = Duration::from_secs(1);
/// Between two audits, and never more than a twentieth of the time in them.
const AUDIT_INTERVAL: Duration = Duration::from_secs(10);
/// See [`AUDIT_INTERVAL`].
const AUDIT_SHARE: u32 = 20;
/// How long a stop waits for what is open to be written. What is not, is read again.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);

/// Why it has stopped.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The store cannot be written, for good.
    #[error("the store cannot be written")]
    Store(#[from] StoreError),
    /// Kafka cannot be read, for good.
    #[error("kafka cannot be read")]
    Kafka(#[from] KafkaError),
    /// The thread could not be started.
    #[error("the aggregator cannot run")]
    Thread(#[source] std::io::Error),
    /// Its thread is gone.
    #[error("the aggregator has stopped")]
    Stopped,
}

/// What it runs with.
#[derive(Clone, Debug)]
pub struct ClusterSetting {
    /// The topic, which names the sources in the ledger.
    pub topic: String,
    /// What the store is kept to.
    pub keeping: Keeping,
    /// Partitions and positions that a human lets it pass.
    pub set_aside: Vec<(u32, u64)>,
}

/// One partition, as others may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The last position that the ledger has.
    pub applied: u64,
    /// Records in Kafka behind it.
    pub lag: u64,
    /// Why it stopped, if it did.
    pub alarm: Option<String>,
}

/// What others may see of it.
#[derive(Clone, Debug, Default)]
pub struct ClusterStatus {
    /// The partitions it has now.
    pub partitions: BTreeMap<u32, PartitionStatus>,
    /// The last audit.
    pub books: Option<Books>,
    /// Inserts that are in the ledger.
    pub inserts: u64,
    /// Cells in them.
    pub cells: u64,
    /// Writes and reads that failed and were tried again.
    pub retries: u64,
    /// What is missing now: of each part that has failed since it last worked, how it failed.
    pub troubles: BTreeMap<Part, String>,
}

impl ClusterStatus {
    /// Notes a failure of a part; whether it is the first since the part worked.
    fn failed(&mut self, part: Part, error: &dyn Display) -> bool {
        self.retries += 1;
        self.troubles.insert(part, error.to_string()).is_none()
    }

    /// Takes back what was noted of a part, and of no other.
    fn worked(&mut self, part: Part) {
        self.troubles.remove(&part);
    }
}

/// What can fail and work again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Reading from Kafka.
    Kafka,
    /// Questions to ClickHouse.
    ClickHouse,
    /// Inserts into ClickHouse, which may fail while it answers questions: it may be full.
    Insert,
}

impl Part {
    /// The word in logs and for the operator.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::ClickHouse => "clickhouse",
            Self::Insert => "clickhouse insert",
        }
    }
}

/// A running aggregator of a cluster.
#[derive(Debug)]
pub struct ClusterAggregator {
    thread: JoinHandle<Result<(), ClusterError>>,
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<ClusterStatus>>,
}

/// The name under which the ledger keeps a partition of a topic.
fn kafka_src(topic: &str, partition: u32) -> String {
    format!("kafka:{topic}:{partition}")
}

impl ClusterAggregator {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`ClusterError::Thread`].
    pub fn start(
        writer: Writer,
        subscriber: KafkaSubscriber,
        setting: ClusterSetting,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClusterError> {
        let (stop, status) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let driver = Driver {
            subscriber,
            desk: post::Desk { writer, status: Arc::clone(&status) },
            posts: BTreeMap::new(),
            setting,
            clock,
            stop: Arc::clone(&stop),
            started: Instant::now(),
            purged: None,
            closed: None,
            audited: None,
        };
        let thread = std::thread::Builder::new()
            .name("aggregator".into())
            .spawn(move || driver.run())
            .map_err(ClusterError::Thread)?;
        Ok(Self { thread, stop, status })
    }

    /// How it is.
    pub fn status(&self) -> ClusterStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the thread still runs.
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Writes what is open and ends.
    ///
    /// # Errors
    /// Why it ended before, if it did.
    pub fn stop(self) -> Result<(), ClusterError> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| ClusterError::Stopped)?
    }
}

struct Driver {
    subscriber: KafkaSubscriber,
    desk: post::Desk,
    posts: BTreeMap<u32, Post>,
    setting: ClusterSetting,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    started: Instant,
    purged: Option<Day>,
    closed: Option<Day>,
    audited: Option<(Instant, Duration)>,
}

impl Driver {
    fn run(mut self) -> Result<(), ClusterError> {
        while !self.stop.load(Ordering::Acquire) {
            self.hear()?;
            self.work(CLOSE_AGE)?;
            self.keep_house()?;
        }
        let deadline = Instant::now() + DRAIN_PATIENCE;
        while self.posts.values().any(Post::is_busy) && Instant::now() < deadline {
            self.work(Duration::ZERO)?;
            std::thread::sleep(PATIENCE / 10);
        }
        Ok(())
    }

    /// One event of Kafka.
    fn hear(&mut self) -> Result<(), ClusterError> {
        let heard = self.subscriber.hear(PATIENCE);
        // Nothing in time says nothing: a broker that is away sends nothing either.
        if matches!(heard, Ok(Heard::Assigned(_) | Heard::Record(_))) {
            self.desk.worked(Part::Kafka);
        }
        match heard {
            Ok(Heard::Assigned(partitions)) => {
                for partition in partitions {
                    let src = kafka_src(&self.setting.topic, partition);
                    let aside = self.setting.set_aside.iter();
                    let aside = aside.filter(|(of, _)| *of == partition).map(|(_, at)| *at);
                    self.posts.insert(partition, Post::new(src, aside.collect()));
                }
            }
            Ok(Heard::Revoked(partitions)) => {
                // What could not be written may be another's now; what is still ours says so again.
                self.desk.worked(Part::Insert);
                for partition in partitions {
                    self.posts.remove(&partition);
                    self.desk.note(|status| drop(status.partitions.remove(&partition)));
                }
            }
            Ok(Heard::Record(consumed)) => {
                if let Some(post) = self.posts.get_mut(&consumed.partition) {
                    post.arrived(consumed);
                }
            }
            Ok(Heard::Broken { partition, why }) => {
                tracing::error!(partition, %why, "partition stopped");
                self.desk.partition(partition, |status| status.alarm = Some(why.to_string()));
            }
            Ok(Heard::Nothing) => {}
            Err(error) if error.is_retryable() => {
                self.desk.trouble(Part::Kafka, &error);
                std::thread::sleep(KAFKA_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What is due in every partition.
    fn work(&mut self, close_age: Duration) -> Result<(), ClusterError> {
        let partitions: Vec<u32> = self.posts.keys().copied().collect();
        for partition in partitions {
            if let Some(post) = self.posts.get_mut(&partition) {
                post.close_if_older(close_age);
            }
            self.settle(partition)?;
        }
        Ok(())
    }

    /// Does what a partition's lane wants, as far as that goes now.
    fn settle(&mut self, partition: u32) -> Result<(), ClusterError> {
        let Some(post) = self.posts.get_mut(&partition) else { return Ok(()) };
        for outcome in post.settle(&mut self.desk)? {
            match outcome {
                Outcome::Begin(applied) => self.subscriber.begin(partition, applied)?,
                Outcome::Applied(applied) => {
                    self.subscriber.hint(partition, applied);
                    self.desk.partition(partition, |status| status.applied = applied);
                }
                Outcome::Stopped(alarm) => {
                    tracing::error!(partition, ?alarm, "partition stopped, its records wait");
                    let text = told(alarm);
                    self.desk.partition(partition, |status| status.alarm = Some(text));
                }
            }
        }
        let wants = post.wants_records();
        if wants != post.is_flowing {
            post.is_flowing = wants;
            if wants {
                self.subscriber.resume(partition)?;
            } else {
                self.subscriber.pause(partition)?;
            }
        }
        Ok(())
    }

    /// Retention, what is left of erasures, and the audit.
    fn keep_house(&mut self) -> Result<(), ClusterError> {
        let due = self.audited.is_none_or(|(at, took)| {
            at.elapsed() >= AUDIT_INTERVAL.max(took.saturating_mul(AUDIT_SHARE))
        });
        if !due {
            return Ok(());
        }
        let started = Instant::now();
        // One of the group cleans up and audits: whoever has the first partition.
        if self.posts.contains_key(&0) {
            let kept = self.setting.keeping.retention_days.saturating_sub(1);
            let oldest = self.clock.hour().day().minus(kept);
            if self.purged != Some(oldest) && self.desk.purge(oldest)? {
                self.purged = Some(oldest);
            }
            self.desk.sweep()?;
            self.close_days()?;
            self.desk.audit(self.clock.unix_seconds())?;
        } else {
            self.desk.read_books()?;
        }
        self.audited = Some((Instant::now(), started.elapsed()));
        self.look_at_lag();
        Ok(())
    }

    /// Closes the days that are over, but not while batches of them may wait in Kafka.
    fn close_days(&mut self) -> Result<(), ClusterError> {
        let before = closed_before(self.clock.hour());
        let is_behind = self.desk.is_behind();
        if self.closed != Some(before) && !is_behind && self.started.elapsed() >= CLOSE_AFTER {
            let keeping = self.setting.keeping;
            if self.desk.close_before(before, keeping.k)? {
                self.closed = Some(before);
            }
        }
        Ok(())
    }

    /// How far each partition is behind its log. Who has none asks after the first one, to know
    /// whether Kafka answers.
    fn look_at_lag(&mut self) {
        let ours: Vec<u32> = self.posts.keys().copied().collect();
        let asked = if ours.is_empty() { &[0] } else { &*ours };
        for partition in asked {
            match self.subscriber.ends(*partition) {
                Ok((_, end)) if ours.contains(partition) => {
                    self.desk.partition(*partition, |status| {
                        status.lag = end.saturating_sub(status.applied);
                    });
                }
                Ok(_) => {}
                Err(error) => return self.desk.trouble(Part::Kafka, &error),
            }
        }
        self.desk.worked(Part::Kafka);
    }
}

/// An alarm as a sentence with what to do.
fn told(alarm: Alarm) -> String {
    match alarm {
        Alarm::Gap { position, expected, came } => format!(
            "batch {} came where {expected} was due: batches are missing before offset {}; find \
             out why, then go on without them: headcount aggregate --set-aside PARTITION:{}",
            came.seq,
            position - 1,
            position - 1
        ),
        Alarm::Unreadable { position, error } => format!(
            "the record at offset {} is no batch ({error}); upgrade, or go on without it: \
             headcount aggregate --set-aside PARTITION:{}",
            position - 1,
            position - 1
        ),
        Alarm::LogTruncated { position, passed } => format!(
            "a new batch at offset {}, but {passed} were read before: the broker lost records",
            position - 1
        ),
        Alarm::LedgerMoved { before, now } => {
            format!("the ledger went back from {before} to {now}: the store was restored or cut")
        }
        Alarm::LedgerDiffers { hi } => {
            format!("the ledger has other batches up to {hi}: two clusters write to one store")
        }
    }
}

#[cfg(test)]
mod tests {
    use headcount_store::insert::SRC_BYTES_MAX;
    use headcount_transport::kafka::{PARTITIONS_MAX, TOPIC_BYTES_MAX};

    use super::*;

    #[test]
    fn every_partition_that_may_be_has_a_name_that_the_ledger_takes() {
        let longest = kafka_src(&"t".repeat(TOPIC_BYTES_MAX), PARTITIONS_MAX - 1);
        assert!(longest.len() <= SRC_BYTES_MAX, "{} bytes", longest.len());
    }

    #[test]
    fn a_part_that_works_takes_back_no_trouble_of_another() {
        let mut status = ClusterStatus::default();
        assert!(status.failed(Part::Kafka, &"no answer"));
        assert!(!status.failed(Part::Kafka, &"still none"), "it is logged once");
        assert!(status.failed(Part::Insert, &"no room"));
        status.worked(Part::ClickHouse);
        status.worked(Part::Insert);
        let left = BTreeMap::from([(Part::Kafka, "still none".to_owned())]);
        assert_eq!((status.troubles, status.retries), (left, 3));
    }
}
