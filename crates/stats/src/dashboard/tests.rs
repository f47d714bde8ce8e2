//! The page as a reader's browser gets it.
//!
//! What it is not: a browser. It looks at the markup.
//!
//! What surprises: the payloads stand in every place where a name can: pages, links, the filter.

use headcount_store::question::Books;

use crate::tests::fake::{Fake, NOW};
use crate::tests::routes::{cookie, send};

/// Names that try to leave their place in the markup.
const PAYLOADS: [&str; 24] = [
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)//",
    "</title><script>alert(1)</script>",
    "</textarea><svg onload=alert(1)>",
    "</svg><script>alert(1)</script>",
    "<svg><style><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "' autofocus onfocus='alert(1)",
    "\" style=\"background:url(//evil.example)",
    "<style>@import'//evil.example'</style>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "{{ 7*7 }}{% raw %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!--",
    "-->",
    "]]>",
    "<math><mtext></form><form action=//evil.example>",
];

async fn page(fake: &Fake, path: &str) -> String {
    let stats = fake.stats();
    let session = cookie(&stats).await;
    let got = send(&stats, &format!("GET {path}"), &[("cookie", &session)], "").await;
    assert_eq!(got.status.as_u16(), 200, "{}", got.text);
    got.text
}

/// The tags of a page, without its text.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).filter_map(|part| part.split('>').next()).collect()
}

/// The names of a tag's attributes, with quoted values left out.
fn attributes(tag: &str) -> String {
    tag.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn check_markup(html: &str) {
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("<script src=\"/assets/dashboard-"));
    for tag in tags(html) {
        let attributes = attributes(tag).to_ascii_lowercase();
        assert!(!attributes.contains(" on"), "event handler in <{tag}>");
        assert!(!attributes.contains(" style="), "inline style in <{tag}>");
        for wrong in ["style", "base ", "iframe", "img", "object", "embed", "math", "meta http"] {
            assert!(!tag.to_ascii_lowercase().starts_with(wrong), "<{tag}>");
        }
        for link in ["href=\"", "src=\"", "action=\""] {
            if let Some((_, rest)) = tag.split_once(link) {
                let local = rest.starts_with('/') && !rest.starts_with("//");
                assert!(local || rest.starts_with("#numbers\""), "leaves the dashboard: <{tag}>");
            }
        }
    }
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let plain = page(&Fake::default(), "/").await;
    check_markup(&plain);
    for payload in PAYLOADS {
        let names = vec![payload.to_owned(); 5];
        let html = page(&Fake { names, ..Fake::default() }, "/").await;
        check_markup(&html);
        assert_eq!(tags(&html).len(), tags(&plain).len(), "{payload} made or broke a tag");
    }
}

#[tokio::test]
async fn a_hostile_filter_stays_text() {
    let plain = page(&Fake::default(), "/?page=/x").await;
    for payload in PAYLOADS {
        let path = super::period::href("/", &[("page", payload), ("period", payload)]);
        let html = page(&Fake::default(), &path).await;
        check_markup(&html);
        let path = super::period::href("/", &[("page", payload), ("from", payload)]);
        check_markup(&page(&Fake::default(), &path).await);
        let path = super::period::href("/", &[("page", payload)]);
        assert_eq!(tags(&page(&Fake::default(), &path).await).len(), tags(&plain).len());
    }
}

#[tokio::test]
async fn the_page_says_what_it_knows() {
    let html = page(&Fake::default(), "/?period=day").await;
    for part in [
        "Today, 21 Nov 2026 (UTC)",
        "data-live=\"true\"",
        "Views and visitors by hour",
        "Books balanced, checked at 12:03 UTC.",
        "3 values with fewer than 5 visitors are in (other).",
        "10 of 342 rows.",
        "Sweden",
        "The browser asked for privacy (Global Privacy Control).",
        "Error of visitors: restarts today: 1; at most 0.4 % too low.",
        "18\u{202f}204",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("role=\"alert\""));
    for (path, bucket) in [("/", "day"), ("/?period=30d", "day"), ("/?period=12mo", "month")] {
        assert!(
            page(&Fake::default(), path).await.contains(&format!("visitors by {bucket}<")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn books_that_do_not_balance_are_an_alarm() {
    let books = Some(Books { audit_delta: 3, tiled: false, checked_at: NOW - 86_400 });
    let html = page(&Fake { books, ..Fake::default() }, "/").await;
    assert!(html.contains("role=\"alert\""));
    assert!(
        html.contains("counts and ledger differ by 3. A batch is missing or was applied twice.")
    );
    assert!(html.contains("Checked at 12:03 UTC on 20 Nov 2026."));
    let html = page(&Fake { books: None, ..Fake::default() }, "/").await;
    assert!(html.contains("The books have not been checked yet."));
}

#[tokio::test]
async fn odd_addresses_get_a_page_with_a_reason() {
    for (path, part) in [
        ("/?period=nope", "That period is not known."),
        ("/?from=x", "from is not a date"),
        ("/?from=2026-11-05&to=2026-11-01", "must not be after"),
        ("/?from=2020-01-01&to=2026-11-01", "Counts from before 22 Nov 2025 are not kept."),
        ("/?to=2019-01-01", "the oldest day that is kept"),
        ("/?from=2026-11-01&to=2027-11-01", "1 Nov 2026 to 1 Nov 2027"),
        ("/?page=/prices", "Only the page"),
        ("/?site=&period=&page=", "That period is not known."),
        ("/?site=example.org&site=example.org", "15 Nov 2026 to 21 Nov 2026"),
    ] {
        assert!(page(&Fake::default(), path).await.contains(part), "{path}");
    }
    let old = page(&Fake::default(), "/?from=2026-10-01&to=2026-10-02").await;
    assert!(!old.contains("data-live"), "only today is asked for again");
    assert!(old.contains("aria-label=\"Later\"") && old.contains("aria-label=\"Earlier\""));
}
