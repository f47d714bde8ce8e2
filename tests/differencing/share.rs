//! A shared link: every month and file of it, given to the solver.
//!
//! What it is not: `stats/src/tests/share.rs`, which asks for every pair of days without a process and
//! looks at one metric at a time.
//!
//! What surprises: views, visitors and visits are rounded apart but belong together, and whoever
//! compares them knows a day a little more closely than by ten values.

use std::collections::{BTreeMap, BTreeSet};

use headcount_core::batch::Batch;
use headcount_core::cell::{CellKey, Counts};
use headcount_core::time::{Day, Hour};
use headcount_store::Insert;
use headcount_store::sqlite::Writer;
use serde_json::{Value, json};

use super::asking::parse;
use super::sites::Numbers;
use super::{seed, solve};
use crate::dashboard::worlds::now;
use crate::dice::Dice;
use crate::pipeline::text;
use crate::server::{Deployment as _, PATIENCE, SITE, Server, headcount};
use crate::until::until;

/// Days with counts, up to yesterday.
const DAYS: u32 = 20;
/// What a shared number is rounded down to.
const STEP: u64 = 10;
/// So many numbers each of a day's may be at least, for whoever compares the three.
const LEAST: u64 = 5;
/// In the order of [`Numbers`].
const METRICS: [&str; 3] = ["visitors", "pageviews", "visits"];

fn roll(dice: &mut Dice) -> Numbers {
    let visitors = [0, 1, 2, 9, 10, 11, dice.below(15), dice.below(15)];
    let visitors = visitors[usize::try_from(dice.below(8)).unwrap()];
    let views = visitors + dice.below(6).saturating_sub(3);
    [visitors, views, views - dice.below(views + 1) * dice.below(2)]
}

fn fill(data: &std::path::Path, days: &[(Day, Numbers)]) {
    std::fs::create_dir_all(data).unwrap();
    let mut writer = Writer::open(&data.join("counts.db")).unwrap();
    let mut cells = Vec::new();
    for (day, [visitors, views, visits]) in days {
        let hour = Hour(day.first_hour().0 + 9);
        let counts = Counts { visitors: *visitors, views: *views, visits: *visits, ..Counts::ZERO };
        cells.push((SITE, CellKey::Site { hour }, counts));
        cells.push((SITE, CellKey::Page { hour, page: "/" }, counts));
    }
    let batches = vec![Batch::new(cells).unwrap()];
    let totals = Insert::totals_of(&batches).unwrap();
    let (src, closed_day) = ("days".to_owned(), now().day());
    let insert = Insert { src, lo: 1, hi: 1, closed_day, batches, totals, last_seqs: vec![] };
    writer.apply(&insert).unwrap();
}

/// The months that the days lie in, from the first day of each to its last or today.
fn months(days: &[(Day, Numbers)]) -> BTreeMap<Day, Day> {
    let mut months = BTreeMap::new();
    let today = now().day();
    for (day, _) in days {
        let first = day.minus(day.civil().2 - 1);
        let next = first.plus(31);
        let last = next.minus(next.civil().2);
        months.insert(first, last.min(today));
    }
    months
}

/// What the sum of a month's first days lies between, for each day, list and file of the link.
fn bounds(
    ask: impl Fn(&str) -> Value,
    days: &[(Day, Numbers)],
    first: Day,
) -> BTreeSet<(Vec<usize>, usize, u64)> {
    let mut bounds = BTreeSet::new();
    let places = || (0..).zip(days).filter(|(_, (day, _))| day.minus(day.civil().2 - 1) == first);
    for by in ["total", "page", "hour", "day", "week", "month"] {
        let answer = ask(by);
        let asked = answer["query"]["metrics"].as_array().unwrap();
        let rows = answer["results"].as_array().unwrap();
        for (metric, word) in METRICS.iter().enumerate() {
            let column = asked.iter().position(|other| other == word).unwrap();
            let number = |row: &Value| row["metrics"][column].as_u64().unwrap();
            let day_of = |row: &Value| {
                let label = row["dimensions"][0].as_str().unwrap();
                Day::parse(label.get(..10).unwrap()).unwrap()
            };
            if ["hour", "day"].contains(&by) {
                // What was shown up to a day is the sum up to it, rounded down.
                for (at, (day, _)) in places() {
                    let until = rows.iter().filter(|row| day_of(row) <= *day);
                    let sum = until.map(number).sum();
                    bounds.insert((
                        places().map(|it| it.0).filter(|it| *it <= at).collect(),
                        metric,
                        sum,
                    ));
                }
            } else {
                let sum = rows.iter().map(number).sum();
                bounds.insert((places().map(|it| it.0).collect(), metric, sum));
            }
        }
    }
    bounds
}

#[test]
#[expect(clippy::print_stdout, reason = "how closely a day is known, for whoever asks")]
fn no_day_of_a_shared_link_is_known_even_to_whoever_compares_its_numbers() {
    let seed = seed();
    let (dir, mut dice) = (tempfile::tempdir().unwrap(), Dice(seed));
    let today = now().day();
    let days: Vec<(Day, Numbers)> =
        (1..=DAYS).rev().map(|back| (today.minus(back), roll(&mut dice))).collect();
    fill(&dir.path().join("data"), &days);
    let server = Server::start(dir.path(), "retention_days = 365\n", &[]);
    let made = headcount(dir.path(), &["token", "add", "--site", SITE, "--share"]);
    let link = text(&made.stdout).trim().to_owned();
    let get = |by: &str, ending: &str, from: Day, to: Day| {
        let query = format!("site={SITE}&by={by}&from={from}&to={to}");
        server.send(&format!("GET {link}/export.{ending}?{query}"), "", "").unwrap()
    };
    assert!(until(PATIENCE, || get("day", "csv", today, today).status != 404), "no such link");
    let mut learned = BTreeSet::new();
    for (from, to) in months(&days) {
        // Nothing but whole months is answered.
        assert_eq!(get("total", "json", from.plus(1), to).status, 400);
        let ask = |by: &str| {
            let reply = get(by, "json", from, to);
            assert_eq!(reply.status, 200, "{}", reply.body);
            parse(&reply.body)
        };
        learned.extend(bounds(ask, &days, from));
    }
    let bounds: Vec<Value> = learned
        .iter()
        .map(|(days, metric, sum)| {
            json!({ "days": days, "metric": metric, "from": sum, "to": sum + STEP - 1 })
        })
        .collect();
    let truth: Vec<&Numbers> = days.iter().map(|it| &it.1).collect();
    let found = solve(&[json!({ "truth": truth, "bounds": bounds, "need": STEP })]);
    let found = &found[0];
    println!("seed {seed}: {} bounds, {found}", bounds.len());
    assert!(found["error"].is_null(), "seed {seed}: {found}");
    assert!(found["narrowest"].as_u64().unwrap() >= LEAST, "seed {seed}: {found}");
}
