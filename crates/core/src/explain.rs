//! What would be kept of a text: the answers of `headcount explain` that need no network.
//!
//! What it is not: a second policy. Every answer comes from the same rules that judge a hit.
//!
//! What surprises: a campaign is asked for as `key=value`, and a key that is not read answers
//! `(dropped)`. Addresses are explained by the collector, the only crate that reads them.

use crate::campaign::{CampaignValue, read};
use crate::rules::SiteRules;

/// What is kept of a page's address.
pub fn page(rules: &SiteRules, text: &str) -> String {
    rules.page(text).to_string()
}

/// What is kept of a referrer.
pub fn source(rules: &SiteRules, text: &str) -> String {
    rules.source(text).to_string()
}

/// What is kept of a clicked link.
pub fn click(rules: &SiteRules, text: &str) -> String {
    rules.target(text).to_string()
}

/// What is kept of one `key=value` of a query.
pub fn utm(rules: &SiteRules, text: &str) -> String {
    match read(text) {
        Some((_, value)) => CampaignValue::sanitise(value, rules.pages()).to_string(),
        None => "(dropped)".to_owned(),
    }
}

/// What is kept of an event's name.
pub fn event(rules: &SiteRules, text: &str) -> String {
    rules.event(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PagePolicy;
    use crate::site::SiteHost;

    fn rules() -> SiteRules {
        let host = SiteHost::parse("example.com").unwrap();
        let events = vec!["download_pdf".to_owned()];
        SiteRules::new(host, vec![], PagePolicy::standard(), events).unwrap()
    }

    #[test]
    fn golden_values_row_for_row() {
        let table = include_str!("../../../tests/golden/example_values.tsv");
        let rules = rules();
        let mut rows = 0;
        for row in table.lines().skip(1) {
            let columns: Vec<_> = row.split('\t').collect();
            let [kind, input, expected, reason] = columns[..] else { panic!("{row}") };
            let explain = match kind {
                "source" => source,
                "click" => click,
                "utm" => utm,
                "event" => event,
                "ip" | "client" => continue,
                _ => panic!("{row}"),
            };
            assert_eq!(explain(&rules, input), expected, "{kind} {input}: {reason}");
            rows += 1;
        }
        assert_eq!(rows, 14);
    }

    #[test]
    fn golden_pages_row_for_row() {
        let table = include_str!("../../../tests/golden/example_urls.tsv");
        let rules = rules();
        for row in table.lines().skip(1) {
            let columns: Vec<_> = row.split('\t').collect();
            let [input, expected, reason] = columns[..] else { panic!("{row}") };
            assert_eq!(page(&rules, input), expected, "{input}: {reason}");
        }
        assert_eq!(table.lines().count(), 61);
    }
}
