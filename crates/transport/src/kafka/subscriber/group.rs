//! What a rebalance changes: called by the library while the owner listens.
//!
//! What it is not: a place for work. It notes what changed and answers the library.
//!
//! What surprises: the answer to a new assignment is an empty one. The group counts us as the
//! owner; what is fetched is decided later, partition by partition.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::Heard;
use crate::kafka::client::{Faults, lock, log};

/// A member's standing in its group.
#[derive(Default)]
pub(super) struct Group {
    pub(super) faults: Faults,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    /// Given to us by the group.
    granted: BTreeSet<u32>,
    /// Of these, what the library fetches.
    fetching: BTreeSet<u32>,
    /// Not yet told to the owner.
    changes: Vec<Heard>,
}

impl Group {
    pub(super) fn is_granted(&self, partition: u32) -> bool {
        lock(&self.standing).granted.contains(&partition)
    }

    pub(super) fn start_fetching(&self, partition: u32) {
        lock(&self.standing).fetching.insert(partition);
    }

    /// Whether the partition was being fetched.
    pub(super) fn stop_fetching(&self, partition: u32) -> bool {
        lock(&self.standing).fetching.remove(&partition)
    }

    pub(super) fn take_changes(&self) -> Vec<Heard> {
        std::mem::take(&mut lock(&self.standing).changes)
    }

    fn assigned(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let partitions = numbers(list);
        let mut standing = lock(&self.standing);
        standing.granted.extend(&partitions);
        if !partitions.is_empty() {
            standing.changes.push(Heard::Assigned(partitions));
        }
        drop(standing);
        consumer.incremental_assign(&TopicPartitionList::new())
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let partitions = numbers(list);
        let mut stop = TopicPartitionList::new();
        let mut standing = lock(&self.standing);
        for element in list.elements() {
            let Ok(partition) = u32::try_from(element.partition()) else { continue };
            standing.granted.remove(&partition);
            if standing.fetching.remove(&partition) {
                stop.add_partition(element.topic(), element.partition());
            }
        }
        if !partitions.is_empty() {
            standing.changes.push(Heard::Revoked(partitions));
        }
        drop(standing);
        consumer.incremental_unassign(&stop)
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.faults.note(&error, reason);
    }
}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let answered = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, list),
            _ => self.revoked(consumer, list),
        };
        if let Err(error) = answered {
            tracing::warn!(error = %error, "kafka rebalance not answered");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(error = %error, "offset hint not taken");
        }
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<u32> {
    list.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect()
}
