//! Beacons: any body and any query gets an answer.
//!
//! What it is not: a check of what is kept of them; the sanitisers have targets of their own.
//!
//! What surprises: it calls the request path's own private parsers.

#![no_main]

use headcount_collector::beacon_fuzz::{body, query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    std::hint::black_box(body(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        std::hint::black_box(query(text));
    }
});
