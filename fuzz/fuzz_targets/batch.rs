//! Batches: any bytes get an answer, and a batch that is read is written and read the same.
//!
//! What it is not: a check of what a batch means.
//!
//! What surprises: other bytes may decode to the same batch (a long varint), so bytes are compared
//! only after the first writing.

#![no_main]

use headcount_core::batch::Batch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(batch) = Batch::decode(bytes) {
        let written = batch.encode();
        assert_eq!(Batch::decode(&written), Ok(batch.clone()));
        assert!(batch.totals().is_some());
        assert_eq!(batch.cells().count(), batch.len());
    }
});
