//! The policy for pages as a whole: sanitising twice changes nothing, for any text.
//!
//! What it is not: the rules by example; they stand beside each rule.
//!
//! What surprises: the pieces are chosen to hurt. Random text alone never meets most rules.

use proptest::prelude::*;

use super::*;

/// Fragments that mean something to a rule, or to the ones after it.
const PIECES: &[&str] = &[
    "/",
    "//",
    "/../",
    "/./",
    "\\",
    "..",
    ".",
    "%2e",
    "%252e",
    "\u{2025}",
    "\u{2024}",
    ";",
    "?",
    "#",
    " ",
    "%20",
    "%",
    "%25",
    "%2525",
    "41",
    "%41",
    "%2541",
    "%252541",
    "%FF",
    "%C3%B6",
    "%2F",
    "%5c",
    "%00",
    "\u{1}",
    "\u{85}",
    "%7F",
    "\t",
    "@",
    "%40",
    "%2540",
    "(at)",
    "[AT]",
    "{at}",
    "~",
    "=",
    "%3D",
    ":",
    "::",
    ":id",
    "id",
    "nr",
    "-",
    "_",
    "+",
    ",",
    "(",
    ")",
    "\"",
    "<",
    ">",
    "^",
    "`",
    "{",
    "|",
    "}",
    "é",
    "e\u{200d}\u{301}",
    "\u{301}",
    "\u{30c}",
    "\u{ad}",
    "\u{200b}",
    "\u{feff}",
    "٠٧٠",
    "٣",
    "７",
    "\u{1d7ce}",
    "\u{116da}",
    "ﬁ",
    "İ",
    "ß",
    "ẞ",
    "Σ",
    "\u{fdfa}",
    "\u{ff05}",
    "\u{ff0f}",
    "\u{fe6b}",
    "a",
    "aa",
    "bb-cc-dd-",
    "tre-sma-grisar-",
    "Möte",
    "日本",
    "x",
    "h264",
    ".html",
    ".x",
    ".mp3",
    "users",
    "user",
    "q",
    "sök",
    "Profil",
    "new",
    "kund",
    "order",
    "faktura",
    "kvitto",
    "id-5",
    "104",
    "7",
    "0",
    "00",
    "031",
    "+46",
    "765 43 21",
    "2025-03-09",
    "9.3.2025",
    "20250309",
    "19770228",
    "19770230",
    "770228-0123",
    "1234567",
    "123456789",
    "1234567890",
    "4000-0566",
    "1914-1918",
    "12 34 56 78",
    "198.51.100.7",
    "2001:db8::1",
    "fe80::",
    "00:1a:2b:3c:4d:5e",
    "57.70887,11.97456",
    "131052-308T",
    "ab123456c",
    "cve-2014-0160",
    "cve-",
    "c0ffee00-1111-4222-8333-444455556666",
    "c0ffee00-1111-4222-8333-",
    "0f1e2d3c4b5a",
    "a1b2c3d4e5",
    "ghijklmnopqrstuvwxyzghijklmnopqrstuvwxyzgh",
    "eyJ",
    "eyJhIjoxMjM0NX0",
    "ghp_",
    "AKIA",
    "SG.",
    "0123456789",
    "ZXZhQGV4YW1wbGUub3Jn",
    "dQw4w9WgXcQ",
    "mailto:",
    "tel:",
    "http:",
    "https://h",
    "artikel",
    "1",
    "\u{e9}1234567",
];

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "%[0-9a-fA-F]{2}",
        1 => "[0-9a-zA-Z -]{1,12}",
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn owners() -> PagePolicy {
    let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let rules = OwnerRules {
        known_pages: list(&["/h264/1234567", "/a", "/q", "/x/:id"]),
        strong: list(&["artikel", "aa"]),
        weak: list(&["bb", "x"]),
        templates: list(&["/*", "/x/*", "/*/a", "/a/*/h264/*", "/*/*", "/*/x/*"]),
    };
    PagePolicy::new(rules).unwrap()
}

fn check(policy: &PagePolicy, raw: &str) -> Result<(), TestCaseError> {
    let once = policy.sanitise(raw);
    let twice = policy.sanitise(once.as_str());
    prop_assert_eq!(&once, &twice, "{:?}", raw);
    prop_assert!(once.as_str().starts_with('/') && once.as_str().len() <= PAGE_BYTES_MAX);
    let forbidden =
        |c: char| c.is_control() || matches!(c, '@' | '=' | '?' | '#' | ';' | '\\' | ' ' | '"');
    prop_assert!(!once.as_str().contains(forbidden), "{:?} gave {:?}", raw, once);
    Ok(())
}

#[test]
fn issue_free_corners_stay_as_they_are() {
    let policy = PagePolicy::standard();
    for (raw, page) in [
        ("/%2541", "/A"),
        ("/100%25", "/100%25"),
        ("/a%25zz", "/a%25zz"),
        ("/a%2525zz", "/a%25zz"),
        ("/%25252541", "/:id"),
        ("/aa-bb-cc-1234567\u{30c}", "/:id"),
        ("/aa-bb-cc-1234567.html", "/aa-bb-cc-:id.html"),
        ("/users/:id", "/users/:id"),
        ("/:invalid", "/:invalid"),
        ("/users/%FF/eva", "/users/:id/eva"),
        ("/users/users/eva", "/users/:id/:id"),
        ("/new/profile/new", "/new/profile/new"),
        ("/search/sök/x", "/search/sök/:id"),
        ("/PROFILE/Eva", "/PROFILE/:id"),
        ("/profil%C2%ADe/eva", "/profile/:id"),
        ("/kund/a.mp3", "/kund/a.mp3"),
        ("/kund/٣", "/kund/:id"),
        ("/1/2/3/4/5/6/7/8/9/10", "/1/2/3/4/5/6/7/8/9/10"),
        ("/1/2/3/4/5/6/7/8/9/10/users/x", "/1/2/3/4/5/6/7/8/9/10/:id"),
        ("/a\"<>^`{|}b", "/a%22%3C%3E%5E%60%7B%7C%7Db"),
        ("/x/std::vec", "/x/std::vec"),
    ] {
        assert_eq!(policy.sanitise(raw).as_str(), page, "{raw}");
        assert_eq!(policy.sanitise(page).as_str(), page, "{raw} twice");
    }
}

#[test]
fn pages_longer_than_an_address_are_invalid() {
    let long = format!("/{}", vec!["\"".repeat(119); 10].join("/"));
    assert!(long.len() < PAGE_BYTES_MAX);
    assert_eq!(PagePolicy::standard().sanitise(&long), Page::invalid());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn sanitising_twice_changes_nothing(raw in nasty()) {
        check(&PagePolicy::standard(), &raw)?;
        check(&owners(), &raw)?;
    }

    #[test]
    fn any_text_gets_an_answer(raw: String) {
        check(&PagePolicy::standard(), &raw)?;
        check(&PagePolicy::standard(), &format!("/{raw}"))?;
    }
}
