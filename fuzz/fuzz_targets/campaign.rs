//! Campaign values: any text gets an answer, and a kept value is kept again.
//!
//! What it is not: a check of the query's shape; see `query`.
//!
//! What surprises: the form of a kept value is checked here once more, by hand.

#![no_main]

use std::sync::LazyLock;

use headcount_core::campaign::CampaignValue;
use headcount_core::page::PagePolicy;
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<PagePolicy> = LazyLock::new(PagePolicy::standard);

fuzz_target!(|raw: &str| {
    let kept = CampaignValue::sanitise(raw, &POLICY);
    let text = kept.as_str();
    if text != CampaignValue::NONE && text != CampaignValue::REDACTED {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b" _.-".contains(&b);
        assert!(text.len() <= 40 && text.bytes().all(inner), "{text}");
        assert_eq!(CampaignValue::sanitise(text, &POLICY), kept);
    }
});
