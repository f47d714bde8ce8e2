//! Sources by example.
//!
//! What it is not: about hosts; see `host`.
//!
//! What surprises: nothing.

use proptest::prelude::*;

use super::*;

fn own(hosts: &[&str]) -> SiteDomains {
    let hosts: Vec<_> = hosts.iter().map(|host| SiteHost::parse(host).unwrap()).collect();
    SiteDomains::new(&hosts)
}

fn check(raw: &str, site: &[&str], expect: &str) {
    assert_eq!(Source::sanitise(raw, &own(site)).as_str(), expect, "{raw} for {site:?}");
}

#[test]
fn one_word_or_domain_for_every_referrer() {
    for (raw, expect) in [
        ("", "(direct)"),
        (" \n", "(direct)"),
        ("android-app://com.google.android.gm/", "(app)"),
        ("iOS-App:x", "(app)"),
        ("about:blank", "(other)"),
        ("example.org", "(other)"),
        ("//example.org", "(other)"),
        ("http:example.org", "(other)"),
        ("HTTPS:\\\\example.org\\x", "example.org"),
        ("https://", "(other)"),
        ("https:///x", "(other)"),
        ("https://eva:pw@mail.example.org:8443/inbox?u=eva#x", "example.org"),
        ("https://example.org?x@example.net", "example.org"),
        ("ht\ntps://exam\tple.org", "example.org"),
        ("http://127.0.0.1:80/", "(ip)"),
        ("http://2130706433", "(ip)"),
        ("http://0x7f000001/", "(ip)"),
        ("http://[::1]/", "(ip)"),
        ("http://localhost:3000", "(private)"),
        ("http://wiki", "(private)"),
        ("http://printer.home.arpa.", "(private)"),
        ("https://0f1e2d3c4b5a.com", "(other)"),
        ("https://x.0f1e2d3c4b5a.com", "(other)"),
        ("https://0f1e2d3c4b5a.example.org", "example.org"),
        ("https://abcdefabcdef.com", "abcdefabcdef.com"),
        ("https://my-0f1e2d3c4b5a.com", "(other)"),
        ("https://ghij1klmn2opqrs3.com", "(other)"),
        ("https://ghijklmnopqrst12.com", "ghijklmnopqrst12.com"),
        ("https://co.uk/", "(other)"),
        ("https://räksmörgås.se/", "xn--rksmrgs-5wao1o.se"),
        ("https://shop.example.com", "(internal)"),
        ("https://example.co.uk", "(internal)"),
    ] {
        check(raw, &["www.example.com", "example.co.uk"], expect);
    }
}

#[test]
fn own_hosts_come_first() {
    check("http://localhost:8080/", &["localhost"], "(internal)");
    check("http://127.0.0.1:8080/", &["127.0.0.1"], "(internal)");
    check("http://127.0.0.2:8080/", &["127.0.0.1"], "(ip)");
    check("http://[::1]/", &["[::1]"], "(internal)");
    check("http://a.lan/", &["b.lan"], "(private)");
    check("http://co.uk/", &["co.uk"], "(internal)");
    check("http://a.co.uk/", &["co.uk"], "a.co.uk");
    check("http://0f1e2d3c4b5a.com/", &["0f1e2d3c4b5a.com"], "(internal)");
    check("http://eva.github.io/", &["adam.github.io"], "(internal)");
}

proptest! {
    #[test]
    fn kept_domains_are_kept_again(
        raw in prop_oneof![any::<String>(), "https?://[a-z0-9@:.\\[\\]%åß/=-]{0,40}"],
    ) {
        let own = own(&["example.com"]);
        let kept = Source::sanitise(&raw, &own);
        let clean = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.()".contains(&b);
        prop_assert!(kept.as_str().bytes().all(clean));
        if !kept.as_str().starts_with('(') {
            prop_assert_eq!(&Source::sanitise(&format!("https://{kept}"), &own), &kept);
        }
    }
}
