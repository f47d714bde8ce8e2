//! The text policy at work: this build's sanitiser over its examples and over the markers of this audit,
//! and how often the policy took something of what is counted.
//!
//! What it is not: a counter on the way of a hit. `/metrics` tells each hit as it is counted, so a number
//! for each rule would tell of that very visitor that an e-mail address stood in his page.
//!
//! What surprises: how often is read from the counts. They keep where something was taken (`:id`,
//! `(redacted)`), and of which rule it was they do not know.

use std::time::Duration;

use headcount_audit::evidence::{Scrubbed, Taken};
use headcount_audit::marker::Markers;
use headcount_audit::report::{Control, Status};
use headcount_collector::peer;
use headcount_core::explain;
use headcount_core::page::PagePolicy;
use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;
use headcount_store::clickhouse::Reader;
use headcount_store::{StoreError, shape, sqlite};

use super::{Audit, requests};
use crate::cluster;
use crate::notice::Mode;

/// The name of the check.
const NAME: &str = "the text policy";
/// Pages: input, what is kept, and the rule with `keep:` or `redact:` before it.
const PAGES: &str = include_str!("../../../../tests/golden/example_urls.tsv");
/// Kind, input, what is kept, and the rule.
const VALUES: &str = include_str!("../../../../tests/golden/example_values.tsv");
/// The site and the event of the examples.
const SITE: &str = "example.com";
const EVENT: &str = "download_pdf";
/// How long ClickHouse may look.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A group of texts: what they are, and whether they are to be kept.
type Group = (String, &'static str);

/// The sanitiser over examples and markers, in groups, and whether all came out as they should.
pub(super) fn scrubbed(markers: &Markers) -> (Vec<Scrubbed>, Control) {
    let mut found = Vec::new();
    let status = match rules() {
        Some(rules) => {
            PAGES.lines().skip(1).for_each(|row| page(&rules, row, &mut found));
            VALUES.lines().skip(1).for_each(|row| value(&rules, row, &mut found));
            marked(&rules, markers, &mut found);
            let is_right = found.iter().all(|it| it.right == it.texts);
            if is_right { Status::Passed } else { Status::Failed }
        }
        None => Status::NotTested,
    };
    let [texts, right] = [|it: &Scrubbed| it.texts, |it: &Scrubbed| it.right]
        .map(|number| found.iter().map(number).sum::<u64>());
    let said = format!("{right} of {texts} examples and markers came out as they should");
    (found, Control { name: NAME.to_owned(), status, said, needed: true })
}

fn rules() -> Option<SiteRules> {
    let host = SiteHost::parse(SITE).ok()?;
    SiteRules::new(host, Vec::new(), PagePolicy::standard(), vec![EVENT.to_owned()]).ok()
}

fn page(rules: &SiteRules, row: &str, found: &mut Vec<Scrubbed>) {
    let mut columns = row.split('\t');
    let [Some(input), Some(expected), Some(reason)] = [(); 3].map(|()| columns.next()) else {
        return;
    };
    let (want, rule) = match reason.split_once(": ") {
        Some(("keep", rule)) => ("keep", rule),
        Some((_, rule)) => ("redact", rule),
        None => ("redact", reason),
    };
    let is_right = explain::page(rules, input) == expected;
    note(found, ("pages".to_owned(), want), rule, is_right);
}

fn value(rules: &SiteRules, row: &str, found: &mut Vec<Scrubbed>) {
    let mut columns = row.split('\t');
    let [Some(kind), Some(input), Some(expected), Some(rule)] = [(); 4].map(|()| columns.next())
    else {
        return;
    };
    let is_right = kept(rules, kind, input).as_deref() == Some(expected);
    note(found, (named(kind).to_owned(), "keep or redact"), rule, is_right);
}

/// Texts with markers in them: nothing of a marker may be kept.
fn marked(rules: &SiteRules, markers: &Markers, found: &mut Vec<Scrubbed>) {
    let search = markers.search();
    for (kind, text) in requests::texts(markers) {
        let kept = kept(rules, kind, &text);
        let is_right = kept.is_some_and(|kept| search.within(kept.as_bytes()).is_empty());
        let group = (format!("markers in {}", named(kind)), "redact");
        note(found, group, "", is_right);
    }
}

/// What is kept of a text, by the words of `headcount explain`.
fn kept(rules: &SiteRules, kind: &str, text: &str) -> Option<String> {
    Some(match kind {
        "page" => explain::page(rules, text),
        "source" => explain::source(rules, text),
        "click" => explain::click(rules, text),
        "utm" => explain::utm(rules, text),
        "event" => explain::event(rules, text),
        "ip" => peer::explain_ip(text),
        "client" => peer::explain_client(text),
        _ => return None,
    })
}

fn named(kind: &str) -> &str {
    match kind {
        "page" => "pages",
        "source" => "sources",
        "click" => "click targets",
        "utm" => "campaign values",
        "event" => "event names",
        "ip" | "client" => "client addresses",
        other => other,
    }
}

fn note(found: &mut Vec<Scrubbed>, (kind, want): Group, rule: &str, is_right: bool) {
    let known = found.iter().position(|it| it.kind == kind && it.want == want);
    let at = known.unwrap_or_else(|| {
        found.push(Scrubbed { kind, want: want.to_owned(), ..Scrubbed::default() });
        found.len() - 1
    });
    let it = &mut found[at];
    it.texts += 1;
    it.right += u64::from(is_right);
    if !rule.is_empty() && !it.rules.iter().any(|known| known == rule) {
        it.rules.push(rule.to_owned());
    }
    if !is_right {
        it.wrong.push(if rule.is_empty() { "a marker was kept" } else { rule }.to_owned());
    }
}

/// How often the policy took something of the counts that can be read.
pub(super) fn taken(audit: &Audit<'_>) -> (Vec<Taken>, String) {
    let (store, found) = match audit.mode {
        Mode::Embedded => {
            let path = audit.config.data_dir.join(sqlite::FILE_NAME);
            (sqlite::FILE_NAME, shape::taken(&path).map_err(|it| it.to_string()))
        }
        Mode::Cluster => ("ClickHouse", of_clickhouse(audit)),
    };
    let row = |shape::Taken { kind, hits, parts, whole }| {
        let word = match kind.as_str() {
            "click" => "click targets and event names",
            other => named(other),
        };
        Taken { store: store.to_owned(), kind: word.to_owned(), hits, parts, whole }
    };
    match found {
        Ok(found) => (found.into_iter().map(row).collect(), String::new()),
        Err(why) => (Vec::new(), format!("Not tested: {store}: {why}")),
    }
}

fn of_clickhouse(audit: &Audit<'_>) -> Result<Vec<shape::Taken>, String> {
    let settings = cluster::clickhouse(audit.config).map_err(|error| format!("{error:#}"))?;
    let look = || Reader::with_timeout(&settings, TIMEOUT)?.taken();
    look().map_err(|error: StoreError| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn markers() -> Markers {
        let mut state = 1_u8;
        let Ok(markers) = Markers::draw(|| {
            state = state.wrapping_mul(5).wrapping_add(77);
            Ok::<_, Infallible>(state)
        });
        markers
    }

    #[test]
    fn examples_and_markers_come_out_as_they_should() {
        let (found, control) = scrubbed(&markers());
        assert_eq!(control.status, Status::Passed, "{found:?}");
        let texts = |kind: &str, want: &str| {
            found.iter().find(|it| it.kind == kind && it.want == want).unwrap().texts
        };
        assert_eq!(texts("pages", "keep") + texts("pages", "redact"), 60);
        assert_eq!(texts("client addresses", "keep or redact"), 4);
        for (kind, number) in [("pages", 9), ("sources", 4), ("campaign values", 5)] {
            let kind = format!("markers in {kind}");
            assert_eq!(texts(&kind, "redact"), number, "{kind}");
        }
        let redact = found.iter().find(|it| it.kind == "pages" && it.want == "redact").unwrap();
        assert!(redact.rules.iter().any(|rule| rule == "e-mail"), "{redact:?}");
    }

    #[test]
    fn what_comes_out_otherwise_is_named() {
        let (rules, mut found) = (rules().unwrap(), Vec::new());
        page(&rules, "/a/eva@example.org\t/a/eva@example.org\tkeep: nobody", &mut found);
        value(&rules, "click\tmailto:eva@example.org\tmailto\tscheme only", &mut found);
        value(&rules, "nothing\tx\tx\tno such kind", &mut found);
        let wrong: Vec<_> = found.iter().map(|it| (it.right, it.wrong.concat())).collect();
        let expected =
            [(0, "nobody".to_owned()), (1, String::new()), (0, "no such kind".to_owned())];
        assert_eq!(wrong, expected);
    }
}
