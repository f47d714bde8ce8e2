//! A topic as lines for people to read: every record, and every cell in it.
//!
//! What it is not: a reader that leaves a trace. It joins no group and commits nothing.
//!
//! What surprises: it stops at the ends that the log had when it began, so a busy topic ends too.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use headcount_core::batch::Batch;
use headcount_core::cell::{CellKey, Counts};
use headcount_core::time::{Day, Hour};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;

use super::client::{Faults, dispose};
use super::{KafkaError, Settings, topic};
use crate::wire::parse_value;

/// How long the broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the client is waited for.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Hands every record of the topic to `line`, as lines: `partition offset timestamp
/// collector/epoch/seq` and then its cells, each with two spaces before it. Partitions follow one
/// another. Stops early when `line` breaks.
///
/// # Errors
/// [`KafkaError`] if the topic cannot be read.
pub fn cat(
    settings: &Settings,
    mut line: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<(), KafkaError> {
    let reader = reader(settings)?;
    for partition in reader.partitions() {
        let mut each =
            |message: &BorrowedMessage<'_>| lines(message).iter().try_for_each(|text| line(text));
        if reader.partition(Reading { partition, begin: 0 }, &mut each)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// A reader that leaves no trace.
pub(super) struct Reader {
    /// Always there, until drop takes it.
    consumer: Option<BaseConsumer<Faults>>,
    topic: String,
    partitions: i32,
}

/// What of a partition is read: from `begin` on, or from what the log still has.
pub(super) struct Reading {
    pub(super) partition: i32,
    pub(super) begin: i64,
}

/// Connects.
pub(super) fn reader(settings: &Settings) -> Result<Reader, KafkaError> {
    topic::reachable(settings, PATIENCE)?;
    let mut config = settings.client()?;
    // The library wants a group to read by hand; nothing joins it and nothing is committed.
    config
        .set("group.id", &settings.group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed");
    Ok(Reader {
        consumer: Some(config.create_with_context(Faults::default())?),
        topic: settings.topic.clone(),
        partitions: i32::try_from(settings.partitions).unwrap_or(i32::MAX),
    })
}

impl Reader {
    /// The numbers of the partitions.
    pub(super) fn partitions(&self) -> std::ops::Range<i32> {
        0..self.partitions
    }

    /// First offset and end of a partition.
    pub(super) fn watermarks(&self, partition: i32) -> Result<(i64, i64), KafkaError> {
        Ok(self.consumer().fetch_watermarks(&self.topic, partition, PATIENCE)?)
    }

    fn consumer(&self) -> &BaseConsumer<Faults> {
        self.consumer.as_ref().expect("only drop takes the consumer")
    }

    /// Hands over the records of a partition, up to the end that it has now.
    pub(super) fn partition(
        &self,
        Reading { partition, begin }: Reading,
        each: &mut impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, KafkaError> {
        let (first, end) = self.watermarks(partition)?;
        let begin = begin.max(first);
        if begin >= end {
            return Ok(ControlFlow::Continue(()));
        }
        let consumer = self.consumer();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(begin))?;
        consumer.assign(&list)?;
        let mut deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let message = match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) if message.partition() == partition => message,
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(p))) if p == partition => {
                    return Ok(ControlFlow::Continue(()));
                }
                _ => continue,
            };
            if message.offset() >= end {
                return Ok(ControlFlow::Continue(()));
            }
            if each(&message).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if message.offset().saturating_add(1) >= end {
                return Ok(ControlFlow::Continue(()));
            }
            deadline = Instant::now() + PATIENCE;
        }
        Err(KafkaError::Unreachable {
            brokers: "the cluster".to_owned(),
            patience_seconds: PATIENCE.as_secs(),
            reason: consumer.context().last().unwrap_or_else(|| "the log stands still".to_owned()),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            dispose(consumer, END_PATIENCE);
        }
    }
}

fn lines(message: &BorrowedMessage<'_>) -> Vec<String> {
    let place = Place {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
    };
    describe(&place, message.payload().unwrap_or_default())
}

/// Where a record lies.
struct Place {
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
}

fn describe(place: &Place, value: &[u8]) -> Vec<String> {
    let Place { partition, offset, timestamp_ms } = place;
    let timestamp = timestamp_ms.map_or_else(|| "-".to_owned(), time);
    let head = format!("{partition} {offset} {timestamp}");
    let (id, batch) = match parse_value(value) {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("{head} - {error}")],
    };
    let head = format!("{head} {}/{}/{}", id.collector, id.epoch, id.seq);
    match Batch::decode(batch) {
        Ok(batch) => std::iter::once(head)
            .chain(batch.cells().map(|(site, key, counts)| cell(site, &key, counts)))
            .collect(),
        Err(error) => vec![format!("{head} {error}")],
    }
}

fn cell(site: &str, key: &CellKey<&str>, counts: &Counts) -> String {
    let site = escape(site);
    let name = match key {
        CellKey::Site { hour } => format!("{hour} site"),
        CellKey::Page { hour, page } => format!("{hour} page {}", escape(page)),
        CellKey::Click { hour, page, target } => {
            format!("{hour} click {} {}", escape(page), escape(target))
        }
        CellKey::Attribute { day, attribute, value } => {
            format!("{day} {} {}", attribute.as_str(), escape(value))
        }
        CellKey::Refusal { day, reason } => format!("{day} refusal {}", reason.as_str()),
    };
    let Counts { views, visitors, visits, clicks, refused } = counts;
    let numbers = [
        ("views", views),
        ("visitors", visitors),
        ("visits", visits),
        ("clicks", clicks),
        ("refused", refused),
    ];
    let numbers: Vec<String> = numbers
        .iter()
        .filter(|(_, number)| **number != 0)
        .map(|(word, number)| format!("{word}={number}"))
        .collect();
    format!("  {site} {name} {}", numbers.join(" "))
}

/// A name that cannot command a terminal: control characters, and those that turn the direction of
/// writing, are shown as their numbers.
fn escape(name: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || c == '\\'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().fold(String::with_capacity(name.len()), |mut text, c| {
        if is_harmful(c) {
            text.extend(c.escape_unicode())
        } else {
            text.push(c)
        }
        text
    })
}

fn time(milliseconds: i64) -> String {
    let Ok(milliseconds) = u64::try_from(milliseconds) else { return milliseconds.to_string() };
    let seconds = milliseconds / 1_000;
    let hour = Hour::of_unix(seconds);
    if hour.unix_seconds().checked_mul(1_000) == Some(milliseconds) {
        return hour.to_string();
    }
    let (day, rest): (Day, u64) = (hour.day(), seconds % 3_600);
    let (minutes, seconds, fraction) = (rest / 60, rest % 60, milliseconds % 1_000);
    format!("{day}T{:02}:{minutes:02}:{seconds:02}.{fraction:03}Z", hour.of_day())
}

#[cfg(test)]
mod tests {
    use headcount_core::batch::BatchId;
    use headcount_core::cell::Attribute;

    use super::*;
    use crate::Record;

    fn place() -> Place {
        Place {
            partition: 3,
            offset: 7,
            timestamp_ms: Some(1_790_000_000_000 / 3_600_000 * 3_600_000),
        }
    }

    #[test]
    fn a_record_is_a_line_and_each_cell_is_one() {
        let hour = Hour::of_unix(1_790_000_000);
        let one = Counts { views: 1, visitors: 1, ..Counts::ZERO };
        let batch = Batch::new([
            ("a.example", CellKey::Page { hour, page: "/x" }, one),
            (
                "a.example",
                CellKey::Attribute {
                    day: hour.day(),
                    attribute: Attribute::Browser,
                    value: "evil\u{1b}[2J\nname",
                },
                one,
            ),
        ])
        .unwrap();
        let id = BatchId { collector: 1, epoch: 2, seq: 3 };
        let record = Record { id, partition: 3, payload: batch.encode() };
        assert_eq!(
            describe(&place(), &record.to_value()),
            [
                "3 7 2026-09-21T14:00:00Z 1/2/3",
                "  a.example 2026-09-21T14:00:00Z page /x views=1 visitors=1",
                "  a.example 2026-09-21 browser evil\\u{1b}[2J\\u{a}name views=1 visitors=1",
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert_eq!(describe(&place(), &[]), ["3 7 2026-09-21T14:00:00Z - empty record"]);
        let id = BatchId { collector: 1, epoch: 2, seq: 3 };
        let record = Record { id, partition: 3, payload: vec![9] };
        let lines = describe(&place(), &record.to_value());
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("1/2/3 batch version 9"), "{lines:?}");
    }

    #[test]
    fn a_time_within_the_hour_is_shown_as_it_is() {
        assert_eq!(time(1_790_000_000_123), "2026-09-21T14:13:20.123Z");
        assert_eq!(time(-1), "-1");
    }
}
