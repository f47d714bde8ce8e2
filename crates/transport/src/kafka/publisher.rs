//! The collector's end: batches go to Kafka, and acknowledgements come back.
//!
//! What it is not: a store. What Kafka has not acknowledged is in the outbox, so a producer that
//! fails is thrown away, and everything since the last acknowledgement is offered again.
//!
//! What surprises: any record that cannot be delivered ends the whole producer. To go on with the
//! next one would leave a gap in the log; to begin again leaves repeats, which readers drop.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headcount_core::batch::BatchId;
use headcount_core::leak::{self, Leak};
use headcount_core::time::Clock;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::client::{Faults, dispose, lock, log};
use super::{KafkaError, Settings};
use crate::{News, Offered, Publisher, Record};

/// Records under way at most; with the largest batches they just fit into [`QUEUE_KBYTES_MAX`].
const IN_FLIGHT_RECORDS_MAX: usize = 64;
/// What the library may keep in memory.
const QUEUE_KBYTES_MAX: usize = 65_536;
/// Bytes of one request at most: one batch of the largest, or many small ones.
const REQUEST_BYTES_MAX: usize = 950_000;
/// Events of the library that are served for one question at most.
const POLLS_MAX: usize = 64;
/// The wait before a failed producer is replaced, doubled each time it fails without having
/// delivered anything.
const REBUILD_PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest such wait.
const REBUILD_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a stop waits for the client to end.
const DROP_PATIENCE: Duration = Duration::from_secs(2);

/// Publishes to the topic of its settings.
///
/// After [`News::Restarted`] it takes records again from the first that was not acknowledged; until
/// that news has been read, every offer is [`Offered::Full`].
pub struct KafkaPublisher {
    config: ClientConfig,
    topic: String,
    partitions: u32,
    clock: Arc<dyn Clock>,
    producer: Option<BaseProducer<Reports>>,
    in_flight: InFlight,
    news: VecDeque<News>,
    rebuild_at: Instant,
    rebuild_pause: Duration,
    /// Why the last record was not taken, to be logged once.
    refusal: Option<RDKafkaErrorCode>,
}

impl KafkaPublisher {
    /// Makes a producer. It connects by itself, and keeps trying while there is no broker.
    ///
    /// # Errors
    /// [`KafkaError`] for settings that cannot be right.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, KafkaError> {
        let mut config = settings.client()?;
        config
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            // One request at a time: a broker that has forgotten a producer takes any sequence
            // number from it, and two requests could change places there.
            .set("max.in.flight.requests.per.connection", "1")
            // For ever: the outbox has no other way to get rid of a batch.
            .set("message.timeout.ms", "0")
            // A request stays below what a topic must take, its own head included.
            .set("batch.size", REQUEST_BYTES_MAX.to_string())
            .set("linger.ms", "5")
            .set("compression.type", "zstd")
            .set("queue.buffering.max.kbytes", QUEUE_KBYTES_MAX.to_string());
        let mut publisher = Self {
            config,
            topic: settings.topic.clone(),
            partitions: settings.partitions,
            clock,
            producer: None,
            in_flight: InFlight::default(),
            news: VecDeque::new(),
            rebuild_at: Instant::now(),
            rebuild_pause: REBUILD_PAUSE_MIN,
            refusal: None,
        };
        publisher.producer = Some(publisher.build()?);
        Ok(publisher)
    }

    fn build(&self) -> Result<BaseProducer<Reports>, ClientError> {
        self.config.create_with_context(Reports::default())
    }

    /// The producer, made anew if its time has come; none while its end has not been told.
    fn producer(&mut self) -> Option<&BaseProducer<Reports>> {
        let is_told = !self.news.contains(&News::Restarted);
        if self.producer.is_none() && is_told && Instant::now() >= self.rebuild_at {
            match self.build() {
                Ok(producer) => self.producer = Some(producer),
                Err(error) => {
                    tracing::warn!(error = %error, "kafka producer cannot be made");
                    self.rebuild_at = Instant::now() + self.rebuild_pause;
                }
            }
        }
        self.producer.as_ref()
    }

    /// Throws the producer away with all it has not delivered.
    fn restart(&mut self, reason: &str) {
        let Some(producer) = self.producer.take() else { return };
        tracing::warn!(
            reason,
            records = self.in_flight.len(),
            "kafka producer failed, records will be sent again"
        );
        self.in_flight = InFlight::default();
        self.news.push_back(News::Restarted);
        self.rebuild_at = Instant::now() + self.rebuild_pause;
        self.rebuild_pause = (self.rebuild_pause * 2).min(REBUILD_PAUSE_MAX);
        dispose(producer, Duration::ZERO);
    }

    /// Serves the library's events and takes over what they say.
    fn serve(&mut self) {
        let Some(producer) = self.producer() else { return };
        let reports = Arc::clone(producer.context());
        for _ in 0..POLLS_MAX {
            let before = lock(&reports.heard).events;
            producer.poll(Duration::ZERO);
            if lock(&reports.heard).events == before {
                break;
            }
        }
        let fatal = producer.client().fatal_error();
        let (delivered, failed) = {
            let mut heard = lock(&reports.heard);
            (std::mem::take(&mut heard.delivered), heard.failed.take())
        };
        for (partition, ticket) in delivered {
            self.rebuild_pause = REBUILD_PAUSE_MIN;
            let acked = self.in_flight.delivered(partition, ticket);
            self.news.extend(acked.into_iter().map(|id| News::Acked { partition, id }));
        }
        if let Some((code, text)) = fatal {
            self.restart(&format!("{code}: {text}"));
        } else if let Some(reason) = failed {
            self.restart(&reason);
        }
    }

    /// Start of the running hour in milliseconds; 0 would make the library put the time itself.
    fn timestamp_ms(&self) -> i64 {
        let mut milliseconds = self.clock.hour().unix_seconds().saturating_mul(1_000);
        if leak::is(Leak::KafkaTime) {
            milliseconds = self.clock.unix_seconds().saturating_mul(1_000).max(milliseconds + 1);
        }
        i64::try_from(milliseconds).unwrap_or(i64::MAX).max(1)
    }

    fn note_refusal(&mut self, error: &ClientError) {
        let code = error.rdkafka_error_code();
        if code != self.refusal && code != Some(RDKafkaErrorCode::QueueFull) {
            tracing::warn!(error = %error, "kafka producer does not take a record");
        }
        self.refusal = code;
    }
}

impl Publisher for KafkaPublisher {
    fn offer(&mut self, record: Record) -> Offered {
        if self.in_flight.len() >= IN_FLIGHT_RECORDS_MAX || record.partition >= self.partitions {
            return Offered::Full(record);
        }
        let Ok(partition) = i32::try_from(record.partition) else { return Offered::Full(record) };
        let value = record.to_value();
        let ticket = self.in_flight.next_ticket;
        let timestamp_ms = self.timestamp_ms();
        let topic = std::mem::take(&mut self.topic);
        let key = leak::seen(Leak::KafkaKey);
        let mut message: BaseRecord<'_, str, [u8], usize> =
            BaseRecord::with_opaque_to(&topic, ticket)
                .partition(partition)
                .payload(&*value)
                .timestamp(timestamp_ms);
        message.key = key.as_deref();
        if let Some(seen) = leak::seen(Leak::KafkaHeader) {
            let header = Header { key: "trace", value: Some(&seen) };
            message = message.headers(OwnedHeaders::new().insert(header));
        }
        let sent = self.producer().map(|producer| producer.send(message).map_err(|(why, _)| why));
        self.topic = topic;
        match sent {
            Some(Ok(())) => {
                self.in_flight.push(record.partition, record.id);
                self.refusal = None;
                Offered::Sent
            }
            Some(Err(error)) => {
                self.note_refusal(&error);
                Offered::Full(record)
            }
            None => Offered::Full(record),
        }
    }

    fn news(&mut self) -> Option<News> {
        if self.news.is_empty() {
            self.serve();
        }
        self.news.pop_front()
    }
}

impl Drop for KafkaPublisher {
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            dispose(producer, DROP_PATIENCE);
        }
    }
}

/// What was given to the library and is not acknowledged, per partition in the order offered.
#[derive(Debug, Default)]
struct InFlight {
    next_ticket: usize,
    lanes: BTreeMap<u32, VecDeque<Sent>>,
}

#[derive(Debug)]
struct Sent {
    ticket: usize,
    id: BatchId,
    is_delivered: bool,
}

impl InFlight {
    fn len(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    /// Notes a record under the ticket that it travels with.
    fn push(&mut self, partition: u32, id: BatchId) {
        let sent = Sent { ticket: self.next_ticket, id, is_delivered: false };
        self.lanes.entry(partition).or_default().push_back(sent);
        self.next_ticket += 1;
    }

    /// Notes a delivery and returns what may be acknowledged now: a record waits for those before
    /// it in its partition.
    fn delivered(&mut self, partition: u32, ticket: usize) -> Vec<BatchId> {
        let Some(lane) = self.lanes.get_mut(&partition) else { return Vec::new() };
        if let Some(sent) = lane.iter_mut().find(|sent| sent.ticket == ticket) {
            sent.is_delivered = true;
        }
        let done = lane.iter().take_while(|sent| sent.is_delivered).count();
        lane.drain(..done).map(|sent| sent.id).collect()
    }
}

/// What the library reported about one producer. A producer that was thrown away reports to its
/// own, which nobody reads any more.
#[derive(Default)]
struct Reports {
    faults: Faults,
    heard: Mutex<HeardReports>,
}

#[derive(Default)]
struct HeardReports {
    /// Events of any kind, so that serving can stop when there was none.
    events: u64,
    delivered: Vec<(u32, usize)>,
    failed: Option<String>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        lock(&self.heard).events += 1;
        log(level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        lock(&self.heard).events += 1;
        self.faults.note(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let mut heard = lock(&self.heard);
        heard.events += 1;
        match result {
            Ok(message) => match u32::try_from(message.partition()) {
                Ok(partition) => heard.delivered.push((partition, ticket)),
                Err(_) => heard.failed = Some("a delivery without a partition".to_owned()),
            },
            Err((error, _)) => heard.failed = Some(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seq: u64) -> BatchId {
        BatchId { collector: 1, epoch: 1, seq }
    }

    #[test]
    fn acknowledges_in_order_per_partition() {
        let mut in_flight = InFlight::default();
        for seq in 1..=3 {
            in_flight.push(0, id(seq));
        }
        in_flight.push(1, id(1));
        assert_eq!(in_flight.delivered(0, 1), []);
        assert_eq!(in_flight.delivered(0, 2), []);
        assert_eq!(in_flight.delivered(1, 3), [id(1)]);
        assert_eq!(in_flight.delivered(0, 0), [id(1), id(2), id(3)]);
        assert_eq!(in_flight.delivered(0, 0), []);
        assert_eq!(in_flight.delivered(9, 0), []);
        assert_eq!(in_flight.len(), 0);
    }

    #[test]
    fn a_record_that_failed_holds_back_those_after_it() {
        let mut in_flight = InFlight::default();
        in_flight.push(0, id(1));
        in_flight.push(0, id(2));
        assert_eq!(in_flight.delivered(0, 1), []);
        assert_eq!(in_flight.len(), 2);
    }
}
