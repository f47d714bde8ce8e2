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
use crate::faketime::FakeTime;
use crate::pipeline::{PROXY, text};
use crate::server::{Deployment as _, PATIENCE, SITE, Server, headcount};
use crate::until::until;

/// Visitors of the day that is polled.
const VISITORS: u64 = 64;
/// Between two visitors.
const PAUSE: Duration = Duration::from_millis(25);
/// In which a crowd has left the edge.
const LEAVING: Duration = Duration::from_secs(10);
/// What small values are told as.
const OTHER: &str = "(other)";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.";

/// A running server, and somebody with a token who also visits.
struct Attacker {
    server: Server,
    clock: FakeTime,
    bearer: String,
    _dir: tempfile::TempDir,
}

/// Visitors by value, as the day of now is told.
type Told = BTreeMap<String, u64>;

impl Attacker {
    fn start(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = FakeTime::new(dir.path());
        let settings = format!("{settings}{PROXY}");
        let server = Server::start(dir.path(), &settings, &clock.environment());
        let made = headcount(dir.path(), &["token", "add", "--site", SITE]);
        let bearer = format!("Authorization: Bearer {}\r\n", text(&made.stdout).trim());
        Self { server, clock, bearer, _dir: dir }
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
    fn empty_the_edge(&self, crowd: u64) -> u64 {
        let told = || self.told("browser").values().sum::<u64>();
        let mut sent = 0;
        loop {
            self.visit_himself(sent);
            sent += 1;
            let is_empty = || told() == sent;
            if sent >= 2 * crowd && sent - told() >= crowd && until(LEAVING, is_empty) {
                return sent;
            }
            assert!(sent < 40 * crowd, "the edge keeps something back");
        }
    }

    /// A visit of his own: half of them with one browser and source, half with another.
    fn visit_himself(&self, number: u64) {
        let (browser, source) = [("Firefox", "a.example"), ("Chrome", "b.example")]
            [usize::try_from(number % 2).unwrap()];
        self.visit(1, (browser, number), source);
    }

    /// What more is told as soon as so many visitors are in it.
    fn more(&self, attribute: &str, before: &Told, visitors: u64) -> Told {
        let mut told = Told::new();
        let is_there = until(PATIENCE, || {
            told = self.told(attribute);
            told.values().sum::<u64>() >= visitors
        });
        assert!(is_there, "{visitors} visitors never left the edge: {told:?}");
        let more = |(name, visitors): (String, u64)| {
            let more = visitors - before.get(&name).unwrap_or(&0);
            (more > 0).then_some((name, more))
        };
        told.into_iter().filter_map(more).collect()
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
    let (done, has_seen) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut seen = Seen { steps: Vec::new(), first: Told::new() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice(5);
            for number in 0..VISITORS {
                let source = dice.pick(&["a.example", "a.example", "b.example", "c.example"]);
                attacker.visit(number, ("Firefox", 0), source);
                std::thread::sleep(PAUSE);
                // On a slow machine all could have come before the first look.
                if number == VISITORS / 2 {
                    until(PATIENCE, || has_seen.load(Ordering::SeqCst));
                }
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
                has_seen.store(true, Ordering::SeqCst);
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

/// These values, as they are told.
fn told<const N: usize>(values: [(&str, u64); N]) -> Told {
    values.into_iter().map(|(name, visitors)| (name.to_owned(), visitors)).collect()
}

/// The limit of crowds: whoever is all but one of a crowd, from one network with as many agents, and
/// has lifted the values before, subtracts himself. The strict preset tells him nothing of the day.
#[test]
fn who_is_the_rest_of_a_crowd_sees_the_one_who_is_not() {
    for (settings, crowd) in [("", 8), ("preset = \"strict\"\n", 20)] {
        let attacker = Attacker::start(settings);
        let sent = attacker.empty_the_edge(crowd);
        let [browsers, sources] = ["browser", "source"].map(|attribute| attacker.told(attribute));
        attacker.visit(2, ("Firefox", 0), "b.example");
        let own = sent.next_multiple_of(2)..;
        own.take(usize::try_from(crowd - 1).unwrap()).for_each(|it| attacker.visit_himself(it));
        let browsers = attacker.more("browser", &browsers, sent + crowd);
        let sources = attacker.more("source", &sources, sent + crowd);
        let (expect_browsers, expect_sources) = if settings.is_empty() {
            // His own are four and three of each.
            (told([("Firefox", 5), ("Chrome", 3)]), told([("a.example", 4), ("b.example", 4)]))
        } else {
            (told([(OTHER, crowd)]), told([(OTHER, crowd)]))
        };
        assert_eq!((browsers, sources), (expect_browsers, expect_sources), "{settings:?}");
    }
}

/// The other limit: who is left at midnight leaves without a crowd, and somebody who asked before and
/// after sees what is one visitor's, where the values were told before.
#[test]
fn the_last_of_a_day_may_be_one() {
    let attacker = Attacker::start("");
    let sent = attacker.empty_the_edge(8);
    let [browsers, sources] = ["browser", "source"].map(|attribute| attacker.told(attribute));
    attacker.visit(2, ("Firefox", 0), "b.example");
    attacker.clock.set("+1d");
    assert_eq!(attacker.more("browser", &browsers, sent + 1), told([("Firefox", 1)]));
    assert_eq!(attacker.more("source", &sources, sent + 1), told([("b.example", 1)]));
}
