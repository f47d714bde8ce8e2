//! Records as they are, with all that a broker keeps of them: for who looks for what should not be
//! there.
//!
//! What it is not: a reader of batches, or a member of a group; nothing is committed.
//!
//! What surprises: it reads up to the ends that the log had when it began, like [`super::cat()`].

use std::ops::ControlFlow;

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use super::cat::{Reading, reader};
use super::{KafkaError, Settings};

/// One record, raw.
pub struct RawRecord<'a> {
    /// The partition.
    pub partition: u32,
    /// CreateTime or LogAppendTime, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The key; ours have none.
    pub key: Option<&'a [u8]>,
    /// The headers; ours have none.
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
    /// The value, unpacked.
    pub value: &'a [u8],
}

/// Where each partition ends now.
///
/// # Errors
/// [`KafkaError`] if the topic cannot be reached.
pub fn ends(settings: &Settings) -> Result<Vec<i64>, KafkaError> {
    let reader = reader(settings)?;
    reader.partitions().map(|partition| Ok(reader.watermarks(partition)?.1)).collect()
}

/// Hands over every record from these offsets on, one for each partition.
///
/// # Errors
/// [`KafkaError`] if the topic cannot be read.
pub fn since(
    settings: &Settings,
    begin: &[i64],
    mut record: impl FnMut(&RawRecord<'_>),
) -> Result<(), KafkaError> {
    let reader = reader(settings)?;
    for (partition, begin) in reader.partitions().zip(begin) {
        let mut each = |message: &BorrowedMessage<'_>| {
            record(&raw(message));
            ControlFlow::Continue(())
        };
        let reading = Reading { partition, begin: *begin };
        if reader.partition(reading, &mut each)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn raw<'a>(message: &'a BorrowedMessage<'_>) -> RawRecord<'a> {
    let headers = message.headers();
    RawRecord {
        partition: u32::try_from(message.partition()).unwrap_or(0),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        headers: headers
            .map(|headers| headers.iter().map(|header| (header.key, header.value)).collect())
            .unwrap_or_default(),
        value: message.payload().unwrap_or_default(),
    }
}
