//! What the texts say, and leave unsaid, where a sentence that is true of most settings would be false.
//!
//! What it is not: the bindings; those are in `tests.rs`.
//!
//! What surprises: ids are looked for, not words. The words are read by a person, in the golden files.

use super::*;

/// The ids of the sentences of a text, and the text.
fn said(kind: Kind, changes: &[(&str, &str)], lang: Lang) -> (BTreeSet<String>, String) {
    let document = Document::make(kind, &facts(&settings(changes)), lang).unwrap();
    let ids = document.lines().map(|line| line.id.clone()).collect();
    let texts: Vec<&str> = document.lines().map(|line| line.text.as_str()).collect();
    (ids, texts.join("\n"))
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
