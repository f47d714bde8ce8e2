//! Click targets and events: any text gets an answer, and kept pages and domains are kept again.
//!
//! What it is not: a check of pages or sources alone; they have targets of their own.
//!
//! What surprises: a target that is a page must be the page that the same text gives.

#![no_main]

use std::sync::LazyLock;

use headcount_core::page::PagePolicy;
use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<SiteRules> = LazyLock::new(|| {
    let host = SiteHost::parse("www.example.com").expect("a host");
    SiteRules::new(host, Vec::new(), PagePolicy::standard(), vec!["download_pdf".to_owned()])
        .expect("the event is well formed")
});

fuzz_target!(|raw: &str| {
    let kept = RULES.target(raw);
    let text = kept.as_str();
    assert!(!text.contains(|c: char| c.is_control() || "@=?# ".contains(c)), "{text}");
    if text.starts_with('/') {
        assert_eq!(RULES.page(raw).as_str(), text);
        assert_eq!(RULES.target(text), kept);
    }
    if let Some(domain) = text.strip_prefix("ext:").filter(|domain| !domain.starts_with('(')) {
        assert_eq!(RULES.target(&format!("//{domain}")), kept);
    }
    let event = RULES.event(raw);
    assert!(event.as_str() == raw || event.as_str() == "(other)");
});
