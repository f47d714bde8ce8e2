//! A day that runs: who asks all the time, and who comes himself as many visitors.
//!
//! What it is not: about closed days, of which the solver knows everything that is told.
//!
//! What surprises: one test shows what an attacker gets. It is a limit of the README, and stays one
//! only as long as this test says how much it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::asking::parse;
use crate::dice::Dice;
use crate::pipeline::{PROXY, text};
use crate::server::{Deployment as _, PATIENCE, SITE, Server, headcount};
use crate::until::until;

/// Visitors of the day that is polled.
const VISITORS: u64 = 90;
/// Between two visitors.
const PAUSE: Duration = Duration::from_millis(25);
/// In which a crowd has left the edge.
const LEAVING: Duration = Duration::from_secs(3);
/// What small values are told as.
const OTHER: &str = "(other)";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.";

/// A running server, and somebody with a token who also visits.
struct Attacker {
    dir: tempfile::TempDir,
    server: Server,
    bearer: String,
}

/// Visitors by value, as the day of now is told.
type Told = BTreeMap<String, u64>;

impl Attacker {
    fn start(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path(), &format!("{settings}{PROXY}"), &[]);
        let made = headcount(dir.path(), &["token", "add", "--site", SITE]);
        let bearer = format!("Authorization: Bearer {}\r\n", text(&made.stdout).trim());
        Self { dir, server, bearer }
    }

    /// A visit, counted when this comes back; the agents of a browser differ by `number`.
    fn visit(&self, network: u64, (browser, number): (&str, u64), source: &str) {
        let agent = match browser {
            "Firefox" => format!("{FIREFOX}{number}"),
            other => format!(
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 {other}/131.0.0.{number} Safari/537.36"
            ),
        };
        let headers = format!("User-Agent: {agent}\r\nX-Forwarded-For: 198.51.{network}.7\r\n");
        let body = json!({ "s": SITE, "p": "/", "r": format!("https://{source}/") });
        let reply = self.server.send("POST /hit", &headers, &body.to_string()).unwrap();
        assert_eq!(reply.status, 204);
    }

    fn told(&self, attribute: &str) -> Told {
        let question = json!({
            "site_id": SITE, "metrics": ["visitors"], "date_range": "7d",
            "dimensions": [format!("visit:{attribute}")],
        });
        let line = "POST /api/v2/query";
        let reply = self.server.send(line, &self.bearer, &question.to_string()).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        let answer = parse(&reply.body);
        let rows = answer["results"].as_array().unwrap().iter();
        let row = |row: &Value| {
            let name = row["dimensions"][0].as_str().unwrap().to_owned();
            (name, row["metrics"][0].as_u64().unwrap())
        };
        rows.map(row).collect()
    }

    /// Visits himself until all that came has left together; how many visits that took.
    fn empty_the_edge(&self, crowd: u64, own: impl Fn(u64)) -> u64 {
        let told = || self.told("browser").values().sum::<u64>();
        let mut sent = 0;
        loop {
            own(sent);
            sent += 1;
            let is_empty = || told() == sent;
            if sent >= 2 * crowd && sent - told() >= crowd && until(LEAVING, is_empty) {
                return sent;
            }
            assert!(sent < 40 * crowd, "the edge keeps something back");
        }
    }

    /// What is told as soon as so many visitors are in it.
    fn told_of(&self, attribute: &str, visitors: u64) -> Told {
        let mut told = Told::new();
        let is_there = until(PATIENCE, || {
            told = self.told(attribute);
            told.values().sum::<u64>() >= visitors
        });
        assert!(is_there, "{visitors} visitors never left the edge: {told:?}");
        told
    }
}

/// What somebody has seen who asked all the time.
struct Seen {
    /// How many visitors more there were, each time there were more.
    steps: Vec<u64>,
    /// Each value when it was first told.
    first: Told,
}

/// Asks while visitors come, one after the other, until the last crowd has left.
fn poll(attacker: &Attacker, crowd: u64) -> Seen {
    let last = VISITORS / crowd * crowd;
    let done = AtomicBool::new(false);
    let mut seen = Seen { steps: Vec::new(), first: Told::new() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice(5);
            for number in 0..VISITORS {
                let source = dice.pick(&["a.example", "a.example", "b.example", "c.example"]);
                attacker.visit(number, ("Firefox", 0), source);
                std::thread::sleep(PAUSE);
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut before = 0;
        let all = until(PATIENCE, || {
            let told = attacker.told("source");
            let sum = told.values().sum::<u64>();
            assert!(sum >= before, "visitors went away: {told:?}");
            if sum > before {
                seen.steps.push(sum - before);
            }
            before = sum;
            for (name, visitors) in told {
                seen.first.entry(name).or_insert(visitors);
            }
            // Two crowds may leave as one, and what is left then may be less than another.
            done.load(Ordering::SeqCst) && sum + crowd > last
        });
        assert!(all, "{before} of {VISITORS} left the edge");
    });
    seen
}

#[test]
#[expect(clippy::print_stdout, reason = "what polling has seen, for whoever asks")]
fn polling_sees_crowds_and_no_visitor() {
    for (settings, crowd, k) in [("", 8, 5), ("preset = \"strict\"\n", 20, 10)] {
        let attacker = Attacker::start(settings);
        let Seen { steps, first } = poll(&attacker, crowd);
        println!("{settings:?}: {VISITORS} visitors in steps of {steps:?}, first told {first:?}");
        assert!(steps.iter().all(|step| *step >= crowd), "{settings:?}: {steps:?}");
        assert!(steps.len() > 1, "nothing was polled: {steps:?}");
        let named = || first.iter().filter(|(name, _)| **name != *OTHER);
        assert!(named().all(|(_, visitors)| *visitors >= k), "{settings:?}: {first:?}");
        assert_eq!(named().count() > 0, settings.is_empty(), "{settings:?}: {first:?}");
    }
}

/// The limit of crowds: whoever is all but one of a crowd, from one network with as many agents, and
/// has lifted the values before, subtracts himself. The strict preset tells him nothing of the day.
#[test]
fn who_is_the_rest_of_a_crowd_sees_the_one_who_is_not() {
    for (settings, crowd) in [("", 8u64), ("preset = \"strict\"\n", 20)] {
        let attacker = Attacker::start(settings);
        let own = |number: u64| {
            let even = number.is_multiple_of(2);
            let (browser, source) =
                if even { ("Firefox", "a.example") } else { ("Chrome", "b.example") };
            attacker.visit(1, (browser, number), source);
        };
        let before = attacker.empty_the_edge(crowd, own);
        let [browsers, sources] =
            ["browser", "source"].map(|attribute| attacker.told_of(attribute, before));
        attacker.visit(2, ("Firefox", 0), "b.example");
        // As many of the first kind as there may be, and one of the second less.
        (0..crowd - 1).for_each(|number| own(before + before % 2 + number));
        let learned = |attribute, old: &Told| {
            let told = attacker.told_of(attribute, before + crowd);
            let is_more = |name: &str, own: u64| {
                let more = told.get(name).zip(old.get(name)).map(|(new, old)| new - old);
                more.is_some_and(|more| more > own)
            };
            [["Firefox", "a.example"], ["Chrome", "b.example"]]
                .into_iter()
                .zip([crowd / 2, (crowd - 1) / 2])
                .flat_map(|(names, own)| names.map(|name| (name, own)))
                .filter(|(name, own)| is_more(name, *own))
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let found = [learned("browser", &browsers), learned("source", &sources)].concat();
        let expect: &[&str] = if settings.is_empty() { &["Firefox", "b.example"] } else { &[] };
        assert_eq!(found, expect, "{settings:?} in {}", attacker.dir.path().display());
    }
}
