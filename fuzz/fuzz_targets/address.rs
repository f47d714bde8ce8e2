//! Client addresses and forwarding headers: any text gets a network or `(none)`.
//!
//! What it is not: a list of addresses; those are in the unit tests.
//!
//! What surprises: whatever goes in, only a network with its bits cut comes out.

#![no_main]

use headcount_collector::peer::{explain_client, explain_ip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for kept in [
        explain_ip(text),
        explain_client(&format!("peer=10.0.0.1 | trusted=10.0.0.0/8 | xff={text}")),
        explain_client(&format!("peer=10.0.0.1 | trusted=10.0.0.0/8 | forwarded={text}")),
        explain_client(text),
    ] {
        let cut = kept.ends_with(".0/24") || kept.ends_with("::/48") || kept.ends_with("/48");
        assert!(kept == "(none)" || cut, "{kept}");
    }
});
