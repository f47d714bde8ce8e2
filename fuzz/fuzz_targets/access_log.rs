//! Lines of access logs: any bytes get an answer.
//!
//! What it is not: a check of what is kept of them; the sanitisers have targets of their own.
//!
//! What surprises: one target for all formats, because a line says itself which one it has.

#![no_main]

use headcount_collector::beacon_fuzz::log_line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    std::hint::black_box(log_line(bytes));
});
