//! Everything that somebody with a token can ask about the attributes of a site, as equations.
//!
//! What it is not: a reader of the tables that are true. Those are for the solver's own checks.
//!
//! What surprises: an answer says something about the names it does not have, too: where nothing is
//! in `(other)`, they are 0.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use headcount_core::time::Day;
use serde_json::{Value, json};

use super::sites::{Names, Numbers, Site};
use crate::server::{Deployment as _, Server, headcount};

/// What small values are told as.
const OTHER: &str = "(other)";
/// Metrics of a question, in the order of [`Numbers`].
const METRICS: [&str; 3] = ["visitors", "pageviews", "visits"];
/// Ranges of the API that have a name.
const NAMED: [&str; 5] = ["7d", "28d", "month", "12mo", "all"];

/// What is told of a name on these days together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Equation {
    pub(super) days: Vec<usize>,
    pub(super) name: &'static str,
    pub(super) numbers: Numbers,
}

/// Somebody with a token of a site.
pub(super) struct Outsider<'a> {
    pub(super) server: &'a Server,
    pub(super) folder: &'a Path,
    pub(super) site: &'a Site,
    pub(super) token: String,
    pub(super) questions: usize,
}

/// What the answers about one attribute say.
#[derive(Default)]
pub(super) struct Learned {
    pub(super) equations: BTreeSet<Equation>,
    /// All of each day, by the answers about no attribute.
    pub(super) totals: Vec<Numbers>,
}

impl Outsider<'_> {
    /// Asks everything about an attribute.
    pub(super) fn learn(&mut self, names: &'static Names, totals: &[Numbers]) -> Learned {
        let mut learned = Learned { totals: totals.to_vec(), ..Learned::default() };
        let attribute = names.attribute.as_str();
        let dimension = format!("visit:{attribute}");
        let days = self.site.days.clone();
        for (at, from) in days.iter().enumerate() {
            for to in days.iter().skip(at) {
                let range = json!([from.to_string(), to.to_string()]);
                let answer = self.ask(&range, &[&dimension]);
                self.read(&mut learned, names, &answer);
            }
        }
        let (first, last) = (days[0], days[days.len() - 1]);
        let whole = json!([first.to_string(), last.to_string()]);
        let closed = json!([first.to_string(), last.minus(1).to_string()]);
        for range in [&whole, &closed] {
            for bucket in ["time:day", "time:week", "time:month"] {
                let answer = self.ask(range, &[&dimension, bucket]);
                self.read(&mut learned, names, &answer);
            }
        }
        for range in NAMED {
            let answer = self.ask(&json!(range), &[&dimension]);
            self.read(&mut learned, names, &answer);
        }
        self.read_files(&mut learned, names, [first, last]);
        learned
    }

    /// All of each day.
    pub(super) fn totals(&mut self) -> Vec<Numbers> {
        let days = self.site.days.clone();
        let total = |day: &Day| {
            let answer = self.ask(&json!([day.to_string(), day.to_string()]), &[]);
            numbers(&answer["results"][0])
        };
        days.iter().map(total).collect()
    }

    fn ask(&mut self, range: &Value, dimensions: &[&str]) -> Value {
        let body = json!({
            "site_id": self.site.host, "metrics": METRICS, "date_range": range,
            "dimensions": dimensions,
        });
        self.send("POST /api/v2/query", &body.to_string())
    }

    fn send(&mut self, line: &str, body: &str) -> Value {
        self.questions += 1;
        let bearer = format!("Authorization: Bearer {}\r\n", self.token);
        let reply = self.server.send(line, &bearer, body).unwrap();
        assert_eq!(reply.status, 200, "{line} {body}: {}", reply.body);
        parse(&reply.body)
    }

    /// Exports, and the command: the same tables once more.
    fn read_files(&mut self, learned: &mut Learned, names: &'static Names, [from, to]: [Day; 2]) {
        let (host, by) = (self.site.host.clone(), names.attribute.as_str());
        let days = [[from, to], [from, from], [from.plus(1), to]];
        for [from, to] in days {
            let line = format!("GET /api/v1/export.json?site={host}&by={by}&from={from}&to={to}");
            let answer = self.send(&line, "");
            self.read(learned, names, &in_our_order(answer));
        }
        let [from, to] = [from, to].map(|day| day.to_string());
        let config = self.folder.join("headcount.toml");
        let args = ["stats", &host, "--by", by, "--from", &from, "--to", &to, "--format", "json"];
        let args = [&args[..], &["--config", config.to_str().unwrap()]].concat();
        let output = headcount(self.folder, &args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer = parse(&String::from_utf8_lossy(&output.stdout));
        self.questions += 1;
        self.read(learned, names, &in_our_order(answer));
    }

    /// The equations of an answer.
    fn read(&self, learned: &mut Learned, names: &'static Names, answer: &Value) {
        let bucket = answer["query"]["dimensions"].as_array().unwrap().get(1);
        let bucket = bucket.and_then(Value::as_str);
        let mut cells: BTreeMap<Vec<usize>, BTreeMap<&str, Numbers>> = BTreeMap::new();
        for days in self.buckets(answer, bucket) {
            cells.insert(days, BTreeMap::new());
        }
        for row in answer["results"].as_array().unwrap() {
            let name = row["dimensions"][0].as_str().unwrap();
            let days = match bucket {
                None => cells.keys().next().unwrap().clone(),
                Some(bucket) => {
                    let label = Day::parse(row["dimensions"][1].as_str().unwrap()).unwrap();
                    let is_its =
                        |days: &&Vec<usize>| start(bucket, self.site.days[days[0]]) == label;
                    cells.keys().find(is_its).unwrap().clone()
                }
            };
            let told = cells.get_mut(&days).unwrap().insert(name, numbers(row));
            assert_eq!(told, None, "a name comes twice: {answer}");
        }
        let everywhere: BTreeSet<&str> = cells.values().flat_map(BTreeMap::keys).copied().collect();
        for (days, told) in cells {
            let mut sum = [0; 3];
            told.values().for_each(|numbers| add(&mut sum, numbers));
            let mut all = [0; 3];
            days.iter().for_each(|at| add(&mut all, &learned.totals[*at]));
            assert_eq!(sum, all, "an answer has not the total of its days: {answer}");
            for name in names.known {
                let numbers = match told.get(name) {
                    Some(numbers) => *numbers,
                    // What is told of another bucket is told of all.
                    None if everywhere.contains(name) || !everywhere.contains(OTHER) => [0; 3],
                    None => continue,
                };
                learned.equations.insert(Equation { days: days.clone(), name, numbers });
            }
            let is_known = |name: &&&str| **name == OTHER || names.known.contains(*name);
            assert!(told.keys().all(|name| is_known(&name)), "a name that nobody has: {answer}");
        }
    }

    /// The days with counts of each bucket of an answer.
    fn buckets(&self, answer: &Value, bucket: Option<&str>) -> Vec<Vec<usize>> {
        let date = |at: usize| {
            let text = answer["query"]["date_range"][at].as_str().unwrap();
            Day::parse(text.get(..10).unwrap()).unwrap()
        };
        let (from, to) = (date(0), date(1));
        let mut buckets: BTreeMap<Day, Vec<usize>> = BTreeMap::new();
        for (at, day) in self.site.days.iter().enumerate() {
            if (from..=to).contains(day) {
                let first = bucket.map_or(from, |bucket| start(bucket, *day));
                buckets.entry(first).or_default().push(at);
            }
        }
        buckets.into_values().collect()
    }
}

/// The first day of the bucket that a day lies in.
fn start(bucket: &str, day: Day) -> Day {
    match bucket {
        "time:day" => day,
        "time:week" => day.monday(),
        _ => day.minus(day.civil().2 - 1),
    }
}

fn add(sum: &mut Numbers, numbers: &Numbers) {
    sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}

/// The JSON of a body, which may come in chunks.
pub(super) fn parse(text: &str) -> Value {
    let text = text.get(text.find('{').unwrap()..=text.rfind('}').unwrap()).unwrap();
    serde_json::from_str(text).unwrap()
}

fn numbers(row: &Value) -> Numbers {
    let number = |at: usize| row["metrics"][at].as_u64().unwrap();
    [number(0), number(1), number(2)]
}

/// The answer of a file, whose metrics have an order of their own.
fn in_our_order(mut answer: Value) -> Value {
    let order: Vec<usize> = {
        let asked = answer["query"]["metrics"].as_array().unwrap();
        let place = |metric: &&str| asked.iter().position(|other| other == *metric).unwrap();
        METRICS.iter().map(place).collect()
    };
    for row in answer["results"].as_array_mut().unwrap() {
        let metrics: Vec<Value> = order.iter().map(|at| row["metrics"][*at].clone()).collect();
        row["metrics"] = metrics.into();
    }
    answer
}

/// What the SQL views say of closed days, which no answer can say more than.
pub(super) fn read_sql(data: &Path, site: &Site, names: &'static Names, learned: &mut Learned) {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(data.join("counts.db"), flags).unwrap();
    let mut get = db
        .prepare(
            "SELECT visitors, views, visits FROM attribute_counts \
             WHERE site = ? AND day = ? AND attribute = ? AND value = ?",
        )
        .unwrap();
    for (at, day) in site.days.iter().enumerate().take(site.days.len() - 1) {
        for name in names.known {
            let key = (&site.host, day.to_string(), names.attribute.as_str(), name);
            let number =
                |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            let found =
                get.query_row(key, |row| Ok([number(row, 0)?, number(row, 1)?, number(row, 2)?]));
            let numbers = found.unwrap_or_default();
            learned.equations.insert(Equation { days: vec![at], name, numbers });
        }
    }
}
