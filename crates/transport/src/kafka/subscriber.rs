//! The aggregator's end: a member of a group that reads partitions from where the ledger stands.
//!
//! What it is not: a keeper of progress. Where to begin is asked of the store, and what is
//! committed to Kafka is a hint for people.
//!
//! What surprises: the group gives a partition, but nothing of it is fetched until its owner says
//! [`KafkaSubscriber::begin`]. So no committed offset is ever looked up, and no default position
//! can be taken by accident.

mod group;
mod lane;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headcount_core::batch::BatchId;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;

use self::group::Group;
use self::lane::{Lane, Take};
use super::client::{dispose, is_forbidden};
use super::{KafkaError, Settings};
use crate::wire::{WireError, parse_value};

pub use self::lane::Loss;

/// Fetched and not yet read at most.
const PREFETCH_KBYTES_MAX: usize = 16_384;
/// An owner that does not listen for so long loses its partitions: longer than the worst insert.
const POLL_INTERVAL_MAX_MS: usize = 600_000;
/// How long the group waits for a member that went without a word.
const SESSION_TIMEOUT_MS: usize = 15_000;
/// How long a question about a partition's ends may take.
const ENDS_PATIENCE: Duration = Duration::from_secs(5);
/// How long a stop waits for the client to leave the group.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// What a subscriber heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// These partitions are ours now; each waits for [`KafkaSubscriber::begin`].
    Assigned(Vec<u32>),
    /// These partitions are ours no more; nothing more of them is heard.
    Revoked(Vec<u32>),
    /// A record.
    Record(Consumed),
    /// The wanted position is not in the log. The partition stands still until it is begun anew.
    Broken {
        /// Which.
        partition: u32,
        /// What is missing.
        why: Loss,
    },
    /// Nothing in time.
    Nothing,
}

/// A record as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Consumed {
    /// The partition.
    pub partition: u32,
    /// Its offset + 1: what the ledger calls applied once it is.
    pub position: u64,
    /// Which batch and its bytes, or why they are not a record of ours.
    pub record: Result<(BatchId, Vec<u8>), WireError>,
}

/// A member of the group of aggregators. It must be listened to, even when nothing is wanted.
pub struct KafkaSubscriber {
    /// Always there, until drop takes it.
    consumer: Option<BaseConsumer<Group>>,
    topic: String,
    lanes: BTreeMap<u32, Lane>,
    heard: VecDeque<Heard>,
}

impl KafkaSubscriber {
    /// Joins the group, each time as a new member: one that was killed is missed after the session
    /// timeout of 15 s, and the group deals its partitions out anew.
    ///
    /// A lasting name (`group.instance.id`) is not used. The group answers whoever returns under
    /// one from what it dealt last, without dealing again, and in the middle of a handover that is
    /// an assignment with a partition for nobody.
    ///
    /// # Errors
    /// [`KafkaError`] for settings that cannot be right. A broker that cannot be reached is no
    /// error here; check it with [`super::topic::ensure`].
    pub fn connect(settings: &Settings) -> Result<Self, KafkaError> {
        let mut config = settings.client()?;
        config
            .set("group.id", &settings.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION_TIMEOUT_MS.to_string())
            .set("max.poll.interval.ms", POLL_INTERVAL_MAX_MS.to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("queued.max.messages.kbytes", PREFETCH_KBYTES_MAX.to_string());
        let consumer: BaseConsumer<Group> = config.create_with_context(Group::default())?;
        consumer.subscribe(&[&settings.topic])?;
        Ok(Self {
            consumer: Some(consumer),
            topic: settings.topic.clone(),
            lanes: BTreeMap::new(),
            heard: VecDeque::new(),
        })
    }

    /// Waits for something, `patience` at most. What the library mends by itself is not told.
    ///
    /// # Errors
    /// [`KafkaError`] for what it cannot: a refused login, a missing right or topic, or an end for
    /// good ([`KafkaError::Ended`]). After all but the last it may be asked again.
    pub fn hear(&mut self, patience: Duration) -> Result<Heard, KafkaError> {
        let deadline = Instant::now() + patience;
        loop {
            self.take_changes();
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(heard) = self.poll(left)? {
                return Ok(heard);
            }
            if left.is_zero() {
                self.take_changes();
                return Ok(self.heard.pop_front().unwrap_or(Heard::Nothing));
            }
        }
    }

    /// Reads `partition` from position `applied` + 1; anything read before is forgotten. Without
    /// effect on a partition that is not ours (its [`Heard::Revoked`] is on the way).
    ///
    /// # Errors
    /// [`KafkaError::Client`] when the group is being left.
    pub fn begin(&mut self, partition: u32, applied: u64) -> Result<(), KafkaError> {
        if !self.consumer().context().is_granted(partition) {
            tracing::debug!(partition, "partition is no longer ours, not begun");
            return Ok(());
        }
        let was_paused = self.lanes.get(&partition).is_some_and(Lane::is_paused);
        self.lanes.insert(partition, Lane::from(applied));
        self.fetch_from(partition, applied)?;
        // The library keeps a pause over a new beginning.
        if was_paused { self.resume_natively(partition) } else { Ok(()) }
    }

    /// Stops reading a partition until [`Self::resume`]; it stays ours.
    ///
    /// # Errors
    /// [`KafkaError::Client`] if the library refuses.
    pub fn pause(&mut self, partition: u32) -> Result<(), KafkaError> {
        let Some(lane) = self.lanes.get_mut(&partition) else { return Ok(()) };
        lane.pause();
        let list = self.list(partition);
        Ok(self.consumer().pause(&list)?)
    }

    /// Goes on where [`Self::pause`] stopped.
    ///
    /// # Errors
    /// [`KafkaError::Client`] if the library refuses.
    pub fn resume(&mut self, partition: u32) -> Result<(), KafkaError> {
        let Some(lane) = self.lanes.get_mut(&partition) else { return Ok(()) };
        if let Some(next) = lane.resume() {
            self.fetch_from(partition, next)?;
        }
        self.resume_natively(partition)
    }

    /// Tells Kafka how far the store is, for tools that show lag. Nothing depends on it, so nobody
    /// waits for it.
    pub fn hint(&self, partition: u32, applied: u64) {
        let Ok(offset) = i64::try_from(applied) else { return };
        let mut list = self.list(partition);
        let set = list.set_all_offsets(Offset::Offset(offset));
        if set.and_then(|()| self.consumer().commit(&list, CommitMode::Async)).is_err() {
            tracing::debug!(partition, "offset hint not sent");
        }
    }

    /// First offset and end of a partition: end minus applied is the lag. Asks the broker, for at
    /// most 5 s.
    ///
    /// # Errors
    /// [`KafkaError::Client`] if it does not answer.
    pub fn ends(&self, partition: u32) -> Result<(u64, u64), KafkaError> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let (first, end) = self.consumer().fetch_watermarks(&self.topic, number, ENDS_PATIENCE)?;
        Ok((u64::try_from(first).unwrap_or(0), u64::try_from(end).unwrap_or(0)))
    }

    fn consumer(&self) -> &BaseConsumer<Group> {
        self.consumer.as_ref().expect("only drop takes the consumer")
    }

    /// A partition, as the library wants to be told of it.
    fn list(&self, partition: u32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        if let Ok(number) = i32::try_from(partition) {
            list.add_partition(&self.topic, number);
        }
        list
    }

    /// Takes over what a rebalance changed.
    fn take_changes(&mut self) {
        for change in self.consumer().context().take_changes() {
            if let Heard::Revoked(partitions) = &change {
                for partition in partitions {
                    self.lanes.remove(partition);
                }
            }
            self.heard.push_back(change);
        }
    }

    fn poll(&mut self, patience: Duration) -> Result<Option<Heard>, KafkaError> {
        let consumer = self.consumer.as_ref().expect("only drop takes the consumer");
        let message = match consumer.poll(patience) {
            None => return Ok(None),
            Some(Err(error)) => return self.judge_error(error).map(|()| None),
            Some(Ok(message)) => message,
        };
        let place =
            u32::try_from(message.partition()).ok().zip(u64::try_from(message.offset()).ok());
        let Some((partition, offset)) = place else { return Ok(None) };
        let Some(lane) = self.lanes.get_mut(&partition) else { return Ok(None) };
        match lane.take(offset) {
            Take::Deliver => Ok(Some(Heard::Record(read(partition, offset, &message)))),
            Take::Drop => Ok(None),
            Take::ReadAgain(next) => {
                drop(message);
                self.fetch_from(partition, next).map(|()| None)
            }
        }
    }

    /// Lets the library fetch a partition from an offset; what it had fetched before is dropped.
    fn fetch_from(&mut self, partition: u32, offset: u64) -> Result<(), KafkaError> {
        let consumer = self.consumer();
        let mut list = self.list(partition);
        if consumer.context().stop_fetching(partition) {
            consumer.incremental_unassign(&list)?;
        }
        list.set_all_offsets(Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX)))?;
        consumer.incremental_assign(&list)?;
        consumer.context().start_fetching(partition);
        Ok(())
    }

    fn resume_natively(&self, partition: u32) -> Result<(), KafkaError> {
        let list = self.list(partition);
        Ok(self.consumer().resume(&list)?)
    }

    /// What an event of the library means for the owner; most are mended by the library.
    fn judge_error(&mut self, error: ClientError) -> Result<(), KafkaError> {
        let reason =
            || self.consumer().context().faults.last().unwrap_or_else(|| error.to_string());
        if matches!(error, ClientError::MessageConsumptionFatal(_)) {
            return Err(KafkaError::Ended(reason()));
        }
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset) => self.find_broken(),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                Err(KafkaError::MissingTopic(self.topic.clone()))
            }
            Some(code) if is_forbidden(code) => Err(KafkaError::Forbidden(reason())),
            _ => self.consumer().context().faults.refusal().map_or(Ok(()), Err),
        }
    }

    /// A position was not in the log. The library does not say which, so every partition's is
    /// compared with the ends of its log.
    fn find_broken(&mut self) -> Result<(), KafkaError> {
        for (partition, next) in self.wanted() {
            // One broker that does not answer is enough to wait for.
            let Ok(ends) = self.ends(partition) else { break };
            let Some(why) = Loss::of(next, ends) else { continue };
            self.lanes.remove(&partition);
            if self.consumer().context().stop_fetching(partition) {
                self.consumer().incremental_unassign(&self.list(partition))?;
            }
            self.heard.push_back(Heard::Broken { partition, why });
        }
        // The others may stand still for the same reason, mended meanwhile or not answered.
        let others = self.wanted();
        others.iter().try_for_each(|(partition, next)| self.fetch_from(*partition, *next))
    }

    /// Every partition that is read, and the offset it wants.
    fn wanted(&self) -> Vec<(u32, u64)> {
        self.lanes.iter().map(|(partition, lane)| (*partition, lane.next())).collect()
    }
}

impl Drop for KafkaSubscriber {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            dispose(consumer, DROP_PATIENCE);
        }
    }
}

fn read(partition: u32, offset: u64, message: &BorrowedMessage<'_>) -> Consumed {
    let record =
        parse_value(message.payload().unwrap_or_default()).map(|(id, batch)| (id, batch.to_vec()));
    Consumed { partition, position: offset.saturating_add(1), record }
}
