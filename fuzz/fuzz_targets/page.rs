//! Pages: any text gets an answer, and sanitising it twice changes nothing.
//!
//! What it is not: a check of single rules; those have examples beside them.
//!
//! What surprises: the policy with an owner's additions runs on the same text, for templates and
//! known pages are where a second pass could see something else.

#![no_main]

use std::sync::LazyLock;

use headcount_core::page::{OwnerRules, PagePolicy};
use libfuzzer_sys::fuzz_target;

static POLICIES: LazyLock<[PagePolicy; 2]> = LazyLock::new(|| {
    let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let rules = OwnerRules {
        known_pages: list(&["/a/1234567", "/q", "/x/:id", "/a b"]),
        strong: list(&["artikel", "aa"]),
        weak: list(&["bb", "x"]),
        templates: list(&["/*", "/x/*", "/*/a", "/a/*/b/*", "/*/*", "/*/x/*"]),
    };
    let owner = PagePolicy::new(rules).expect("the rules above are valid");
    [PagePolicy::standard(), owner]
});

fuzz_target!(|raw: &str| {
    for policy in &*POLICIES {
        let once = policy.sanitise(raw);
        assert_eq!(policy.sanitise(once.as_str()), once);
        assert!(once.as_str().starts_with('/') && once.as_str().len() <= 2_048);
        let never = |c: char| c.is_control() || "@=?#;\\ \"<>^`{|}".contains(c);
        assert!(!once.as_str().contains(never), "{once}");
    }
});
