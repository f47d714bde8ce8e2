//! The audit's search: any bytes are looked into, packed or not, and a marker beside them is found.
//!
//! What it is not: a check of the packers; those are libraries.
//!
//! What surprises: the same bytes are read as a file of ClickHouse, whose name says so.

#![no_main]

use headcount_audit::search::Search;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut search = Search::new();
    search.text("word", "kanariesida");
    let file = [bytes, b"kanariesida"].concat();
    let look = search.look_into(&mut std::io::Cursor::new(&file), "data.bin", u64::MAX).unwrap();
    assert!(look.bytes >= file.len() as u64 && !look.hits.is_empty());
});
