//! Other tools' trackers: any body and any query gets an answer, and what is not read changes none.
//!
//! What it is not: a check of what is kept; the sanitisers have targets of their own.
//!
//! What surprises: it calls the request path's own private parsers, on the same bytes for each.

#![no_main]

use headcount_collector::beacon_fuzz::{compat_bodies, compat_queries};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    std::hint::black_box(compat_bodies(bytes));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let said = compat_queries(text);
    assert_eq!(compat_queries(&format!("{text}&uid=7&_id=8&t=9&dimension1=10")), said);
});
