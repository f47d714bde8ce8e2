//! Answers as they reach a terminal.
//!
//! What it is not: about the command line.
//!
//! What surprises: nothing a stranger named may move the cursor.

use headcount_store::question::{Answer, Question, Refused, Row, TimeBucket};

use super::fake::{NOW, host};
use crate::breakdown::Breakdown;
use crate::query::date::Range;
use crate::terminal::{Format, days, show, show_refused};
use crate::text::is_hidden;

fn question(by: Breakdown) -> Question {
    let today = headcount_core::time::Hour::of_unix(NOW).day();
    let range = Range { from: today, to: today, narrowed: false };
    by.question(&host("example.org"), range, 5, 10).expect("a question")
}

fn answer(names: &[&str]) -> Answer {
    let row = |(at, name): (u64, &&str)| Row {
        time: None,
        names: vec![(*name).to_owned()],
        metrics: vec![at * 1_000, at, 0],
    };
    Answer { rows: (1..).zip(names).map(row).collect(), rows_total: 7, folded: 2 }
}

#[test]
fn a_table_is_aligned_and_says_what_is_missing() {
    let text = show(Format::Table, &question(Breakdown::Page), &answer(&["/", "/日本", "/prices"]));
    let want = "\
page     views  visitors  visits
/         1000         1       0  ██████▋
/日本     2000         2       0  █████████████▎
/prices   3000         3       0  ████████████████████
3 of 7 rows
2 values with fewer than 5 visitors are in (other)
";
    assert_eq!(text, want);
}

#[test]
fn days_are_a_line_of_columns() {
    let today = headcount_core::time::Hour::of_unix(NOW).day();
    let range = Range { from: today.minus(4), to: today, narrowed: false };
    let by = Breakdown::Time(TimeBucket::Day);
    let question = by.question(&host("example.org"), range, 5, 10).expect("a question");
    let row = |back, views| Row {
        time: Some(today.minus(back).to_string()),
        names: vec![],
        metrics: vec![views, 1, 0, 0],
    };
    let rows = vec![row(4, 1), row(2, 40), row(1, 80), row(0, 20)];
    let text = days(&question, &Answer { rows, rows_total: 4, folded: 0 });
    let want = "\
example.org, 2026-11-17 to 2026-11-21
views     ▁ ▄█▂  141
visitors  █ ███  4
visits           0
clicks           0

";
    assert_eq!(text, want);
}

#[test]
fn hostile_names_reach_no_terminal() {
    let names = [
        "/\u{1b}]0;owned\u{7}",
        "/\u{1b}[2J",
        "/\u{9b}31m",
        "/a\r\n/b",
        "/\u{202e}gnp.exe",
        "/\u{200b}\u{feff}",
        "/\u{7f}\u{8}",
    ];
    let refused = [Refused { reason: names[0].to_owned(), refused: 1 }];
    for format in [Format::Table, Format::Json, Format::Csv] {
        let page = show(format, &question(Breakdown::Page), &answer(&names));
        for text in [page, show_refused(format, &refused)] {
            let left = |c: char| is_hidden(c) && c != '\n' && !(c == '\r' && format == Format::Csv);
            assert!(!text.contains(left), "{format:?}: {text:?}");
        }
    }
    let text = show(Format::Table, &question(Breakdown::Page), &answer(&names));
    assert_eq!(text.lines().count(), 1 + names.len() + 1);
}

#[test]
fn long_names_are_cut() {
    let text = show(Format::Table, &question(Breakdown::Page), &answer(&[&"/日".repeat(200)]));
    assert!(text.lines().all(|line| line.chars().count() < 120), "{text}");
}

#[test]
fn json_is_the_answer_of_the_api() {
    let text = show(Format::Json, &question(Breakdown::Page), &answer(&["/"]));
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        value["results"][0],
        serde_json::json!({"dimensions": ["/"], "metrics": [1000, 1, 0]})
    );
    assert_eq!(value["query"]["order_by"], serde_json::json!([["pageviews", "desc"]]));
    let text = show_refused(Format::Json, &[Refused { reason: "gpc".into(), refused: 3 }]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["results"][0], serde_json::json!({"dimensions": ["gpc"], "metrics": [3]}));
}
