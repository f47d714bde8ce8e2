//! Sources: any text gets an answer, and a kept domain is kept again.
//!
//! What it is not: a check of the public suffix list; that has examples.
//!
//! What surprises: nothing but lower-case letters, digits, `-`, `_`, `.` and the brackets of a
//! word may come out, whatever goes in.

#![no_main]

use std::sync::LazyLock;

use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<SiteRules> =
    LazyLock::new(|| SiteRules::of_host(SiteHost::parse("www.example.com").expect("a host")));

fuzz_target!(|raw: &str| {
    for raw in [raw, &format!("https://{raw}")] {
        let kept = RULES.source(raw);
        let clean = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.()".contains(&b);
        assert!(!kept.as_str().is_empty() && kept.as_str().bytes().all(clean), "{kept}");
        if !kept.as_str().starts_with('(') {
            assert_eq!(RULES.source(&format!("https://{kept}")), kept);
        }
    }
});
