//! Every rule of the API's body, as data.
//!
//! What it is not: about HTTP.
//!
//! What surprises: error texts are compared whole. They are what a client's author reads.

use headcount_core::time::Day;
use headcount_store::question::{Answer, By, Metric, OrderKey, PageFilter, Row, TimeBucket};
use headcount_store::zone::Zone;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::answer::to_json;
use super::date::Bounds;
use super::parse::{Plan, RawQuery};
use super::{BadQuery, words};

fn bounds() -> Bounds {
    let day = |text| Day::parse(text).expect("a date");
    let (today, oldest) = (day("2026-11-21"), day("2025-11-21"));
    Bounds { today, oldest, first: Some(day("2026-03-05")), zone: Zone::default() }
}

fn parse(body: &[u8]) -> Result<Plan, BadQuery> {
    let raw = RawQuery::from_json(body)?;
    let site = raw.site()?;
    raw.plan(site, &bounds(), 5)
}

/// A body that is right, with `change` put over its fields.
fn body(change: &Value) -> Value {
    let mut body = json!({"site_id": "example.org", "metrics": ["pageviews"], "date_range": "7d"});
    for (key, value) in change.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

fn plan(change: Value) -> Plan {
    let body = body(&change);
    parse(body.to_string().as_bytes()).unwrap_or_else(|bad| panic!("{body}: {bad}"))
}

fn check_bad(change: Value, error: &str) {
    let body = body(&change);
    let got = parse(body.to_string().as_bytes()).map(|_| ()).map_err(|bad| bad.to_string());
    assert_eq!(got, Err(error.to_owned()), "{body}");
}

#[test]
fn the_smallest_question() {
    let plan = plan(json!({}));
    let question = &plan.question;
    assert_eq!(question.metrics, [Metric::Views]);
    assert_eq!(
        (question.from.to_string(), question.to.to_string()),
        ("2026-11-15".into(), "2026-11-21".into())
    );
    assert_eq!(
        (question.by, question.time, question.limit, question.k),
        (By::Total, None, 10_000, 5)
    );
    assert_eq!(question.order[0].key, OrderKey::Metric(Metric::Views));
}

#[test]
fn dimensions_that_can_stand_together() {
    for (words, by, time) in [
        (json!(["event:page"]), By::Page, None),
        (json!(["time:hour", "event:page"]), By::Page, Some(TimeBucket::Hour)),
        (json!(["time"]), By::Total, Some(TimeBucket::Day)),
        (json!(["time:week"]), By::Total, Some(TimeBucket::Week)),
    ] {
        let plan = plan(json!({"dimensions": words}));
        assert_eq!((plan.question.by, plan.question.time), (by, time));
    }
    for (words, by) in [
        (json!(["event:target"]), By::Target),
        (json!(["event:target", "event:page"]), By::PageAndTarget),
    ] {
        assert_eq!(plan(json!({"dimensions": words, "metrics": ["clicks"]})).question.by, by);
    }
    for attribute in headcount_core::cell::Attribute::ALL {
        let word = words::Dimension::Attribute(attribute).as_str();
        let plan = plan(json!({"dimensions": [word, "time"], "date_range": "day"}));
        assert_eq!(plan.question.by, By::Attribute(attribute));
        assert_eq!(plan.question.time, Some(TimeBucket::Day), "days are the finest");
    }
    for (range, bucket) in
        [("day", TimeBucket::Hour), ("91d", TimeBucket::Day), ("12mo", TimeBucket::Month)]
    {
        assert_eq!(
            plan(json!({"dimensions": ["time"], "date_range": range})).question.time,
            Some(bucket)
        );
    }
}

#[test]
fn what_cannot_be_answered_by_design_says_so() {
    let design = "cannot be asked together: each attribute is counted on its own and no record joins it to \
                  pages or to another attribute, so this cannot be answered by design; ask for one at a time";
    let error = format!("dimensions[0] and dimensions[2] {design}");
    check_bad(json!({"dimensions": ["visit:country", "time:day", "visit:device"]}), &error);
    let error = format!("dimensions[0] and dimensions[1] {design}");
    check_bad(json!({"dimensions": ["event:page", "visit:source"]}), &error);
    check_bad(json!({"dimensions": ["visit:os", "event:target"], "metrics": ["clicks"]}), &error);
    check_bad(
        json!({"dimensions": ["visit:os"], "filters": [["is", "event:page", ["/"]]]}),
        "filters cannot be used with an attribute as dimension: each attribute is counted on its own and no \
         record joins it to pages, so this cannot be answered by design",
    );
    check_bad(
        json!({"filters": [["is", "visit:country", ["SE"]]]}),
        "filters[0] filters on an attribute: each attribute is counted on its own and nothing joins it to \
         pages or to another attribute, so this cannot be answered by design; ask for it as the only dimension",
    );
}

#[test]
fn bad_bodies() {
    let shape = "the body must be a JSON object with site_id, metrics and date_range";
    let deep = "[".repeat(50_000);
    for (body, found) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "a list"),
        ("null", "null"),
        ("\"x\"", "a string"),
        ("true", "true or false"),
        ("{}x", "not JSON"),
        ("\u{feff}{}", "not JSON"),
        (deep.as_str(), "not JSON"),
    ] {
        assert_eq!(
            RawQuery::from_json(body.as_bytes()).map(|_| ()),
            Err(BadQuery::new(format!("{shape}; this is {found}"))),
            "{body:.9}"
        );
    }
    let error = BadQuery::new(format!("{shape}; this is not JSON"));
    assert_eq!(RawQuery::from_json(b"\xff").map(|_| ()), Err(error));
    check_bad(
        json!({"filter": []}),
        "the body has an unknown field: the fields are site_id, metrics, date_range, dimensions, filters, \
         order_by, include, pagination",
    );
    let site = "site_id must be the host of a site, such as example.org";
    for (wrong, found) in [
        (json!(null), "null"),
        (json!(7), "a number"),
        (json!("https://example.org"), "no host"),
        (json!(""), "no host"),
    ] {
        check_bad(json!({"site_id": wrong}), &format!("{site}; this is {found}"));
    }
}

#[test]
fn bad_metrics() {
    let some = "metrics must be a list of at least one of pageviews, visitors, visits or clicks";
    check_bad(json!({"metrics": null}), some);
    check_bad(json!({"metrics": []}), some);
    check_bad(
        json!({"metrics": "pageviews"}),
        "metrics must be a list of strings; this is a string",
    );
    check_bad(json!({"metrics": ["visits", 1]}), "metrics[1] must be a string; this is a number");
    check_bad(
        json!({"metrics": ["visits", "visits"]}),
        "metrics[1] is there twice: name each metric once",
    );
    check_bad(
        json!({"metrics": ["pageviews", "hits"]}),
        "metrics[1] is not known: use pageviews, visitors, visits or clicks",
    );
    check_bad(
        json!({"metrics": ["bounce_rate"]}),
        "metrics[0] is not counted, because it needs a record per visitor, which Headcount does not keep: \
         use pageviews, visitors, visits or clicks",
    );
    check_bad(
        json!({"metrics": ["pageviews", "clicks"], "dimensions": ["visit:os"]}),
        "metrics[1] is not counted by attribute: use pageviews, visitors or visits",
    );
    check_bad(
        json!({"metrics": ["clicks", "visitors"], "dimensions": ["event:target"]}),
        "metrics[1] is not counted by event:target: a click is counted as a click only, use clicks",
    );
}

#[test]
fn bad_dates() {
    let known = "use day, 7d, 28d, 30d, 91d, month, 6mo, 12mo, year, all or a list of two dates such as \
                 [\"2026-01-01\", \"2026-02-01\"]";
    let mut without = body(&json!({}));
    without.as_object_mut().expect("an object").remove("date_range");
    let got = parse(without.to_string().as_bytes()).map(|_| ());
    assert_eq!(got, Err(BadQuery::new(format!("date_range is missing: {known}"))));
    for wrong in [json!(7), json!("24h"), json!("7D"), json!(null), json!({})] {
        check_bad(json!({"date_range": wrong}), &format!("date_range is not known: {known}"));
    }
    for wrong in
        [json!([]), json!(["2026-01-01"]), json!(["2026-01-01", "2026-01-02", "2026-01-03"])]
    {
        check_bad(
            json!({"date_range": wrong}),
            "date_range as a list must hold two dates, the first and the last",
        );
    }
    let write = "is not a date: write 2026-01-31 or 2026-01-31T12:00:00Z";
    check_bad(
        json!({"date_range": ["2026-02-30", "2026-03-01"]}),
        &format!("date_range[0] {write}"),
    );
    check_bad(json!({"date_range": ["2026-02-01", 5]}), &format!("date_range[1] {write}"));
    check_bad(
        json!({"date_range": ["2026-03-02", "2026-03-01"]}),
        "date_range: the first day 2026-03-02 must not be after the last day 2026-03-01",
    );
    check_bad(
        json!({"date_range": ["2026-01-01", "2027-03-01"]}),
        "date_range: the period has 425 days: ask for at most 400",
    );
    check_bad(
        json!({"date_range": ["2024-01-01", "2024-03-01"]}),
        "date_range: the period ends before 2025-11-21, the oldest day that is kept: ask for 2025-11-21 or later",
    );
}

#[test]
fn bad_dimensions() {
    let known = "use event:page, event:target, visit:source, visit:country, visit:device, visit:browser, \
                 visit:os, visit:utm_source, visit:utm_medium, visit:utm_campaign, time, time:hour, time:day, \
                 time:week or time:month";
    check_bad(json!({"dimensions": {}}), "dimensions must be a list of strings; this is an object");
    check_bad(json!({"dimensions": [[]]}), "dimensions[0] must be a string; this is a list");
    check_bad(json!({"dimensions": ["page"]}), &format!("dimensions[0] is not known: {known}"));
    check_bad(
        json!({"dimensions": ["event:page", "visit:city"]}),
        &format!(
            "dimensions[1] is not counted, because the country is the finest place that is counted: {known}"
        ),
    );
    check_bad(
        json!({"dimensions": ["event:page", "event:page"]}),
        "dimensions[1] is there twice: name each dimension once",
    );
    check_bad(
        json!({"dimensions": ["time:day", "time:week"]}),
        "dimensions[1] is a second time: use one time dimension",
    );
    check_bad(
        json!({"dimensions": ["time:hour", "visit:os"]}),
        "dimensions[1] is counted per day: use time:day, time:week or time:month with it",
    );
}

#[test]
fn filters_are_flattened() {
    let page = |word: &str, values: Value| json!([word, "event:page", values]);
    let (a, b) = (page("is", json!(["/a"])), page("contains", json!(["b", "c"])));
    let (is_a, not_a) = (PageFilter::Is(vec!["/a".into()]), PageFilter::IsNot(vec!["/a".into()]));
    let has = PageFilter::Contains(vec!["b".into(), "c".into()]);
    let has_not = PageFilter::ContainsNot(vec!["b".into(), "c".into()]);
    let both = PageFilter::Is(vec!["/a".into(), "/a".into()]);
    for (filters, want) in [
        (json!([]), vec![]),
        (json!(null), vec![]),
        (json!([a]), vec![is_a.clone()]),
        (json!([a, b]), vec![is_a.clone(), has.clone()]),
        (json!([["and", [a, ["and", [b]]]]]), vec![is_a.clone(), has.clone()]),
        (json!([["not", a]]), vec![not_a.clone()]),
        (json!([["not", ["not", a]]]), vec![is_a.clone()]),
        (json!([["not", ["or", [a, b]]]]), vec![not_a.clone(), has_not.clone()]),
        (json!([["not", ["and", [page("is_not", json!(["/a"]))]]]]), vec![is_a.clone()]),
        (json!([["or", [a, a]]]), vec![both]),
        (json!([["or", [b]]]), vec![has]),
        (json!([page("is_not", json!(["/a"]))]), vec![not_a]),
        (json!([page("contains_not", json!(["b", "c"]))]), vec![has_not]),
        (json!([["is", "event:page", ["/a"], {"case_sensitive": true}]]), vec![is_a]),
    ] {
        assert_eq!(plan(json!({"filters": filters})).question.pages, want, "{filters}");
    }
}

#[test]
fn bad_filters() {
    let list = "must be a list of operator, dimension and values, such as [\"is\", \"event:page\", [\"/\"]]";
    let nested = "must be [\"and\", [filter, ..]], [\"or\", [filter, ..]] or [\"not\", filter]";
    let page = json!(["is", "event:page", ["/"]]);
    let has = json!(["contains", "event:page", ["/"]]);
    let deep = (0..20).fold(page.clone(), |inner, _| json!(["not", inner]));
    for (filter, error) in [
        (json!(1), format!("filters[0] {list}")),
        (json!([]), format!("filters[0] {list}")),
        (json!(["is"]), format!("filters[0] {list}")),
        (json!(["and", []]), format!("filters[0] {nested}")),
        (json!(["not"]), format!("filters[0] {nested}")),
        (json!(["and", [page, ["not", 7]]]), format!("filters[0][1][1][1] {list}")),
        (
            json!(["like", "event:page", ["/"]]),
            "filters[0] has an unknown operator: use is, is_not, contains or contains_not".into(),
        ),
        (
            json!(["matches", "event:page", ["^/"]]),
            "filters[0] uses regular expressions, which are not answered: use contains or is".into(),
        ),
        (
            json!(["has_done", "event:page", ["/"]]),
            "filters[0] asks what one visitor did, which Headcount does not keep".into(),
        ),
        (json!(["is", "time:day", ["2026-01-01"]]), "filters[0] filters on time: set date_range instead".into()),
        (json!(["is", "time", ["2026-01-01"]]), "filters[0] filters on time: set date_range instead".into()),
        (
            json!(["is", "event:target", ["x"]]),
            "filters[0] must filter on event:page, the only dimension that can be filtered".into(),
        ),
        (
            json!(["is", "event:page", []]),
            "filters[0] must have a list of at least one page as its third part".into(),
        ),
        (json!(["is", "event:page", ["/", 7]]), "filters[0][2][1] must be a string of at most 2048 bytes".into()),
        (
            json!(["is", "event:page", ["/"], {"case_sensitive": false}]),
            "filters[0] has a modifier: only {\"case_sensitive\": true} is answered".into(),
        ),
        (
            json!(["or", [page, has]]),
            "filters[0] joins different kinds of filters with \"or\": only is with is, or contains with \
             contains, can be answered"
                .into(),
        ),
        (
            json!(["not", ["and", [page, page]]]),
            "filters[0] joins different kinds of filters with \"or\": only is with is, or contains with \
             contains, can be answered"
                .into(),
        ),
        (deep, format!("filters[0]{} is nested too deep: use at most 8 levels", "[1]".repeat(9))),
    ] {
        check_bad(json!({"filters": [filter]}), &error);
    }
    let object = "filters must be a list, such as [[\"is\", \"event:page\", [\"/\"]]]";
    check_bad(json!({"filters": {}}), &format!("{object}; this is an object"));
    check_bad(json!({"filters": vec![page; 21]}), "filters has 21 parts: use at most 20");
    let many = json!(["is", "event:page", vec!["/"; 201]]);
    check_bad(json!({"filters": [many]}), "filters holds 201 pages: use at most 200");
}

#[test]
fn orders_includes_and_pages() {
    let full = plan(json!({
        "dimensions": ["time", "event:page"],
        "order_by": [["event:page", "asc"], ["pageviews", "desc"], ["time", "desc"]],
        "include": {"imports": true, "time_labels": true, "total_rows": true},
        "pagination": {"limit": 7, "offset": 14},
    }));
    let keys: Vec<_> = full.question.order.iter().map(|order| order.key).collect();
    assert_eq!(keys, [OrderKey::Name, OrderKey::Metric(Metric::Views), OrderKey::Time]);
    assert_eq!((full.question.limit, full.question.offset), (7, 14));
    assert!(full.include.imports && full.include.time_labels && full.include.total_rows);
    let pair = "order_by[0] must be a pair such as [\"pageviews\", \"desc\"]";
    for wrong in [
        json!("visits"),
        json!([]),
        json!(["pageviews"]),
        json!(["pageviews", "down"]),
        json!([1, "asc"]),
    ] {
        check_bad(json!({"order_by": [wrong]}), pair);
    }
    for wrong in ["visitors", "event:page", "nope", "time"] {
        let error = "order_by[0] must name one of the query's metrics or dimensions";
        check_bad(json!({"order_by": [[wrong, "asc"]]}), error);
    }
    let orders = "order_by must be a list of at most 10 pairs, such as [[\"pageviews\", \"desc\"]]";
    check_bad(json!({"order_by": "pageviews"}), &format!("{orders}; this is a string"));
    let many = json!({"order_by": vec![["pageviews", "asc"]; 11]});
    check_bad(many, &format!("{orders}; this is a list of 11"));
    for (include, error) in [
        (json!([]), "include must be an object, such as {\"total_rows\": true}; this is a list"),
        (
            json!({"x": true}),
            "include has an unknown field: the fields are imports, time_labels and total_rows",
        ),
        (json!({"imports": 1}), "include.imports must be true or false; this is a number"),
        (
            json!({"time_labels": true}),
            "include.time_labels needs a time dimension, such as time:day",
        ),
    ] {
        check_bad(json!({"include": include}), error);
    }
    let object =
        "pagination must be an object, such as {\"limit\": 100, \"offset\": 0}; this is a number";
    check_bad(json!({"pagination": 3}), object);
    let unknown = "pagination has an unknown field: the fields are limit and offset";
    check_bad(json!({"pagination": {"page": 1}}), unknown);
    for (limit, found) in [
        (json!(0), "another number"),
        (json!(10_001), "another number"),
        (json!("5"), "a string"),
        (json!(1.5), "a number with a fraction, or too large"),
    ] {
        let error =
            format!("pagination.limit must be a whole number from 1 to 10000; this is {found}");
        check_bad(json!({"pagination": {"limit": limit}}), &error);
    }
    let offset =
        "pagination.offset must be a whole number from 0 to 4294967295; this is another number";
    check_bad(json!({"pagination": {"offset": -1}}), offset);
}

#[test]
fn answers_have_the_asked_shape() {
    let plan = plan(json!({
        "metrics": ["clicks"],
        "dimensions": ["event:target", "time:day", "event:page"],
        "date_range": ["2026-11-01T23:00:00-02:00", "2026-11-03"],
        "filters": [["not", ["contains", "event:page", ["<x>"]]]],
        "include": {"time_labels": true, "total_rows": true, "imports": true},
    }));
    let names = vec!["/page".to_owned(), "mailto".to_owned()];
    let row = Row { time: Some("2026-11-02".into()), names, metrics: vec![4] };
    let got = to_json(&plan, &Answer { rows: vec![row], rows_total: 9, folded: 0 });
    let want = json!({
        "results": [{"dimensions": ["mailto", "2026-11-02", "/page"], "metrics": [4]}],
        "meta": {
            "imports_included": false,
            "time_labels": ["2026-11-02", "2026-11-03"],
            "total_rows": 9,
        },
        "query": {
            "site_id": "example.org",
            "metrics": ["clicks"],
            "date_range": ["2026-11-02T00:00:00+00:00", "2026-11-03T23:59:59+00:00"],
            "dimensions": ["event:target", "time:day", "event:page"],
            "filters": [["contains_not", "event:page", ["<x>"]]],
            "order_by": [["time:day", "asc"], ["clicks", "desc"]],
            "include": {"imports": true, "time_labels": true, "total_rows": true},
            "pagination": {"limit": 10_000, "offset": 0},
        },
    });
    assert_eq!(got, want);
    assert!(!crate::text::json_text(&got).contains('<'));
}

#[test]
fn nothing_counted_is_a_zero_and_not_a_gap() {
    let change = json!({"metrics": ["visitors", "visits"]});
    let got = to_json(&plan(change.clone()), &Answer::default());
    assert_eq!(got["results"], json!([{"dimensions": [], "metrics": [0, 0]}]));
    let mut change = change;
    change["dimensions"] = json!(["event:page"]);
    assert_eq!(to_json(&plan(change), &Answer::default())["results"], json!([]));
}

#[test]
fn warnings_are_true() {
    let meta = |change: Value, folded| {
        to_json(&plan(change), &Answer { folded, ..Answer::default() })["meta"].clone()
    };
    assert_eq!(meta(json!({"metrics": ["visitors"], "date_range": "day"}), 0), json!({}));
    let warning = meta(json!({"metrics": ["visitors"]}), 0);
    assert_eq!(
        warning["metric_warnings"]["visitors"]["warning"],
        "visitors are counted per UTC day, and added up over days"
    );
    let old = meta(json!({"date_range": ["2025-11-01", "2026-01-01"]}), 3);
    assert_eq!(old["date_range_warning"], "older counts than 2025-11-21 are not kept");
    assert_eq!((&old["folded_values"], &old["folded_below_visitors"]), (&json!(3), &json!(5)));
}

#[test]
fn a_day_that_lies_in_two_utc_days_is_said() {
    let india = crate::time_zone::TimeZone::named("Asia/Kolkata").expect("a zone");
    let meta = |change: Value| {
        let plan = RawQuery::from_json(body(&change).to_string().as_bytes())
            .and_then(|raw| {
                raw.plan(raw.site()?, &Bounds { zone: india.zone().clone(), ..bounds() }, 5)
            })
            .unwrap_or_else(|bad| panic!("{change}: {bad}"));
        to_json(&plan, &Answer::default())["meta"].clone()
    };
    let day = json!({"metrics": ["visitors"], "date_range": "day"});
    assert_eq!(
        meta(day)["metric_warnings"]["visitors"]["warning"],
        "visitors are counted per UTC day, and added up over the two that this day lies in"
    );
    let utc_days = "attributes are counted per UTC day, and these days are UTC days";
    let by_country = json!({
        "metrics": ["visitors"], "date_range": "day", "dimensions": ["visit:country"]
    });
    assert_eq!(meta(by_country), json!({ "date_range_warning": utc_days }));
    let old = meta(json!({
        "date_range": ["2025-11-01", "2026-01-01"], "dimensions": ["visit:country"]
    }));
    let older = format!("older counts than 2025-11-21 are not kept; {utc_days}");
    assert_eq!(old["date_range_warning"], older);
}

/// Any JSON, with the words of the API more often than chance would have it.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "is",
        "not",
        "and",
        "or",
        "event:page",
        "visit:os",
        "time",
        "asc",
        "desc",
        "7d",
        "all",
        "/",
        "limit",
        "pageviews",
        "2026-01-01",
        "2026-01-01T00:00:00+99:99",
        "",
        "é\u{202e}",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("(limit|offset|imports|x)", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_fields_never_panic(
        field in prop::sample::select(vec![
            "site_id", "metrics", "date_range", "dimensions", "filters", "order_by", "include", "pagination",
        ]),
        value in any_json(),
    ) {
        if let Ok(plan) = parse(body(&json!({ field: value })).to_string().as_bytes()) {
            to_json(&plan, &Answer::default());
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn any_dates_never_panic(text in "[0-9TZ:+. -]{0,30}|.{0,20}") {
        super::date::day_of(&text, &Zone::default());
    }

    #[test]
    fn a_plan_means_the_same_when_it_is_sent_back(value in any_json()) {
        let Ok(first) = parse(body(&json!({ "filters": [value] })).to_string().as_bytes()) else {
            return Ok(());
        };
        let echo = to_json(&first, &Answer::default())["query"].clone();
        let second = parse(echo.to_string().as_bytes()).expect("the echo is a question");
        prop_assert_eq!(to_json(&second, &Answer::default())["query"].clone(), echo);
    }
}
