//! Bodies of the API: a question or a reason, and never two attributes.
//!
//! What it is not: a check of answers; the store's tests compare those with sums by hand.
//!
//! What surprises: the reason must not repeat what was sent.

#![no_main]

use headcount_core::time::Day;
use headcount_stats::query::date::Bounds;
use headcount_stats::query::parse::RawQuery;
use headcount_store::question::{By, Metric, TimeBucket};
use headcount_store::zone::Zone;
use libfuzzer_sys::fuzz_target;

const TODAY: Day = Day(20_778);

fuzz_target!(|body: &[u8]| {
    let bounds =
        Bounds { today: TODAY, oldest: TODAY.minus(364), first: None, zone: Zone::default() };
    let Ok(raw) = RawQuery::from_json(body) else { return };
    let Ok(site) = raw.site() else { return };
    match raw.plan(site, &bounds, 5) {
        Ok(plan) => {
            let question = plan.question;
            assert!(question.from <= question.to && question.from >= bounds.oldest);
            assert_eq!(question.k, 5);
            if let By::Attribute(_) = question.by {
                assert!(question.pages.is_empty() && question.time != Some(TimeBucket::Hour));
                assert!(!question.metrics.contains(&Metric::Clicks));
                let names = plan.dimensions.iter().filter(|known| {
                    known.as_str().starts_with("visit:") || known.as_str().starts_with("event:")
                });
                assert_eq!(names.count(), 1);
            }
        }
        Err(reason) => assert!(reason.to_string().len() < 1_000),
    }
});
