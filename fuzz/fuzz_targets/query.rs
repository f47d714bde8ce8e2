//! Queries: three keys are read and nothing else.
//!
//! What it is not: a check of the values; see `campaign`.
//!
//! What surprises: the check removes every pair that is not read and demands the same answer.

#![no_main]

use std::sync::LazyLock;

use headcount_core::campaign::{Campaign, CampaignKey};
use headcount_core::page::PagePolicy;
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<PagePolicy> = LazyLock::new(PagePolicy::standard);

fuzz_target!(|query: &str| {
    let whole = Campaign::of_query(query, &POLICY);
    let is_read = |pair: &&str| {
        CampaignKey::ALL.iter().any(|key| pair.split('=').next() == Some(key.as_str()))
    };
    let read: Vec<&str> = query.split('&').filter(is_read).collect();
    assert_eq!(Campaign::of_query(&read.join("&"), &POLICY), whole);
    if !query.contains('#') {
        assert_eq!(Campaign::of_address(&format!("/a?{query}#utm_source=x"), &POLICY), whole);
    }
    assert_eq!(
        Campaign::of_address(&format!("/a#?{query}"), &POLICY),
        Campaign::of_query("", &POLICY)
    );
});
