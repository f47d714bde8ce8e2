//! Records of a Kafka topic: any bytes get an answer, and what is read is written the same.
//!
//! What it is not: a check of the batch inside; `batch` is that.
//!
//! What surprises: the layout has no freedom, so every value that is read comes back byte by byte.

#![no_main]

use headcount_transport::Record;
use headcount_transport::wire::parse_value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match parse_value(bytes) {
        Ok((id, batch)) => {
            assert!(id.seq > 0 && !batch.is_empty());
            let record = Record { id, partition: 0, payload: batch.to_vec() };
            assert_eq!(record.to_value(), bytes);
        }
        Err(error) => assert_eq!(error.is_future(), bytes.first().is_some_and(|b| *b > 1)),
    }
});
