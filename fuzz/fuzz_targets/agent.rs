//! Agent strings: any bytes become names of a closed list.
//!
//! What it is not: a check that the names are right.
//!
//! What surprises: the rules are the shipped ones, compiled once.

#![no_main]

use std::sync::LazyLock;

use headcount_collector::client::{ClientRules, browsers, systems};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<ClientRules> =
    LazyLock::new(|| ClientRules::load().expect("the shipped rules are tested"));

fuzz_target!(|agent: &[u8]| {
    let client = RULES.classify(agent);
    assert!(browsers().any(|name| name == client.family.browser) || client.family.browser == "other");
    assert!(systems().any(|name| name == client.family.os) || client.family.os == "other");
});
