//! The value of a Kafka record: which batch it is, and the batch.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version of this layout, 1 |
//! | 1..9 | collector, little endian |
//! | 9..17 | epoch, little endian |
//! | 17..25 | sequence number, little endian, from 1 |
//! | 25.. | an encoded [`headcount_core::batch::Batch`], with a version byte of its own |
//!
//! What it is not: a check of the batch. Whoever applies it decodes it.
//!
//! What surprises: a record has no key and no headers, and its timestamp is the full hour. All
//! that is known about a batch is in these bytes.

use headcount_core::batch::BatchId;
use thiserror::Error;

use crate::Record;

/// First byte of every value. A reader refuses what it does not know.
pub const RECORD_VERSION: u8 = 1;
/// Bytes before the batch.
const HEAD_BYTES: usize = 25;

/// Why bytes are not a record's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// No byte at all: someone deleted by key, or wrote nothing.
    #[error("empty record")]
    Empty,
    /// A version that this build does not read.
    #[error("record version {0} is not known here; upgrade the reader")]
    Version(u8),
    /// Ends before its batch begins.
    #[error("record is cut short: {0} bytes")]
    Short(usize),
    /// A sequence number of 0; they begin at 1.
    #[error("record has the sequence number 0")]
    Sequence,
}

impl WireError {
    /// Whether the same bytes may be readable later: only by a newer build.
    pub fn is_future(self) -> bool {
        match self {
            Self::Version(version) => version > RECORD_VERSION,
            Self::Empty | Self::Short(_) | Self::Sequence => false,
        }
    }
}

impl Record {
    /// The bytes that Kafka keeps.
    pub fn to_value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(HEAD_BYTES + self.payload.len());
        value.push(RECORD_VERSION);
        for number in [self.id.collector, self.id.epoch, self.id.seq] {
            value.extend_from_slice(&number.to_le_bytes());
        }
        value.extend_from_slice(&self.payload);
        value
    }
}

/// Reads what [`Record::to_value`] wrote: which batch, and its bytes.
///
/// # Errors
/// See [`WireError`].
pub fn parse_value(value: &[u8]) -> Result<(BatchId, &[u8]), WireError> {
    let (version, rest) = value.split_first().ok_or(WireError::Empty)?;
    if *version != RECORD_VERSION {
        return Err(WireError::Version(*version));
    }
    let short = WireError::Short(value.len());
    let (collector, rest) = number(rest).ok_or(short)?;
    let (epoch, rest) = number(rest).ok_or(short)?;
    let (seq, batch) = number(rest).ok_or(short)?;
    if batch.is_empty() {
        return Err(short);
    }
    if seq == 0 {
        return Err(WireError::Sequence);
    }
    Ok((BatchId { collector, epoch, seq }, batch))
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(id: (u64, u64, u64), payload: Vec<u8>) -> Record {
        let (collector, epoch, seq) = id;
        Record { id: BatchId { collector, epoch, seq }, partition: 3, payload }
    }

    proptest! {
        #[test]
        fn reads_what_was_written(
            collector: u64,
            epoch: u64,
            seq in 1u64..,
            payload in proptest::collection::vec(any::<u8>(), 1..200)
        ) {
            let record = record((collector, epoch, seq), payload);
            let value = record.to_value();
            prop_assert_eq!(parse_value(&value), Ok((record.id, &*record.payload)));
        }

        #[test]
        fn any_bytes_get_an_answer(bytes: Vec<u8>) {
            if let Ok((id, batch)) = parse_value(&bytes) {
                let again = Record { id, partition: 0, payload: batch.to_vec() };
                prop_assert_eq!(again.to_value(), bytes);
            }
        }

        #[test]
        fn a_cut_record_is_damage(cut in 1usize..=25) {
            let value = record((7, 8, 9), vec![1]).to_value();
            let error = parse_value(&value[..cut]).unwrap_err();
            prop_assert_eq!(error, WireError::Short(cut));
            prop_assert!(!error.is_future());
        }
    }

    #[test]
    fn the_layout_stands() {
        let mut expect = vec![1];
        expect.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
        expect.extend_from_slice(&[3, 1, 0, 0, 0, 0, 0, 0]);
        expect.extend_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0]);
        expect.extend_from_slice(b"batch");
        assert_eq!(record((2, 259, 4), b"batch".to_vec()).to_value(), expect);
    }

    #[test]
    fn tells_the_future_from_damage() {
        let mut value = record((1, 1, 1), vec![1]).to_value();
        value[0] = 2;
        assert_eq!(parse_value(&value), Err(WireError::Version(2)));
        assert!(WireError::Version(2).is_future());
        assert!(!WireError::Version(0).is_future());
        assert_eq!(parse_value(&[]), Err(WireError::Empty));
        let zero = record((1, 1, 0), vec![1]).to_value();
        assert_eq!(parse_value(&zero), Err(WireError::Sequence));
    }
}
