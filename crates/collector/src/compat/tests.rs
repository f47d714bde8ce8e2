//! What is read of each client's request, and what is not.

use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;
use proptest::prelude::*;

use super::*;
use crate::names::SiteId;
use crate::sites::SiteSetting;

const ID: &str = "0b0a1bdd-4a1b-4ad1-8f80-0d9c4c6ff1c5";

/// Two sites: example.org (7, and the UUID) with an alias, and example.net (8).
fn sites() -> SiteTable {
    let site = |host: &str, alias: &str, umami: Option<&str>, matomo| {
        let host = SiteHost::parse(host).unwrap();
        SiteSetting {
            rules: SiteRules::of_host(host.clone()),
            host,
            aliases: vec![SiteHost::parse(alias).unwrap()],
            umami_id: umami.map(str::to_owned),
            matomo_id: Some(matomo),
        }
    };
    SiteTable::new([
        (SiteId(1), site("example.org", "shop.example.org", Some(ID), 7)),
        (SiteId(2), site("example.net", "www2.example.net", None, 8)),
    ])
}

/// What a reading says, one word a field: `s=… p=…`.
fn shown(reading: Option<Reading<'_>>) -> String {
    let sites = sites();
    let beacon = match reading {
        None => return "malformed".into(),
        Some(Reading::Ping) => return "ping".into(),
        Some(Reading::Hit(said)) => said.into_beacon(&sites),
    };
    let Beacon { s, p, r, c, e, agent } = beacon;
    [("s", s), ("p", p), ("r", r), ("c", c), ("e", e), ("agent", agent)]
        .iter()
        .filter_map(|(name, text)| Some(format!("{name}={}", text.as_ref()?.0)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn check(read: impl Fn(&str) -> String, cases: &[(&str, &str)]) {
    for (raw, expect) in cases {
        assert_eq!(read(raw), *expect, "{raw}");
    }
}

#[test]
fn plausible_is_read() {
    check(
        |raw| shown(plausible::read(raw.as_bytes())),
        &[
            (
                r#"{"n":"pageview","u":"https://example.org/a?b#c","d":"example.org","r":null,"w":1,"h":0}"#,
                "s=example.org p=https://example.org/a?b#c",
            ),
            (
                r#" {"name":"Sign up!","url":"/a","domain":"nowhere, www.EXAMPLE.net ,example.org","props":{"x":1}}"#,
                "s=example.net p=/a e=sign_up",
            ),
            (
                r#"{"n":"Outbound Link: Click","u":"/a","d":"x.y,z","p":"{\"url\":\"https://b.c/d\"}","$":{}}"#,
                "s=x.y,z p=/a c=https://b.c/d",
            ),
            (
                r#"{"n":"File Download","u":"/a","p":{"url":"/b.pdf"},"r":"https://q.r/"}"#,
                "p=/a r=https://q.r/ c=/b.pdf",
            ),
            (
                r#"{"n":"File Download","u":"https://example.net/a"}"#,
                "s=example.net p=https://example.net/a e=file_download",
            ),
            (r#"{"n":"engagement","u":"/a","d":"example.org","sd":100,"e":4000}"#, "ping"),
            (r#"{"u":"/a","d":"example.org"}"#, "malformed"),
            (r#"{"n":"pageview","name":"pageview"}"#, "malformed"),
            (r#"["pageview"]"#, "malformed"),
            ("", "malformed"),
        ],
    );
}

#[test]
fn umami_is_read() {
    let known = format!(
        r#"{{"type":"event","payload":{{"website":"{}","url":"/a","referrer":"/b","title":"t"}}}}"#,
        ID.to_ascii_uppercase()
    );
    check(
        |raw| shown(umami::read(raw.as_bytes())),
        &[
            (&known, "s=example.org p=/a r=https://example.org/b"),
            (
                r#"{"type":"event","payload":{"website":"other","hostname":"WWW.example.net","url":"/a","referrer":"","name":"Go","data":{"url":"x"}}}"#,
                "s=example.net p=/a r= e=go",
            ),
            (
                r#"{"payload":{"website":"other","url":"https://shop.example.org/","name":"outbound-link-click","data":{"url":"https://b.c"}},"type":"event"}"#,
                "s=example.org p=https://shop.example.org/ c=https://b.c",
            ),
            (r#"{"type":"event","payload":{"website":"other","url":"/a","name":""}}"#, "p=/a"),
            (r#"{"type":"identify","payload":{"id":"x"}}"#, "ping"),
            (r#"{"type":"performance","payload":{"lcp":1}}"#, "ping"),
            (r#"{"type":"event"}"#, "malformed"),
            (r#"{"payload":{}}"#, "malformed"),
            ("1", "malformed"),
        ],
    );
}

#[test]
fn goatcounter_is_read() {
    check(
        |raw| shown(Some(goatcounter::read(raw))),
        &[
            (
                "p=%2Fa&r=https%3A%2F%2Fb.c%2F&t=T&s=1920,1080,1&b=0&rnd=x&p=/second",
                "p=/a r=https://b.c/",
            ),
            ("p=/a&q=%3Futm_source%3Dbrev", "p=/a?utm_source=brev"),
            ("p=/a%3Fb=1&q=%3Futm_source%3Dbrev", "p=/a?b=1"),
            ("p=https://example.net/a&q=x", "s=example.net p=https://example.net/a"),
            ("p=Sign%20up&e=true", "e=sign_up"),
            ("e=true", "e="),
            ("e=false&p=/a", "p=/a"),
            ("", ""),
        ],
    );
}

#[test]
fn matomo_is_read() {
    check(
        |raw| shown(matomo::read(raw)),
        &[
            (
                "?idsite=7&rec=1&url=https%3A%2F%2Fx.y%2Fa&urlref=https://b.c&_id=1&uid=2&ua=Agent+1&cip=1.2.3.4",
                "s=example.org p=https://x.y/a r=https://b.c agent=Agent 1",
            ),
            (
                "rec=1&idsite=9&url=http://example.net/?a=b",
                "s=example.net p=http://example.net/?a=b",
            ),
            ("/matomo.php?rec=1&idsite=x&url=/a&link=https://b.c/&ca=1", "p=/a c=https://b.c/"),
            ("rec=1&url=/a&download=/b.zip", "p=/a c=/b.zip"),
            ("rec=1&url=/a&e_c=Video+A&e_a=Play&e_n=Name&e_v=1&ca=1", "p=/a e=video_a:play"),
            ("rec=1&url=/a&e_c=Video", "p=/a"),
            ("rec=1&url=/a&search=word", "p=/a"),
            ("rec=1&url=/a&ping=1", "ping"),
            ("rec=1&url=/a&idgoal=0&ec_id=1", "ping"),
            ("rec=1&url=/a&c_n=banner&ca=1", "ping"),
            ("idsite=7&url=/a", "malformed"),
            ("rec=0", "malformed"),
        ],
    );
}

#[test]
fn matomo_comes_in_queries_forms_and_batches() {
    let check = |query: &str, body: &[u8], expect: &[&str]| {
        let parts = match matomo::requests(query, body) {
            Ok(matomo::Requests::One(one)) => vec![one.into_owned()],
            Ok(matomo::Requests::Many(many)) => {
                many.iter().map(|one| one.0.clone().into_owned()).collect()
            }
            Ok(matomo::Requests::TooMany(count)) => vec![format!("{count} are too many")],
            Err(rejection) => vec![rejection.as_str().to_owned()],
        };
        assert_eq!(parts, expect, "{query}");
    };
    check("a=1", b"", &["a=1"]);
    check("", b"a=1\r\n", &["a=1"]);
    check("a=1", b"b=2", &["a=1&b=2"]);
    check("x=1", br#"{"requests":["?a=1","?b=2"],"token_auth":"t"}"#, &["?a=1", "?b=2"]);
    // As in Matomo, an object says what a query says; what is neither is one that is invalid.
    check(
        "",
        br#"{"requests":["?a=1",{"rec":1,"idsite":"7","url":"https://x.y/?a=b&c","uid":"anna",
        "ua":["x"],"ca":true},7,null,[1],{"cip":"1.2.3.4"}]}"#,
        &[
            "?a=1",
            "rec=1&idsite=7&url=https%3A%2F%2Fx%2Ey%2F%3Fa%3Db%26c&ua=&ca=1&",
            "",
            "",
            "",
            "",
        ],
    );
    check("", br#"{"requests":{"a":1}}"#, &["not_matomo"]);
    check("", b"\xff", &["not_matomo"]);
    let batch = |n: usize| format!(r#"{{"requests":[{}]}}"#, vec!["\"?\""; n].join(","));
    check("", batch(101).as_bytes(), &["101 are too many"]);
    check("", batch(100).as_bytes(), &["?"; 100]);
    assert!(matomo::wants_image("a=1&send_image=1") && !matomo::wants_image("send_image=0"));
}

#[test]
fn only_what_was_asked_for_is_answered() {
    let all = Client::NAMES.iter().fold(Compat::default(), |all, (_, client)| all.with(*client));
    let paths = [
        ("/api/event", Client::Plausible),
        ("/api/send", Client::Umami),
        ("/count", Client::Goatcounter),
        ("/matomo.php", Client::Matomo),
        ("/piwik.php", Client::Matomo),
    ];
    for (path, client) in paths {
        assert_eq!(Compat::default().at(path), None);
        assert_eq!(all.at(path), Some(client));
        assert_eq!(Compat::default().with(client).at(path), Some(client));
        let others = Client::NAMES.iter().filter(|(_, other)| *other != client);
        let others = others.fold(Compat::default(), |all, (_, other)| all.with(*other));
        assert_eq!(others.at(path), None, "{path}");
    }
    assert_eq!(all.at("/api/v2/query"), None);
}

#[test]
fn event_names_have_one_spelling() {
    for (raw, name) in [
        ("signup", "signup"),
        ("Sign up", "sign_up"),
        ("  Köp nu – 2! ", "k_p_nu_2"),
        ("a:b.c-1", "a:b.c-1"),
        ("!!!", ""),
        ("_a_", "_a_"),
        ("A_", "a"),
        ("", ""),
    ] {
        assert_eq!(event_name(raw), name, "{raw}");
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes: Vec<u8>, query in "\\PC{0,80}") {
        shown(plausible::read(&bytes));
        shown(umami::read(&bytes));
        shown(Some(goatcounter::read(&query)));
        shown(matomo::read(&query));
        prop_assert!(matomo::requests(&query, query.as_bytes()).is_ok() || is_object_like(&query));
    }

    /// What has no field of ours changes nothing, whatever is in it.
    #[test]
    fn other_fields_change_nothing(
        key in "[A-Z][a-zA-Z_]{0,12}",
        value in "\\PC{0,40}",
        number: i64,
    ) {
        let text = serde_json::to_string(&value).unwrap();
        let extra = format!("\"{key}\":{{\"{key}\":[{text},{number},null]}}");
        let body = |more: &str| format!(r#"{{{more}"n":"pageview","u":"/a","d":"example.org"}}"#);
        prop_assert_eq!(
            shown(plausible::read(body(&format!("{extra},")).as_bytes())),
            shown(plausible::read(body("").as_bytes()))
        );
        let body = |more: &str| {
            format!(r#"{{"type":"event"{more},"payload":{{"hostname":"example.org","url":"/a"{more}}}}}"#)
        };
        prop_assert_eq!(
            shown(umami::read(body(&format!(",{extra}")).as_bytes())),
            shown(umami::read(body("").as_bytes()))
        );
        let value: String = value.chars().filter(|c| *c != '&').collect();
        let pair = format!("{key}={value}&");
        prop_assert_eq!(
            shown(Some(goatcounter::read(&format!("{pair}p=/a&{pair}r=x")))),
            shown(Some(goatcounter::read("p=/a&r=x")))
        );
        prop_assert_eq!(
            shown(matomo::read(&format!("rec=1&{pair}url=/a&idsite=7"))),
            shown(matomo::read("rec=1&url=/a&idsite=7"))
        );
    }

    /// An object of a batch says what it has, whatever that is, and nothing else of it.
    #[test]
    fn an_object_is_read_as_a_query(
        url in "\\PC{1,40}",
        link in "\\PC{1,40}",
        other in "\\PC{0,40}",
    ) {
        let object = serde_json::json!({
            "cip": other, "idsite": 7, "link": link, "rec": "1", "title": [other], "url": url,
        });
        let body = serde_json::json!({ "requests": [object, { "uid": other }] }).to_string();
        let Ok(matomo::Requests::Many(many)) = matomo::requests("", body.as_bytes()) else {
            return Err(TestCaseError::fail("no batch"));
        };
        prop_assert_eq!(
            shown(matomo::read(&many[0].0)),
            format!("s=example.org p={url} c={link}")
        );
        prop_assert_eq!(shown(matomo::read(&many[1].0)), "malformed");
    }

    /// A name that was spelled for a declaration is spelled so already.
    #[test]
    fn a_spelling_is_its_own(raw in "\\PC{0,60}") {
        let once = event_name(&raw).into_owned();
        prop_assert_eq!(event_name(&once).into_owned(), once.clone());
    }
}

fn is_object_like(text: &str) -> bool {
    text.trim_start().starts_with('{')
}
