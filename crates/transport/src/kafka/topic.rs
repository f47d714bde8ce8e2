//! The topic: is it there, and is it fit to carry batches?
//!
//! What it is not: a tuner. A topic that exists is checked and never changed.
//!
//! What surprises: the number of partitions is part of the data. A site's batches all go one way,
//! so a topic that has grown is refused.

mod life;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;

use super::client::{Faults, dispose, is_forbidden};
use super::{KafkaError, Settings};

pub use life::{LIFE_DAYS_MAX, Life, life};

/// How long a cluster may take to answer before it counts as unreachable.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// One try of many within that time.
const TRY: Duration = Duration::from_secs(1);
/// Between two tries, when the library's events are heard.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a new topic may take to appear.
const CREATION_PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of a client is waited for.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(2);

/// Milliseconds in a day: the least time an aggregator that stands still needs to be noticed.
const RETENTION_MS_MIN: i64 = 86_400_000;
/// What a new topic keeps: a week to repair an aggregator.
const RETENTION_MS: &str = "604800000";
/// Kafka deletes whole segments, and not the one it writes: with one a day, what a new topic holds
/// is gone a day after its time, that of an erased site too. Kafka's own default is a week.
const SEGMENT_MS: &str = "86400000";
/// What the largest batch needs, its head and Kafka's own included.
const MESSAGE_BYTES_MIN: i64 = 1_000_000;
/// What a new topic takes: Kafka's own default.
const MESSAGE_BYTES: &str = "1048588";

/// Whether the cluster answers within `patience` and accepts who we are.
///
/// # Errors
/// [`KafkaError`] with one line that says why not.
pub fn reachable(settings: &Settings, patience: Duration) -> Result<(), KafkaError> {
    partitions(settings, patience).map(|_| ())
}

/// Makes sure that the topic is there and fit: makes it if it is missing and `create`, and checks
/// it in any case.
///
/// # Errors
/// [`KafkaError::Topic`] with a line for each setting that does not fit, or what else failed.
pub fn ensure(settings: &Settings, create: bool) -> Result<(), KafkaError> {
    let found = match partitions(settings, PATIENCE)? {
        Some(found) => found,
        None if create => {
            create_topic(settings)?;
            appeared(settings)?
        }
        None => return Err(KafkaError::MissingTopic(settings.topic.clone())),
    };
    let config = read_config(settings)?;
    let value = |key: &str| config.get(key)?.value.as_deref();
    let lines = violations(settings, found, value);
    if lines.is_empty() { Ok(()) } else { Err(KafkaError::Topic(lines)) }
}

/// The number of partitions; none if there is no such topic.
fn partitions(settings: &Settings, patience: Duration) -> Result<Option<usize>, KafkaError> {
    let consumer: BaseConsumer<Faults> =
        settings.client()?.create_with_context(Faults::default())?;
    let answer = ask_partitions(&consumer, settings, patience);
    dispose(consumer, END_PATIENCE);
    answer
}

pub(super) fn ask_partitions(
    consumer: &BaseConsumer<Faults>,
    settings: &Settings,
    patience: Duration,
) -> Result<Option<usize>, KafkaError> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = consumer.fetch_metadata(Some(&settings.topic), TRY.min(left));
        if let Ok(metadata) = answer {
            let Some(topic) = metadata.topics().first() else { return Ok(None) };
            match topic.error().map(Code::from) {
                None => return Ok(Some(topic.partitions().len())),
                Some(Code::UnknownTopicOrPartition) => return Ok(None),
                Some(code) if is_forbidden(code) => {
                    return Err(KafkaError::Forbidden(code.to_string()));
                }
                // A topic that is just being made has no leaders yet.
                Some(_) => {}
            }
        }
        hear_reasons(consumer);
        if let Some(refusal) = consumer.context().refusal() {
            return Err(refusal);
        }
        if left.is_zero() {
            return Err(KafkaError::Unreachable {
                brokers: settings.brokers.clone(),
                patience_seconds: patience.as_secs(),
                reason: consumer.context().last().unwrap_or_else(|| "no reason known".to_owned()),
            });
        }
    }
}

/// The reason of a failure is an event, and events wait to be fetched; lines of the log among them,
/// so one look is not enough.
fn hear_reasons(consumer: &BaseConsumer<Faults>) {
    let until = Instant::now() + PAUSE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        drop(consumer.poll(left));
        if left.is_zero() {
            return;
        }
    }
}

fn appeared(settings: &Settings) -> Result<usize, KafkaError> {
    let deadline = Instant::now() + CREATION_PATIENCE;
    loop {
        match partitions(settings, PATIENCE)? {
            Some(found) => return Ok(found),
            None if Instant::now() > deadline => {
                return Err(KafkaError::MissingTopic(settings.topic.clone()));
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn create_topic(settings: &Settings) -> Result<(), KafkaError> {
    let count = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
    // -1: as many replicas as the broker makes by default.
    let topic = NewTopic::new(&settings.topic, count, TopicReplication::Fixed(-1))
        .set("retention.ms", RETENTION_MS)
        .set("segment.ms", SEGMENT_MS)
        .set("max.message.bytes", MESSAGE_BYTES)
        .set("cleanup.policy", "delete")
        .set("message.timestamp.type", "CreateTime");
    let admin = admin(settings)?;
    let made = wait(admin.create_topics([&topic], &options()));
    dispose(admin, END_PATIENCE);
    match made?.pop() {
        // Another of us was faster; it is checked like any other.
        None | Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => Ok(()),
        Some(Err((name, code))) => Err(not_created(&name, code)),
    }
}

/// Why a topic was not created: for good, or for now.
fn not_created(topic: &str, code: Code) -> KafkaError {
    match code {
        code if is_forbidden(code) => KafkaError::Forbidden(code.to_string()),
        Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidConfig
        | Code::PolicyViolation
        | Code::UnsupportedVersion => {
            KafkaError::Topic(vec![format!("topic {topic} cannot be created: {code}")])
        }
        // A controller that is being elected, brokers that are not all there yet.
        other => KafkaError::Client(rdkafka::error::KafkaError::AdminOp(other)),
    }
}

fn read_config(settings: &Settings) -> Result<ConfigResource, KafkaError> {
    let admin = admin(settings)?;
    let which = [ResourceSpecifier::Topic(&settings.topic)];
    let answer = wait(admin.describe_configs(&which, &options()));
    dispose(admin, END_PATIENCE);
    match answer?.pop() {
        Some(Ok(config)) => Ok(config),
        Some(Err(code)) => Err(not_described(&settings.topic, code)),
        None => Err(not_described(&settings.topic, Code::UnknownTopicOrPartition)),
    }
}

/// Why a topic's settings were not told: for good, or for now.
fn not_described(topic: &str, code: Code) -> KafkaError {
    match code {
        code if is_forbidden(code) => KafkaError::Forbidden(format!(
            "{code}: the right DescribeConfigs is needed to check topic {topic}"
        )),
        Code::UnknownTopicOrPartition => KafkaError::MissingTopic(topic.to_owned()),
        other => KafkaError::Client(rdkafka::error::KafkaError::AdminOp(other)),
    }
}

fn admin(settings: &Settings) -> Result<AdminClient<Faults>, KafkaError> {
    Ok(AdminClient::from_config_and_context(&settings.client()?, Faults::default())?)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// What of a topic does not fit, one line each.
fn violations<'a>(
    settings: &Settings,
    partitions: usize,
    value: impl Fn(&str) -> Option<&'a str>,
) -> Vec<String> {
    let topic = &settings.topic;
    let mut lines = Vec::new();
    if u32::try_from(partitions) != Ok(settings.partitions) {
        lines.push(format!(
            "topic {topic} has {partitions} partitions, expected {}: set partitions = {partitions} \
             everywhere before the first batch, or make a new topic",
            settings.partitions
        ));
    }
    let mut check = |key: &str, right: &str, remedy: &str, fits: &dyn Fn(&str) -> bool| {
        let found = value(key).unwrap_or("");
        if !fits(found) {
            lines.push(format!(
                "topic {topic} has {key} = {found:?}, expected {right}: kafka-configs.sh --alter \
                 --topic {topic} --add-config {key}={remedy}"
            ));
        }
    };
    let number = |text: &str| text.parse::<i64>().unwrap_or(0);
    check("cleanup.policy", "delete", "delete", &|found| found == "delete");
    check("message.timestamp.type", "CreateTime", "CreateTime", &|found| found == "CreateTime");
    check("max.message.bytes", "at least 1000000", MESSAGE_BYTES, &|found| {
        number(found) >= MESSAGE_BYTES_MIN
    });
    check("retention.ms", "at least 86400000 (a day), or -1", RETENTION_MS, &|found| {
        number(found) == -1 || number(found) >= RETENTION_MS_MIN
    });
    lines
}

/// Waits for an answer on this thread. The library's own time limit ends it.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Bell(Thread);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Bell(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return answer;
        }
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Security;

    fn check(found: &[(&str, &str)], partitions: usize, expect: &[&str]) {
        let settings = Settings {
            brokers: "kafka:9092".to_owned(),
            topic: "batches".to_owned(),
            group: "g".to_owned(),
            partitions: 4,
            security: Security::Plaintext,
            login: None,
        };
        let good = [
            ("cleanup.policy", "delete"),
            ("message.timestamp.type", "CreateTime"),
            ("max.message.bytes", "1048588"),
            ("retention.ms", "604800000"),
        ];
        let value = |key: &str| {
            found.iter().chain(&good).find(|(name, _)| *name == key).map(|(_, value)| *value)
        };
        let lines = violations(&settings, partitions, value);
        assert_eq!(lines.len(), expect.len(), "{lines:?}");
        for (line, expect) in lines.iter().zip(expect) {
            assert!(line.contains(expect) && line.contains("topic batches"), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn each_violation_is_a_line() {
        check(&[], 4, &[]);
        check(&[("retention.ms", "-1"), ("max.message.bytes", "1000000")], 4, &[]);
        check(&[], 5, &["5 partitions, expected 4"]);
        check(&[("cleanup.policy", "compact,delete")], 4, &["cleanup.policy = \"compact,delete\""]);
        check(&[("message.timestamp.type", "LogAppendTime")], 4, &["message.timestamp.type"]);
        check(&[("max.message.bytes", "999999")], 4, &["max.message.bytes = \"999999\""]);
        check(&[("retention.ms", "86399999")], 4, &["retention.ms = \"86399999\""]);
        check(
            &[("retention.ms", ""), ("cleanup.policy", "")],
            1,
            &["1 partitions", "cleanup.policy", "retention.ms"],
        );
    }

    #[test]
    fn only_what_no_waiting_mends_is_final() {
        let (missing, busy) = (Code::UnknownTopicOrPartition, Code::RequestTimedOut);
        assert!(matches!(not_described("batches", missing), KafkaError::MissingTopic(_)));
        for code in [busy, Code::CoordinatorNotAvailable, Code::BrokerTransportFailure] {
            assert!(not_described("batches", code).is_retryable(), "{code}");
        }
        for code in [busy, Code::NotController, Code::InvalidReplicationFactor] {
            assert!(not_created("batches", code).is_retryable(), "{code}");
        }
        let denied = Code::TopicAuthorizationFailed;
        for error in [not_described("batches", denied), not_created("batches", denied)] {
            assert!(matches!(error, KafkaError::Forbidden(_)), "{error}");
        }
        assert!(matches!(not_created("batches", Code::PolicyViolation), KafkaError::Topic(_)));
    }

    #[test]
    fn an_answer_from_another_thread_is_waited_for() {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let ringer = std::thread::spawn(move || receiver.recv().unwrap().wake());
        let mut is_first = true;
        let answer = wait(std::future::poll_fn(|context| {
            if std::mem::take(&mut is_first) {
                sender.send(context.waker().clone()).unwrap();
                Poll::Pending
            } else {
                Poll::Ready(7)
            }
        }));
        assert_eq!(answer, 7);
        ringer.join().unwrap();
    }
}
