//! What else is on the brokers: topics beside ours, and groups that read ours.
//!
//! What it is not: a judge. Whoever maps the data compares it with what should be there.
//!
//! What surprises: a group is seen while one of its members has a part of the topic. One that reads
//! now and then, or without a group, is seen by the broker's own logs only.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::groups::{GroupInfo, GroupMemberInfo};
use rdkafka::metadata::MetadataTopic;

use super::client::{Faults, dispose};
use super::topic::{END_PATIENCE, PATIENCE, ask_partitions};
use super::{KafkaError, Settings};

/// Topics and partitions of an assignment that are read at most.
const PARTS_MAX: usize = 100_000;

/// What else is on the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// Names of all topics that this login may see, without Kafka's own, sorted.
    pub topics: Vec<String>,
    /// Names of the consumer groups with a member that reads our topic now, sorted.
    pub groups: Vec<String>,
}

/// Looks for topics and groups.
///
/// # Errors
/// [`KafkaError`] with one line that says why they are not told.
pub fn neighbours(settings: &Settings) -> Result<Neighbours, KafkaError> {
    let consumer: BaseConsumer<Faults> =
        settings.client()?.create_with_context(Faults::default())?;
    // First as everybody asks: that waits for the connection and says why there is none.
    let found = ask_partitions(&consumer, settings, PATIENCE).and_then(|_| {
        let topics = consumer.fetch_metadata(None, PATIENCE)?;
        let groups = consumer.fetch_group_list(None, PATIENCE)?;
        let reads = |group: &&GroupInfo| group.members().iter().any(|it| has(it, &settings.topic));
        Ok(Neighbours {
            topics: sorted(topics.topics().iter().map(MetadataTopic::name)),
            groups: sorted(groups.groups().iter().filter(reads).map(GroupInfo::name)),
        })
    });
    dispose(consumer, END_PATIENCE);
    found
}

/// Names that are not Kafka's own, sorted.
fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> =
        names.filter(|name| !name.starts_with("__")).map(str::to_owned).collect();
    names.sort();
    names
}

fn has(member: &GroupMemberInfo, topic: &str) -> bool {
    member.assignment().is_some_and(|bytes| assigned(bytes, topic).unwrap_or(false))
}

/// Whether an assignment of Kafka's consumer protocol names a topic; none if it is not of that form.
fn assigned(bytes: &[u8], topic: &str) -> Option<bool> {
    let (_version, mut rest) = bytes.split_first_chunk::<2>()?;
    for _ in 0..count(&mut rest)? {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (name, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        rest = after;
        let partitions = count(&mut rest)?;
        rest = rest.split_at_checked(partitions.checked_mul(4)?)?.1;
        if name == topic.as_bytes() && partitions > 0 {
            return Some(true);
        }
    }
    Some(false)
}

fn count(rest: &mut &[u8]) -> Option<usize> {
    let (count, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_be_bytes(*count)).ok().filter(|count| *count <= PARTS_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(topics: &[(&str, &[u32])]) -> Vec<u8> {
        let mut bytes = vec![0, 1];
        bytes.extend(u32::try_from(topics.len()).unwrap().to_be_bytes());
        for (topic, partitions) in topics {
            bytes.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
            bytes.extend(topic.as_bytes());
            bytes.extend(u32::try_from(partitions.len()).unwrap().to_be_bytes());
            partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
        }
        bytes.extend([0xff; 4]);
        bytes
    }

    #[test]
    fn an_assignment_names_its_topics() {
        let bytes = written(&[("billing", &[0, 3]), ("headcount", &[1])]);
        assert_eq!(assigned(&bytes, "headcount"), Some(true));
        assert_eq!(assigned(&bytes, "head"), Some(false));
        assert_eq!(assigned(&written(&[("headcount", &[])]), "headcount"), Some(false));
        assert_eq!(assigned(&[], "headcount"), None);
        assert_eq!(assigned(&bytes[..20], "headcount"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            assigned(&bytes, "a");
        }
    }

    #[test]
    fn kafkas_own_names_are_left_out() {
        let names = ["b", "__consumer_offsets", "a"];
        assert_eq!(sorted(names.into_iter()), ["a", "b"]);
    }
}
