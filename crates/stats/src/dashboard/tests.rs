//! The page as a reader's browser gets it.
//!
//! What it is not: a browser. It looks at the markup.
//!
//! What surprises: the payloads stand in every place where a name can: pages, links, the filter.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headcount_store::question::{Books, Row, TimeBucket};

use crate::query::date::Range;
use crate::tests::fake::{Fake, NOW, SHARE, TOKEN};
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
    let names = vec!["/plain".to_owned(); 5];
    let plain = page(&Fake { names, ..Fake::default() }, "/").await;
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
        "Today, 21 Nov 2026",
        "data-live=\"true\"",
        "<span class=\"metric\">views</span> by hour",
        "Days and hours are those of UTC.",
        "the period before",
        "Books balanced, checked at 12:03 UTC.",
        "(other) holds 3 values with fewer than 5 visitors, so that nobody",
        "(other) holds pages beyond the limit",
        "aria-label=\"Pages: all 342\">All 342</a>",
        "<a href=\"/list?site=example.org&#38;by=source&#38;period=day\"",
        "Sweden",
        "The browser asked for privacy (Global Privacy Control).",
        "Error of visitors: restarts today: 1; at most 0.4 % too low.",
        "<polyline class=\"before\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("role=\"alert\""));
    for (path, bucket) in [("/", "day"), ("/?period=30d", "day"), ("/?period=12mo", "month")] {
        assert!(
            page(&Fake::default(), path).await.contains(&format!("views</span> by {bucket}<")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn only_a_running_period_is_compared_without_its_hour() {
    let html = page(&Fake::default(), "/?period=7d").await;
    assert!(
        html.contains("without its running hour it is compared with as many hours of the period")
    );
    let past = page(&Fake::default(), "/?from=2026-10-01&to=2026-10-07").await;
    assert!(!past.contains("compared with as many hours"));
}

#[tokio::test]
async fn a_running_period_is_compared_by_whole_hours() {
    // Ten views in each hour, and one in the running one, which is three minutes old.
    let mut backend = Fake::default().backend();
    let answer = Arc::clone(&backend.ask);
    let asked = Arc::new(AtomicUsize::new(0));
    let most = Arc::clone(&asked);
    backend.ask = Arc::new(move |question| {
        let mut answer = answer(question)?;
        if let Some(bucket) = question.time {
            let range = Range { from: question.from, to: question.to, narrowed: false };
            let hour = "2026-11-21T12:00:00Z";
            let labels = range.labels(bucket).into_iter().filter(|label| label.as_str() <= hour);
            let views = |label: &str| match bucket {
                TimeBucket::Hour => 10 - 9 * u64::from(label == hour),
                _ => 240 - 119 * u64::from(label == "2026-11-21"),
            };
            let row = |label: String| {
                let metrics = vec![views(&label); 4];
                Row { time: Some(label), names: vec![], metrics }
            };
            answer.rows = labels.map(row).collect();
            most.fetch_max(answer.rows.len(), Ordering::SeqCst);
        }
        Ok(answer)
    });
    let stats = Fake::default().stats_over(backend);
    let session = cookie(&stats).await;
    for (period, value, rows_max) in [
        ("period=day", "121", 48),
        ("period=7d", "1\u{202f}561", 14 * 24),
        ("period=yesterday", "240", 48),
        ("period=month", "4\u{202f}921", 52 * 24),
        ("from=2026-08-01&to=2026-11-21", "27\u{202f}001", 235),
    ] {
        let line = format!("GET /?{period}");
        asked.store(0, Ordering::SeqCst);
        let got = send(&stats, &line, &[("cookie", &session)], "").await;
        let rows = asked.load(Ordering::SeqCst);
        assert!(rows <= rows_max, "{rows} rows for {period}");
        let hour = if period == "period=day" { "without this hour: " } else { "" };
        let words = format!("{hour}as many as before");
        let shown = format!("<span class=\"value\">{value}</span><span class=\"change\">{words}<");
        assert!(
            got.text.contains(&shown),
            "{period}: {:?}",
            got.text.split("class=\"value\"").nth(1)
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

#[tokio::test]
async fn a_shared_link_is_rounded_read_only_and_needs_no_cookie() {
    let stats = Fake::default().stats();
    let get = async |path: &str| send(&stats, &format!("GET {path}"), &[], "").await;
    let home = format!("/share/{SHARE}");
    let got = get(&home).await;
    assert_eq!(got.status.as_u16(), 200);
    assert!(!got.headers.contains_key("set-cookie") && !got.text.contains("/signout"));
    check_markup(&got.text);
    // 12,345, 3,086 and 1,371 views; 10 is the threshold.
    for part in ["12\u{202f}340", "3\u{202f}080", "rounded to 10s"] {
        assert!(got.text.contains(part), "{part}");
    }
    assert!(!got.text.contains("ycombinator"), "the store was asked with k = 10");
    // Three values were folded, which is fewer than ten.
    assert!(got.text.contains("and there may be values with fewer than 10 visitors in it."));
    assert!(!got.text.contains("holds 3"));
    for link in got.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let own = link.starts_with(&home) || link.starts_with("/assets/") || link == "#numbers";
        assert!(own, "{link} leaves the shared view");
    }
    let export = format!("{home}/export.csv?site=example.org&by=page");
    let csv = get(&export).await.text;
    assert!(csv.contains("\"/\",\"12340\",\"6170\",\"4110\""), "{csv}");
    assert!(get(&export.replace(".csv", ".json")).await.text.contains("[12340,6170,4110]"));
    assert!(get(&format!("{home}/list?by=page")).await.text.contains("12\u{202f}340"));
    for (path, status) in [
        ("/share/nope".to_owned(), 401),
        ("/share/nope/list?by=page".to_owned(), 401),
        (format!("/share/{TOKEN}"), 401),
        (format!("{home}?site=other.example"), 404),
        (export.replace("example.org", "other.example"), 404),
    ] {
        let got = get(&path).await;
        assert_eq!(got.status.as_u16(), status, "{path}");
        assert!(!got.text.contains(TOKEN) && !got.text.contains("example.org"), "{path}");
    }
    let bearer = format!("Bearer {SHARE}");
    let line = "GET /api/v1/export.csv?site=example.org&by=page";
    assert_eq!(send(&stats, line, &[("authorization", &bearer)], "").await.status.as_u16(), 401);
    let form = format!("token={SHARE}");
    assert_eq!(send(&stats, "POST /signin", &[], &form).await.status.as_u16(), 401);
}

#[tokio::test]
async fn lists_are_searched_and_come_in_parts() {
    let names: Vec<String> = (0..250).map(|at| format!("/Seite-{at:03}")).collect();
    let many = Fake { names, ..Fake::default() };
    let first = page(&many, "/list?by=page").await;
    assert!(first.contains("1 to 100 of 250") && first.contains("rel=\"next\""));
    assert!(!first.contains("rel=\"prev\"") && !first.contains("/Seite-100"));
    let last = page(&many, "/list?by=page&at=3").await;
    assert!(last.contains("201 to 250 of 250") && !last.contains("rel=\"next\""));
    assert!(page(&many, "/list?by=page&at=99").await.contains("201 to 250"));
    assert!(page(&many, "/list?by=page&at=-1").await.contains("1 to 100"));
    let found = page(&many, "/list?by=page&search=SEITE-24").await;
    assert!(found.contains("1 to 10 of 10") && found.contains("value=\"SEITE-24\""));
    assert!(page(&many, "/list?by=page&search=nope").await.contains("Nothing to show."));
    assert!(page(&many, "/list?by=country&search=swed").await.contains("1 to 1 of 1"));
    for payload in PAYLOADS {
        let path = super::period::href(
            "/list",
            &[("by", "target"), ("search", payload), ("page", payload)],
        );
        check_markup(&page(&many, &path).await);
        let names = vec![payload.to_owned(); 5];
        check_markup(&page(&Fake { names, ..Fake::default() }, "/list?by=page").await);
    }
    let stats = many.stats();
    let session = cookie(&stats).await;
    for (path, status) in [("by=total", 404), ("by=refused", 404), ("by=nope", 400), ("", 400)] {
        let line = format!("GET /list?{path}");
        let got = send(&stats, &line, &[("cookie", &session)], "").await;
        assert_eq!(got.status.as_u16(), status, "{path}");
    }
    assert_eq!(send(&stats, "GET /list?by=page", &[], "").await.status.as_u16(), 401);
}

#[tokio::test]
async fn days_and_clocks_are_those_of_the_zone() {
    // 12:03 UTC is 01:03 of the next day there.
    let auckland = Fake { time_zone: "Pacific/Auckland", ..Fake::default() };
    let html = page(&auckland, "/?period=day").await;
    assert!(html.contains("Today, 22 Nov 2026") && html.contains("those of Pacific/Auckland."));
    assert!(html.contains("<th scope=\"row\">22 Nov 2026 00:00</th>"));
    assert!(html.contains("are kept by UTC day"));
    let india = Fake { time_zone: "Asia/Kolkata", ..Fake::default() };
    assert!(
        page(&india, "/?period=day").await.contains("<th scope=\"row\">21 Nov 2026 00:30</th>")
    );
    // The clocks went back on this day.
    let stockholm = Fake { time_zone: "Europe/Stockholm", ..Fake::default() };
    let long = page(&stockholm, "/?from=2026-10-25&to=2026-10-25").await;
    assert_eq!(long.matches("<th scope=\"row\">25 Oct 2026 02:00</th>").count(), 2);
}

#[tokio::test]
async fn every_metric_has_its_plot_and_its_period_before() {
    for metric in ["views", "visitors", "visits", "clicks"] {
        let html = page(&Fake::default(), &format!("/?period=30d&metric={metric}")).await;
        assert!(html.contains(&format!("<span class=\"metric\">{metric}</span> by day")));
        assert!(html.contains(&format!("{metric} before</th>")));
        assert_eq!(html.matches("aria-current=\"true\"").count(), 1);
        assert_eq!(html.matches("<polyline").count(), 2);
    }
    // A year and a month before: not kept.
    let year = page(&Fake::default(), "/?period=12mo").await;
    assert!(!year.contains("<polyline") && year.contains("The period before is not kept"));
    assert!(page(&Fake::default(), "/?period=yesterday").await.contains(">20 Nov 2026<"));
    assert!(page(&Fake::default(), "/?period=month").await.contains("1 Nov 2026 to 21 Nov 2026"));
}

#[tokio::test]
async fn what_is_not_told_apart_stands_last_and_has_no_bar() {
    let names = ["(other)", "/", "/prices"].map(str::to_owned).to_vec();
    let fake = Fake { names, ..Fake::default() };
    let html = page(&fake, "/").await;
    let (_, pages) = html.split_once("id=\"page-title\"").expect("a list");
    let pages = pages.split("</section>").next().expect("its end");
    // The largest named value is the longest bar, though (other) is four times as much.
    assert_eq!(pages.matches("class=\"fill\"").count(), 2);
    assert!(pages.contains("class=\"fill\" width=\"1000\""));
    let places = ["title=\"/\"", "title=\"/prices\"", "title=\"(other)\""].map(|it| pages.find(it));
    assert!(places.is_sorted() && places[0].is_some(), "{pages}");
    let list = page(&fake, "/list?by=page").await;
    assert!(list.find("<bdi>(other)") > list.find("<bdi>/prices"));
    assert_eq!(list.matches("class=\"fill\"").count(), 2);
}

#[tokio::test]
async fn a_shared_view_never_says_0_for_what_is_rounded_away() {
    let mut backend = Fake::default().backend();
    let ask = Arc::clone(&backend.ask);
    backend.ask = Arc::new(move |question| {
        let mut answer = ask(question)?;
        for (at, row) in answer.rows.iter_mut().enumerate() {
            let first = if row.time.is_some() { u64::from(at == 0) } else { 31 };
            row.metrics = [first, 9, 9, 9].into_iter().take(row.metrics.len()).collect();
        }
        Ok(answer)
    });
    let stats = Fake::default().stats_over(backend);
    let html = send(&stats, &format!("GET /share/{SHARE}"), &[], "").await.text;
    assert!(html.contains("<td class=\"number\">&#60; 10</td>"), "{html}");
    assert!(html.contains(": &lt; 10 views,"), "in the plot too");
    for zero in [">0</td>", "class=\"value\">0<", " 0 views", "none before", "holds 0"] {
        assert!(!html.contains(zero), "{zero}");
    }
}
