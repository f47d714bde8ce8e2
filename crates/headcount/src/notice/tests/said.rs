//! What the texts say, and leave unsaid, where a sentence that is true of most settings would be false.
//!
//! What it is not: the bindings; those are in `tests.rs`.
//!
//! What surprises: ids are looked for, not words. The words are read by a person, in the golden files.

use std::sync::{Arc, Mutex};

use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use headcount_store::control::{Control, Published};

use super::*;

/// The ids of the sentences of a text, and the text.
fn said(kind: Kind, changes: &[(&str, &str)], lang: Lang) -> (BTreeSet<String>, String) {
    let document = Document::make(kind, &facts(&settings(changes)), lang).unwrap();
    let ids = document.lines().map(|line| line.id.clone()).collect();
    let texts: Vec<&str> = document.lines().map(|line| line.text.as_str()).collect();
    (ids, texts.join("\n"))
}

/// What a control file says was published of example.org: the least and the largest epsilon of its days,
/// in thousandths; nothing of an empty text.
pub(super) fn published_as(epsilons: &str) -> published::All {
    static MADE: Mutex<BTreeMap<String, published::All>> = Mutex::new(BTreeMap::new());
    let Some((least, most)) = epsilons.split_once(' ') else { return published::All::default() };
    let mut made = MADE.lock().unwrap();
    if let Some(all) = made.get(epsilons) {
        return Arc::clone(all);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut control = Control::open(&dir.path().join("control.db")).unwrap();
    for (day, epsilon) in [(Day(7), least), (Day(8), most)] {
        let drawn = Published { day, visitors: 1, epsilon: epsilon.parse().unwrap() };
        control.publish(&SiteHost::parse("example.org").unwrap(), &[drawn]).unwrap();
    }
    let all = published::all(&control).unwrap();
    made.insert(epsilons.to_owned(), Arc::clone(&all));
    all
}

/// Holds which sentences of a notice and of an answer are there, and which are not.
fn check(changes: &[(&str, &str)], there: &[&str], not_there: &[&str]) {
    let mut ids = BTreeSet::new();
    for kind in KINDS {
        ids.extend(said(kind, changes, Lang::Sv).0);
    }
    for id in there {
        assert!(ids.contains(*id), "{id} is missing with {changes:?}");
    }
    for id in not_there {
        assert!(!ids.contains(*id), "{id} is there with {changes:?}");
    }
}

#[test]
fn what_a_wish_does_is_said_of_each_way_to_be_counted() {
    let edge = ["optout.signal", "address.key", "rights.article11", "dsar.objection", "dsar.more"];
    let log = ["optout.log", "request.log_read", "rights.article11_log", "dsar.log", "breach.log"];
    check(&[], &edge, &log);
    let only = ["request.read", "address.direct", "address.rate", "optout.number", "checked.own"];
    let silent = [&only[..], &edge, &["optout.signal_sent"]].concat();
    check(&[("notice.tracker", "\"log\"")], &log, &silent);
    let both = [&log[..], &only, &["optout.signal_sent", "address.key"]].concat();
    let wrong = ["optout.signal", "rights.article11", "dsar.objection", "limits.provider"];
    check(&[("notice.imports_logs", "true")], &both, &wrong);
}

#[test]
fn what_other_tools_scripts_do_is_not_promised() {
    let ours = ["device.nothing", "device.script", "optout.script", "request.script"];
    check(&[], &ours, &["device.compat", "device.matomo", "request.compat"]);
    for lang in Lang::ALL {
        let all = ("compat", "[\"plausible\", \"umami\", \"goatcounter\", \"matomo\"]");
        let (ids, text) = said(Kind::Notice, &[all], lang);
        assert!(ids.contains("device.matomo") && ours.iter().all(|id| !ids.contains(*id)));
        let or = words(lang).format("or");
        let tools = format!("Plausible, Umami, GoatCounter {or} Matomo");
        assert!(text.contains(&tools), "{text}");
    }
    check(&[("compat", "[\"umami\"]")], &["device.compat"], &["device.matomo", "device.nothing"]);
    // The pixel counts no clicks; another tool's script does.
    let pixel = ("notice.tracker", "\"pixel\"");
    check(&[pixel], &["short.pixel"], &["stored.clicks", "dsar.clicks"]);
    check(&[pixel, ("compat", "[\"umami\"]")], &["stored.clicks", "dsar.clicks"], &["short.pixel"]);
}

#[test]
fn small_values_are_owned_up_to() {
    let never = [("k_day", "1")];
    let open = ["limits.small", "breach.file_small", "stored.k_day"];
    let kept = ["limits.small_all", "breach.file_small_all"];
    check(&[], &open, &kept);
    check(&never, &kept, &open);
    check(
        &[("k", "1")],
        &["limits.small_shown", "breach.file_small_all"],
        &["stored.k", "limits.small"],
    );
    let (_, sheet) = said(Kind::Breach, &never, Lang::En);
    assert!(!sheet.contains("not closed") && sheet.contains("Of every day"), "{sheet}");
    let cluster = [("kafka.brokers", "[\"k:1\"]"), ("clickhouse.url", "\"http://c:1\"")];
    let one = ["limits.topic_one", "breach.topic_one", "stored.crowd_one_topic", "dsar.topic_one"];
    let many = ["limits.topic", "breach.topic_guess"];
    check(&cluster, &many, &one);
    check(&[&cluster[..], &[("crowd", "1")]].concat(), &one, &many);
    check(&[("crowd", "1")], &["stored.crowd_one"], &one);
}

#[test]
fn an_answer_to_a_person_tells_purpose_receivers_and_every_time() {
    let with = [
        ("notice.recipients_sv", "\"tryckeriet\""),
        ("notice.purpose_sv", "\"att välja ämnen\""),
        ("kafka.brokers", "[\"k:1\"]"),
        ("clickhouse.url", "\"http://c:1\""),
    ];
    let (ids, text) = said(Kind::Dsar, &with, Lang::Sv);
    for part in
        ["tryckeriet", "att välja ämnen", "365 dagar", "30 dagar", "inom en vecka", "7 dagar"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    for id in ["dsar.visitors", "dsar.refused", "place.edge", "rights.list"] {
        assert!(ids.contains(id), "{id}");
    }
    assert!(!text.contains("Alla antal"), "no time is said to be the last of all: {text}");
}

#[test]
fn what_owners_added_to_the_policy_is_printed_for_their_site_alone() {
    let added = [
        // A page's name claims nothing.
        ("sites.pages", concat!("[\"/anony", "mous-tips\", \"/artikel/*\"]")),
        ("sites.strong_words", "[\"avtal\"]"),
        ("sites.weak_words", "[\"rum\", \"sal\"]"),
    ];
    let facts = facts(&settings(&added));
    let notice = |facts: &Facts| -> String {
        let document = Document::make(Kind::Notice, facts, Lang::En).unwrap();
        document.lines().map(|line| line.text.clone() + "\n").collect()
    };
    let ours = notice(&facts);
    for part in ["mous-tips.\n", "/artikel/*.\n", "“settings”: avtal.\n", "digit: rum, sal.\n"]
    {
        assert!(ours.contains(part), "{part}: {ours}");
    }
    for sites in [Vec::new(), vec!["example.net".to_owned()]] {
        let of_nobody = sites.is_empty();
        let others = facts.of_sites(sites);
        assert_eq!(others.hash(), facts.hash());
        let others = notice(&others);
        assert!(!others.contains("artikel") && !others.contains("avtal"), "{others}");
        assert_eq!(others.contains("For some sites we have listed"), of_nobody);
    }
    let several = facts.of_sites(vec!["example.org".to_owned(), "example.net".to_owned()]);
    assert!(notice(&several).contains("digit: example.org: rum, sal.\n"));
    let pages: Vec<String> = (0..207).map(|n| format!("\"/sida{n}\"")).collect();
    let many = format!("[{}]", pages.join(", "));
    let facts = super::facts(&settings(&[("sites.pages", &many)]));
    let long = notice(&facts);
    assert!(long.contains("/sida199 and 7 more.\n") && !long.contains("/sida200"), "{long}");
}

#[test]
fn what_was_published_is_told_with_its_noise() {
    let ids = ["receivers.published", "receivers.published_odds", "receivers.published_limits"];
    let all = [&ids[..], &["place.published", "breach.published"]].concat();
    check(&[], &[], &all);
    check(&[(published::KEY, "500 500")], &all, &["receivers.published_some"]);
    for (epsilons, lang, parts) in [
        (
            "500 500",
            Lang::En,
            ["epsilon 0.5; 95 of 100 days are within 6 of", "more than 1.65 times"],
        ),
        (
            "500 500",
            Lang::Sv,
            ["epsilon 0,5; 95 av 100 dygn ligger högst 6 ", "mer än 1,65 gånger"],
        ),
        (
            "100 1000",
            Lang::En,
            ["epsilon 0.1 to 1; at least 95 of 100 days are within 30 of", "2.72"],
        ),
        (
            "10000 10000",
            Lang::Sv,
            ["epsilon 10; 95 av 100 dygn ligger högst 0 ", "22026,47 gånger"],
        ),
    ] {
        for kind in [Kind::Notice, Kind::Dsar] {
            let (_, text) = said(kind, &[(published::KEY, epsilons)], lang);
            for part in parts {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}

#[test]
fn what_was_published_is_told_of_its_site_alone() {
    let facts = facts(&settings(&[(published::KEY, "500 500")]));
    let notice = |sites: &[&str]| {
        let facts = facts.of_sites(sites.iter().map(|site| (*site).to_owned()).collect());
        assert_ne!(facts.hash(), facts.clone().publishing(published::All::default()).hash());
        let document = Document::make(Kind::Notice, &facts, Lang::En).unwrap();
        document.lines().map(|line| line.text.clone() + "\n").collect::<String>()
    };
    let others = notice(&["example.net"]);
    assert!(!others.contains("publish"), "{others}");
    let nobody = notice(&[]);
    assert!(nobody.contains("Of some sites we publish") && !nobody.contains("0.5"), "{nobody}");
    assert!(!nobody.contains("example.org:"), "who is counted is nobody's business: {nobody}");
    let both = notice(&["example.net", "example.org"]);
    assert!(both.contains("noise; example.org: epsilon 0.5"), "{both}");
}

#[test]
fn totals_of_other_tools_are_told_as_theirs() {
    let ids = ["stored.totals", "dsar.totals", "breach.totals", "breach.file_totals"];
    check(&[], &[], &ids);
    let tools = ("notice.imports_totals", "[\"matomo\", \"plausible\", \"umami\"]");
    check(&[tools], &ids, &["breach.file_imports"]);
    let (_, text) = said(Kind::Notice, &[tools], Lang::Sv);
    assert!(text.contains("tagit över antal från Plausible, Umami och Matomo: "), "{text}");
    let (_, text) = said(Kind::Notice, &[("notice.imports_totals", "[\"umami\"]")], Lang::En);
    assert!(text.contains("taken over counts from Umami: "), "{text}");
}

#[test]
fn a_thief_of_each_place_is_told_of() {
    let cluster = [("kafka.brokers", "[\"k:1\"]"), ("clickhouse.url", "\"http://c:1\"")];
    let file = ["breach.file", "breach.file_pages", "breach.file_last", "limits.pages"];
    let server = ["breach.topic_pages", "breach.clickhouse_inserts", "breach.clickhouse_pages"];
    let everywhere = ["breach.control", "breach.token", "breach.metrics", "breach.people"];
    check(&[], &[&file[..], &everywhere].concat(), &server);
    check(
        &cluster,
        &[&server[..], &everywhere, &["limits.topic_pages", "limits.small_topic"]].concat(),
        &file[..3],
    );
    check(&[("notice.imports_logs", "true")], &["breach.file_imports"], &["breach.file_totals"]);
    // Names wait for three visitors there.
    check(
        &[("preset", "\"strict\"")],
        &["stored.admission"],
        &["breach.file_pages", "limits.pages"],
    );
}

#[test]
fn what_the_owner_adds_is_said() {
    let more = [
        ("notice.cookie_authority", "\"Post- och telestyrelsen (PTS)\""),
        ("notice.audit_report", "\"https://example.org/granskning\""),
    ];
    let ids = ["rights.cookies", "checked.report"];
    check(&[], &["who.processor"], &ids);
    check(&[&more[..], &[("notice.processor", "\"\"")]].concat(), &ids, &["who.processor"]);
    let (_, text) = said(Kind::Notice, &more, Lang::Sv);
    for part in
        ["hör till Post- och telestyrelsen (PTS).", "kontrollen: https://example.org/granskning."]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}
