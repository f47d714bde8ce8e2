//! How long a topic keeps its records, as the broker says.
//!
//! What it is not: what makes a topic fit. One that keeps too much carries batches well; whoever looks
//! after promises asks here.
//!
//! What surprises: Kafka deletes a segment when the newest record in it is old enough. So a record
//! stays the retention and as long as its segment was written to.

use std::time::Duration;

use rdkafka::consumer::BaseConsumer;

use super::{END_PATIENCE, ask_partitions, dispose, read_config};
use crate::kafka::client::Faults;
use crate::kafka::{KafkaError, Settings};

/// Days that a topic made by Headcount keeps a record at most: the retention and one segment.
pub const LIFE_DAYS_MAX: u64 = 8;
/// Milliseconds in a day.
const DAY_MS: u64 = 86_400_000;

/// How long a topic keeps records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// `retention.ms`; `None` is for ever.
    pub retention_ms: Option<u64>,
    /// `segment.ms`: how long one segment is written to.
    pub segment_ms: u64,
    /// `message.timestamp.after.max.ms`: how far ahead of the broker's clock a record may be; `None` is
    /// any time, or a broker that does not know the setting.
    pub ahead_ms: Option<u64>,
}

impl Life {
    /// Of the settings that a broker tells.
    fn of<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |key: &str| value(key).and_then(|text| text.parse::<i64>().ok());
        let limited = |key: &str| number(key).and_then(|ms| u64::try_from(ms).ok());
        Self {
            retention_ms: limited("retention.ms"),
            segment_ms: limited("segment.ms").unwrap_or(u64::MAX),
            ahead_ms: limited("message.timestamp.after.max.ms")
                .filter(|ms| i64::try_from(*ms) != Ok(i64::MAX)),
        }
    }

    /// Days after which a record is gone, at most; `None` is for ever.
    pub fn days_max(self) -> Option<u64> {
        Some(self.retention_ms?.saturating_add(self.segment_ms).div_ceil(DAY_MS))
    }

    /// What it keeps beyond [`LIFE_DAYS_MAX`], in words with the settings that say so.
    pub fn excess(self) -> Option<String> {
        let Self { retention_ms, segment_ms, .. } = self;
        match (self.days_max(), retention_ms) {
            (Some(days), _) if days <= LIFE_DAYS_MAX => None,
            (Some(days), Some(retention_ms)) => Some(format!(
                "keeps records for up to {days} days (retention.ms = {retention_ms}, segment.ms = \
                 {segment_ms}), and {LIFE_DAYS_MAX} are enough"
            )),
            _ => Some("keeps records for ever (retention.ms = -1)".to_owned()),
        }
    }

    /// Whether a record from a clock that is wrong by more than a day is taken. Its segment then stays
    /// as much longer as it is ahead.
    pub fn takes_the_future(self) -> bool {
        self.ahead_ms.is_none_or(|ms| ms > DAY_MS)
    }
}

/// How long the topic keeps records.
///
/// # Errors
/// [`KafkaError`] with one line that says why it is not told; nobody waits longer than `patience` for a
/// broker that does not answer.
pub fn life(settings: &Settings, patience: Duration) -> Result<Life, KafkaError> {
    let consumer: BaseConsumer<Faults> =
        settings.client()?.create_with_context(Faults::default())?;
    let partitions = ask_partitions(&consumer, settings, patience);
    dispose(consumer, END_PATIENCE);
    if partitions?.is_none() {
        return Err(KafkaError::MissingTopic(settings.topic.clone()));
    }
    let config = read_config(settings)?;
    Ok(Life::of(|key| config.get(key)?.value.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(retention: &str, segment: &str, ahead: Option<&str>) -> Life {
        Life::of(|key| match key {
            "retention.ms" => Some(retention),
            "segment.ms" => Some(segment),
            _ => ahead,
        })
    }

    #[test]
    fn a_record_stays_the_retention_and_a_segment() {
        let (week, day) = ("604800000", "86400000");
        assert_eq!(of(week, day, None).days_max(), Some(8));
        assert_eq!(of(week, day, None).excess(), None);
        assert_eq!(of("-1", day, None).days_max(), None);
        let said = of("-1", day, None).excess().unwrap();
        assert!(said.contains("for ever") && said.contains("retention.ms = -1"), "{said}");
        // Kafka's own defaults: a week, and segments of a week.
        let said = of(week, week, None).excess().unwrap();
        assert!(said.contains("14 days") && said.contains("segment.ms = 604800000"), "{said}");
        assert!(of(week, "86400001", None).excess().is_some());
        assert!(of("", "", None).excess().is_some(), "what is not told is no limit");
        assert!(of("9223372036854775807", week, None).excess().is_some());
    }

    #[test]
    fn a_clock_that_is_ahead_keeps_records_longer() {
        let future = |ahead| of("604800000", "86400000", ahead).takes_the_future();
        assert!(!future(Some("3600000")) && !future(Some("86400000")));
        assert!(future(Some("9223372036854775807")) && future(Some("86400001")) && future(None));
    }
}
