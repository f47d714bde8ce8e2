//! The room over a real `counts.db`: what goes in by the writer comes out by API and dashboard.
//!
//! What it is not: a test of the store's arithmetic.
//!
//! What surprises: the file does not exist when the room starts.

use std::path::Path;

use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::time::Hour;
use headcount_store::Insert;
use headcount_store::sqlite::Writer;
use serde_json::{Value, json};

use super::fake::{Fake, NOW, SHARE, TOKEN};
use super::routes::{cookie, send};
use crate::backend::Backend;

const SITE: &str = "example.org";

fn counts(views: u64, visitors: u64, clicks: u64) -> Counts {
    Counts { views, visitors, visits: visitors, clicks, refused: 0 }
}

/// A day with two pages, a click, visitors of three countries and one refusal.
fn fill(path: &Path) {
    let hour = Hour::of_unix(NOW);
    let day = hour.day();
    let country = |value, views, visitors| {
        let key = CellKey::Attribute { day, attribute: Attribute::Country, value };
        (SITE, key, counts(views, visitors, 0))
    };
    let batch = Batch::new([
        (SITE, CellKey::Site { hour }, counts(12, 9, 2)),
        (SITE, CellKey::Page { hour, page: "/<b>" }, counts(7, 6, 0)),
        (SITE, CellKey::Page { hour, page: "/b" }, counts(5, 5, 0)),
        (SITE, CellKey::Click { hour, page: "/b", target: "mailto" }, counts(0, 0, 2)),
        country("SE", 8, 6),
        country("DE", 4, 4),
        country("FI", 1, 1),
        (
            SITE,
            CellKey::Refusal { day, reason: RefusalReason::Gpc },
            Counts { refused: 4, ..Counts::ZERO },
        ),
    ])
    .expect("a batch");
    let batches = vec![batch];
    let totals = Insert::totals_of(&batches).expect("small");
    let mut writer = Writer::open(path).expect("a file");
    let (src, closed_day, last_seqs) = ("test".to_owned(), day, vec![]);
    let insert = Insert { src, lo: 1, hi: 1, closed_day, batches, totals, last_seqs };
    writer.apply(&insert).expect("applied");
    writer.close_before(day.plus(1), 5).expect("closed");
    let books = writer.audit(NOW).expect("audited");
    writer.record_audit(&books).expect("noted");
}

#[tokio::test]
async fn counts_come_back_as_they_went_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("counts.db");
    let backend = Backend::embedded(path.clone(), Fake::default().backend().doors);
    let stats = Fake::default().stats_over(backend);
    let session = cookie(&stats).await;
    let page = async || send(&stats, "GET /?period=day", &[("cookie", &session)], "").await;
    assert_eq!(page().await.status.as_u16(), 503, "nothing is there yet");
    fill(&path);

    let html = page().await.text;
    for part in [
        "<span class=\"value\">12</span>",
        "21 Nov 2026 12:00: 12 views, 9 visitors, 9 visits, 2 clicks",
        "<bdi>/&#60;b&#62;</bdi>",
        "mailto",
        "Sweden",
        "(other) holds what fewer than 3 visitors of a UTC day had, and",
        "The browser asked for privacy (Global Privacy Control).",
        "Books balanced, checked at 12:03 UTC.",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("Germany"), "fewer than k visitors");

    let ask = async |change: Value| {
        let mut body = json!({"site_id": SITE, "metrics": ["pageviews"], "date_range": "all"});
        for (key, value) in change.as_object().expect("an object") {
            body[key] = value.clone();
        }
        let token = format!("Bearer {TOKEN}");
        let headers = [("authorization", token.as_str())];
        let got = send(&stats, "POST /api/v2/query", &headers, &body.to_string()).await;
        let value: Value = serde_json::from_str(&got.text).expect("JSON");
        (value["results"].clone(), value["error"].clone())
    };
    let row =
        |dimensions: Value, metrics: Value| json!({"dimensions": dimensions, "metrics": metrics});
    for (change, rows) in [
        (
            json!({"metrics": ["pageviews", "visitors", "visits", "clicks"]}),
            json!([row(json!([]), json!([12, 9, 9, 2]))]),
        ),
        (
            json!({"metrics": ["visitors", "clicks"], "dimensions": ["event:page"]}),
            json!([row(json!(["/<b>"]), json!([6, 0])), row(json!(["/b"]), json!([5, 2]))]),
        ),
        (
            json!({"dimensions": ["time:hour"]}),
            json!([row(json!(["2026-11-21T12:00:00Z"]), json!([12]))]),
        ),
        (
            json!({"filters": [["contains_not", "event:page", ["<"]]]}),
            json!([row(json!([]), json!([5]))]),
        ),
        (
            json!({"filters": [["is", "event:page", ["/none"]]]}),
            json!([row(json!([]), json!([0]))]),
        ),
        (
            json!({"metrics": ["clicks"], "dimensions": ["event:target", "event:page"]}),
            json!([row(json!(["mailto", "/b"]), json!([2]))]),
        ),
        (
            json!({"metrics": ["visitors"], "dimensions": ["visit:country", "time:month"]}),
            json!([
                row(json!(["SE", "2026-11-01"]), json!([6])),
                row(json!(["(other)", "2026-11-01"]), json!([5]))
            ]),
        ),
    ] {
        assert_eq!(ask(change.clone()).await, (rows, Value::Null), "{change}");
    }
}

/// A site whose numbers round to the same tens with and without `more`, in another order, with
/// another number of hidden values, today and since the month began.
fn fill_twins(path: &Path, more: u64) {
    let now = Hour::of_unix(NOW);
    let earlier = Hour(now.0 - 8 * 24);
    let mut cells = Vec::new();
    for (hour, base) in [(now, 52), (earlier, 62)] {
        let views = 2 * base - 4 + more;
        cells.push((SITE, CellKey::Site { hour }, counts(views, base + more, 40 + more)));
        for (page, n) in [("/a", base + more), ("/b", base + 1 - more)] {
            cells.push((SITE, CellKey::Page { hour, page }, counts(n, n - 1, 0)));
            let clicks = |n| counts(0, 0, n);
            cells.push((SITE, CellKey::Click { hour, page, target: page }, clicks(n - 30)));
        }
        let sources = [("x.example", 30 + more), ("y.example", 33 - more)];
        let small: &[(&str, u64)] = match more {
            0 => &[("p", 4), ("q", 4), ("r", 4)],
            _ => &[("p", 4), ("q", 3), ("r", 3), ("s", 2)],
        };
        for (value, n) in sources.iter().chain(small) {
            let (day, attribute) = (hour.day(), Attribute::Source);
            cells.push((
                SITE,
                CellKey::Attribute { day, attribute, value: *value },
                counts(*n, *n, 0),
            ));
        }
        let refusal = CellKey::Refusal { day: hour.day(), reason: RefusalReason::Gpc };
        cells.push((SITE, refusal, Counts { refused: 40 + more, ..Counts::ZERO }));
    }
    let batches = vec![Batch::new(cells).expect("a batch")];
    let totals = Insert::totals_of(&batches).expect("small");
    let mut writer = Writer::open(path).expect("a file");
    let src = "test".to_owned();
    let insert = Insert { src, lo: 1, hi: 1, batches, totals, ..Insert::default() };
    writer.apply(&insert).expect("applied");
    writer.close_before(now.day().plus(1), 5).expect("closed");
    let books = writer.audit(NOW).expect("audited");
    writer.record_audit(&books).expect("noted");
}

/// Whoever has a shared link cannot tell two sites apart whose numbers are the same when rounded, by
/// any page, list, search, part, order, plot, comparison or file.
#[tokio::test]
async fn a_share_says_nothing_that_is_not_rounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let twins = [0, 2].map(|more| {
        let path = folder.path().join(format!("{more}.db"));
        fill_twins(&path, more);
        Fake::default().stats_over(Backend::embedded(path, Fake::default().backend().doors))
    });
    let mut paths = vec![String::new()];
    for period in ["day", "7d", "30d", "12mo", "from=2026-11-12&to=2026-11-21"] {
        let period =
            if period.contains('=') { period.to_owned() } else { format!("period={period}") };
        for rest in ["", "&metric=visitors", "&metric=clicks", "&page=/a", "&page=/b"] {
            paths.push(format!("?{period}{rest}"));
        }
        for by in crate::breakdown::Breakdown::ALL {
            let by = by.as_str();
            for rest in ["", "&search=a", "&search=x", "&at=2"] {
                paths.push(format!("/list?by={by}&{period}{rest}"));
            }
            for kind in ["csv", "json"] {
                let days = if period.contains("from") { &*period } else { "to=2026-11-21" };
                for page in ["", "&page=/a"] {
                    paths.push(format!("/export.{kind}?site={SITE}&by={by}&{days}{page}"));
                }
            }
        }
    }
    let (mut shown, mut files) = (0, 0);
    for path in paths {
        let line = format!("GET /share/{SHARE}{path}");
        let [one, other] =
            [send(&twins[0], &line, &[], "").await, send(&twins[1], &line, &[], "").await];
        assert_eq!((one.status, &one.text), (other.status, &other.text), "{path}");
        shown += u32::from(one.text.contains("x.example"));
        files += u32::from(path.starts_with("/export") && one.status.as_u16() == 200);
    }
    assert!(shown > 10 && files > 100, "{shown} {files}");
    // Who is signed in does tell them apart.
    let exact = async |stats: &crate::Stats| {
        let bearer = format!("Bearer {TOKEN}");
        let line = format!("GET /api/v1/export.csv?site={SITE}&by=page&from=2026-11-13");
        send(stats, &line, &[("authorization", &bearer)], "").await.text
    };
    assert_ne!(exact(&twins[0]).await, exact(&twins[1]).await);
}
