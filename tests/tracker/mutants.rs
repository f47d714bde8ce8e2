//! The tracker with one mistake, again and again: each must be seen by a story of `tracker.rs`.
//!
//! What it is not: a part of every test run. Two mistakes are tried unless more are asked for, with
//! `HEADCOUNT_TEST_TRACKER_MUTANTS=99`.
//!
//! What surprises: a mistake is made in the source as people read it, and that is what the browser
//! is given. So the stories hold for the source too, and not only for what terser made of it.

use super::{Said, visit};
use crate::asked::asked;
use crate::server::Server;

const SOURCE: &str = include_str!("../../crates/collector/assets/tracker/headcount.src.js");

/// What breaks, the kind of site that shows it, what is replaced and by what.
const MUTANTS: [(&str, &str, &str, &str); 43] = [
    ("prerendered pages", "ahead", "page.prerendering ||", ""),
    ("pages that come back", "back", "event.persisted |", ""),
    ("activation", "ahead", " prerenderingchange", ""),
    ("control", "wishes", "me.globalPrivacyControl ||", ""),
    ("track", "track", "me.doNotTrack > 0 ||", ""),
    ("consent", "consent", "data.wait ??", ""),
    ("the word for consent", "consent", " headcount'", "'"),
    ("the same path", "app", "event.persisted | counted != (counted =", "(counted ="),
    ("pushState", "app", " pushState", ""),
    ("replaceState", "app", " replaceState", ""),
    ("popstate", "app", " popstate", ""),
    ("arguments of the history", "app", "method.apply(past, args)", "method.call(past, args[0])"),
    ("where the next view comes from", "app", ", r = place.origin", ""),
    ("every fragment", "app", "'hash' in data ? '$1' : ''", "'$1'"),
    ("fragments that are no route", "hash", r"(\/[^?]*)|.", "(.*)|."),
    ("the query of a route", "hash", r"(\/[^?]*)|.", r"(\/.*)|."),
    ("the query", "static", r".replace(/(^.|\butm", r".replace(/(.|\butm"),
    ("campaign keys", "static", "utm_(source|medium|campaign)=", r"utm_\w+="),
    ("keys that end alike", "static", r"\butm", "utm"),
    ("the referrer's path", "static", ".split('/', 3).join`/`", ""),
    ("the right button", "static", "event.button < 2", "event.button < 3"),
    ("the middle button", "static", " auxclick", ""),
    (
        "handlers that stop a click",
        "static",
        "addEventListener(name, look, 1)",
        "addEventListener(name, look)",
    ),
    ("what is in a link", "static", ".closest?.('a,[data-headcount]')", ""),
    (
        "hosts that end alike",
        "static",
        "('.' + link.hostname).endsWith('.' + s)",
        "link.hostname.endsWith(s)",
    ),
    ("subdomains", "static", "('.' + link.hostname).endsWith('.' + s)", "link.hostname == s"),
    ("paths of other sites", "static", "link.host && link.origin", "link.host && link.href"),
    ("queries of downloads", "static", "&& link.pathname", "&& link.href"),
    ("mail addresses", "static", "link.host && link.origin", "link.href"),
    ("links within", "static", "link.matches(data.downloads)", "1"),
    (
        "downloads nobody asked for",
        "switches",
        "link.matches(data.downloads)",
        "link.matches('[href$=pdf]')",
    ),
    ("the switch of links", "switches", "data.noOutbound ??", ""),
    ("the switch of names", "switches", "data.noNamed ??", ""),
    ("cookies", "policy", "credentials: 'omit'", "credentials: 'include'"),
    ("the page's address", "policy", "referrer: '',", ""),
    ("requests that outlive the page", "policy", "keepalive: 1,", ""),
    (
        "a preflight",
        "policy",
        "keepalive: 1,",
        "keepalive: 1, headers: { 'content-type': 'application/json' },",
    ),
    ("another host", "policy", "new URL('hit', src)", "'http://other.example/hit'"),
    ("code out of text", "policy", "let me =", "eval('1'); let me ="),
    ("storage", "static", "let me =", "localStorage.x = 1; let me ="),
    ("a cookie of its own", "static", "let me =", "document.cookie = 'x=1'; let me ="),
    ("chance", "static", "c, e, s,", "c, e, s, i: Math.random(),"),
    ("errors of the page", "down", ".catch(look,", ".then(look,"),
];

#[test]
fn every_mistake_can_be_made_in_one_place() {
    for (name, _, from, _) in MUTANTS {
        assert_eq!(SOURCE.matches(from).count(), 1, "{name}: {from} is not in the source once");
    }
}

#[test]
fn every_mistake_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[limits]\nhits_per_prefix_per_minute = 0";
    let server = Server::start(folder.path(), settings, &[]);
    let script = folder.path().join("tracker.js");
    let tried = |kind: &str, text: &str| {
        std::fs::write(&script, text).unwrap();
        let profile = tempfile::tempdir().unwrap();
        visit(kind, &server, (folder.path(), profile.path()), Some(&script))
    };
    let mut right: Vec<(&str, Said)> = Vec::new();
    for (name, kind, from, to) in
        MUTANTS.into_iter().take(asked("HEADCOUNT_TEST_TRACKER_MUTANTS", 2))
    {
        if !right.iter().any(|(of, _)| *of == kind) {
            let said = tried(kind, SOURCE);
            assert!(said.is_whole, "{kind}: {}", said.text);
            right.push((kind, said));
        }
        let said = tried(kind, &SOURCE.replace(from, to));
        let same = right.iter().any(|(of, right)| *of == kind && *right == said);
        assert!(!same, "nobody sees: {name}\n{}", said.text);
    }
}
