//! Kills of every part of a cluster under load: every answered hit counts exactly once.
//!
//! What it is not: a test of Kafka's or ClickHouse's own durability; a kill of a process leaves the
//! operating system's pages.
//!
//! What surprises: every hit has a page of its own, so the right answer is all ones.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headcount_core::failpoint;

use super::{Cluster, PARTITIONS, Servers, shared};
use crate::asked::asked;
use crate::crash::{Sent, word};
use crate::dice::Dice;
use crate::part::{Ended, Part};
use crate::server::{CHROME, Deployment, PATIENCE, SITE, ask};
use crate::until::until;

/// Room for a page a hit.
pub(crate) const SETTINGS: &str = "[limits]\npages_per_site_day = 10000000\nnames_total = 10000000\n\
    held_cells = 10000000\nhits_per_prefix_per_minute = 0\n";
/// Rounds without an environment that asks for more.
const ROUNDS: u64 = 8;
/// Times each failpoint is passed without an environment that asks for more.
const SEEDS: u64 = 1;
/// Failpoints that an aggregator passes; the others are a collector's.
const AGGREGATOR_FAILPOINTS: [&str; 3] = ["apply-before", "apply-after", "ack-after"];
/// From one hit of a sender to its next, unless the answer takes longer.
pub(crate) const HIT_INTERVAL: Duration = Duration::from_millis(8);

/// Who is killed in a round.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Collector(usize),
    Aggregator(usize),
    Broker,
    Engine,
}

/// Each part once, before chance takes over.
const FIRST: [Victim; 6] = [
    Victim::Engine,
    Victim::Aggregator(1),
    Victim::Broker,
    Victim::Collector(0),
    Victim::Aggregator(0),
    Victim::Collector(1),
];

impl Victim {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(6) {
            0 => Self::Broker,
            1 => Self::Engine,
            2 | 3 => Self::Aggregator(usize::from(dice.below(2) == 0)),
            _ => Self::Collector(usize::from(dice.below(2) == 0)),
        }
    }
}

/// Hits to whichever collectors are there, until it is over.
pub(crate) struct Load {
    addresses: Mutex<Vec<Option<String>>>,
    over: AtomicBool,
    sent: Mutex<Sent>,
}

/// Ends the load when dropped: a scope waits for its senders, also after a panic.
pub(crate) struct Ending<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let addresses = cluster.collectors.iter().map(|part| Some(part.address.clone()));
        Self {
            addresses: Mutex::new(addresses.collect()),
            over: AtomicBool::new(false),
            sent: Mutex::default(),
        }
    }

    /// Sends from so many threads, each once in an interval, while `body` runs; what was sent.
    pub(crate) fn during(&self, senders: usize, interval: Duration, body: impl FnOnce()) -> Sent {
        std::thread::scope(|scope| {
            let _ending = Ending(&self.over);
            for sender in 0..senders {
                scope.spawn(move || self.send(sender, interval));
            }
            body();
        });
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// Sends hits one after the other, each with a page of its own.
    fn send(&self, sender: usize, interval: Duration) {
        let (mut number, mut due) = (0, Instant::now());
        while !self.over.load(Ordering::Relaxed) {
            // Who is late is not so for ever: what was missed is not made up for.
            due = (due + interval).max(Instant::now());
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let address = {
                let addresses = self.addresses.lock().unwrap();
                addresses[number % addresses.len()].clone()
            };
            number += 1;
            let Some(address) = address else { continue };
            let page = format!("/s{}/{}", word(sender), word(number));
            let body = format!("{{\"s\":\"{SITE}\",\"p\":\"{page}\"}}");
            let reply = ask(&address, "POST /hit", &format!("User-Agent: {CHROME}\r\n"), &body);
            let answered = reply.is_some_and(|reply| reply.status == 204);
            self.sent.lock().unwrap().pages.insert(page, answered);
        }
    }

    /// The pages answered so far.
    pub(crate) fn answered(&self) -> Vec<String> {
        let sent = self.sent.lock().unwrap();
        let answered = sent.pages.iter().filter(|(_, answered)| **answered);
        answered.map(|(page, _)| page.clone()).collect()
    }

    fn moved(&self, collector: usize, address: Option<String>) {
        self.addresses.lock().unwrap()[collector] = address;
    }
}

impl Cluster {
    /// The views of each page; `None` while the store is away.
    fn counted(&self) -> Option<HashMap<String, i64>> {
        let text =
            self.text("SELECT page, sum(views) FROM page_counts GROUP BY page FORMAT TSV")?;
        let rows = text.lines().map(|line| line.split_once('\t').unwrap());
        Some(rows.map(|(page, views)| (page.to_owned(), views.parse().unwrap())).collect())
    }

    /// Waits until these pages are in the store, whatever else comes meanwhile.
    pub(crate) fn arrive(&self, pages: &[String]) {
        let mut missing = pages.len();
        let is_there = until(PATIENCE, || {
            let counted = self.counted().unwrap_or_default();
            missing = pages.iter().filter(|page| !counted.contains_key(*page)).count();
            missing == 0
        });
        assert!(is_there, "{missing} of {} pages did not arrive", pages.len());
    }

    /// Waits until everything answered is there, and compares page by page.
    pub(crate) fn settle(&self, sent: &Sent, label: &str) -> Duration {
        let answered = sent.pages.values().filter(|answered| **answered).count();
        assert!(answered > 0, "{label}: no hit was answered");
        let begun = Instant::now();
        let expect = i64::try_from(answered).unwrap();
        until(PATIENCE, || self.number("SELECT sum(views) FROM page_counts") >= expect);
        let drained = begun.elapsed();
        // What was not answered may still come.
        std::thread::sleep(Duration::from_secs(3));
        let counted = self.counted().unwrap();
        for (page, views) in &counted {
            assert!(sent.pages.contains_key(page), "{label}: {page} was never sent");
            assert_eq!(*views, 1, "{label}: {page}");
        }
        let missing: Vec<_> = sent
            .pages
            .iter()
            .filter(|(page, answered)| **answered && !counted.contains_key(*page))
            .collect();
        assert!(
            missing.is_empty(),
            "{label}: {} answered and lost: {:?}",
            missing.len(),
            missing[0]
        );
        self.assert_balanced();
        #[expect(clippy::print_stderr, reason = "figures of the campaign, shown with --nocapture")]
        {
            let (sent, counted) = (sent.pages.len(), counted.len());
            eprintln!(
                "{label}: {sent} hits sent, {answered} answered, {counted} counted, drained in \
                 {drained:.1?}"
            );
        }
        drained
    }
}

fn rounds() -> u64 {
    asked("HEADCOUNT_TEST_CLUSTER_ROUNDS", ROUNDS)
}

impl Cluster {
    /// Kills one part and starts it again.
    fn kill(&mut self, victim: Victim, load: &Load, servers: &mut Servers, pause: Duration) {
        match victim {
            Victim::Collector(at) => {
                load.moved(at, None);
                self.collectors.remove(at).kill();
                std::thread::sleep(pause);
                let part = self.collector(at, &[]).unwrap();
                load.moved(at, Some(part.address.clone()));
                self.collectors.insert(at, part);
            }
            Victim::Aggregator(at) => {
                self.aggregators.remove(at).kill();
                std::thread::sleep(pause);
                let part = self.aggregator(at, &[]).unwrap();
                self.aggregators.insert(at, part);
            }
            Victim::Broker => {
                servers.kafka.kill();
                std::thread::sleep(pause);
                servers.kafka.start_again();
            }
            Victim::Engine => {
                servers.kill_engine();
                std::thread::sleep(pause);
                servers.start_engine();
            }
        }
    }
}

fn seeds() -> u64 {
    asked("HEADCOUNT_TEST_CLUSTER_SEEDS", SEEDS)
}

#[test]
fn answered_hits_survive_kills_of_any_part() {
    let mut servers = Servers::start();
    let mut dice = Dice(0xc1a5);
    let mut cluster = Cluster::new(&servers, SETTINGS);
    cluster.run(2, 2);
    let load = Load::new(&cluster);
    let sent = load.during(4, HIT_INTERVAL, || {
        for round in 0..rounds() {
            std::thread::sleep(Duration::from_millis(200 + dice.below(1_500)));
            let pause = Duration::from_millis(dice.below(1_000));
            let first = FIRST.get(usize::try_from(round).unwrap()).copied();
            let victim = first.unwrap_or_else(|| Victim::draw(&mut dice));
            cluster.kill(victim, &load, &mut servers, pause);
        }
    });
    cluster.settle(&sent, &format!("{} kills of any part", rounds()));
}

/// Every named place in collector, shipper and aggregator, passed for the first time or later.
#[test]
fn answered_hits_survive_every_failpoint_of_the_cluster() {
    let mut dice = Dice(0xfa17);
    let mut cluster = Cluster::new(shared(), SETTINGS);
    cluster.run(1, 1);
    let load = Load::new(&cluster);
    let sent = load.during(1, HIT_INTERVAL, || {
        for name in failpoint::NAMES {
            for time in 0..seeds() {
                let nth = if time == 0 { 1 } else { 2 + dice.below(4) };
                let text = format!("{name}:{nth}");
                let environment = [("HEADCOUNT_FAILPOINT", text.as_str())];
                if AGGREGATOR_FAILPOINTS.contains(&name) {
                    cluster.aggregators.remove(0).kill();
                    await_abort(cluster.aggregator(0, &environment), &text);
                    cluster.aggregators.push(cluster.aggregator(0, &[]).unwrap());
                } else {
                    load.moved(0, None);
                    cluster.collectors.remove(0).kill();
                    let part = cluster.collector(0, &environment);
                    load.moved(0, part.as_ref().ok().map(|part| part.address.clone()));
                    await_abort(part, &text);
                    let part = cluster.collector(0, &[]).unwrap();
                    load.moved(0, Some(part.address.clone()));
                    cluster.collectors.push(part);
                }
            }
        }
    });
    let label = format!("{} failpoints, {} times each", failpoint::NAMES.len(), seeds());
    cluster.settle(&sent, &label);
}

/// Waits for the failpoint, and for no other end. All but those of a hit may be passed at a start
/// already.
fn await_abort(started: Result<Part, Ended>, failpoint: &str) {
    let mut part = match started {
        Ok(part) => part,
        Err(ended) => {
            assert!(!failpoint.starts_with("hit-"), "{ended:?}");
            return ended.assert_aborted(failpoint);
        }
    };
    let mut ended = None;
    until(PATIENCE, || {
        ended = part.ended();
        ended.is_some()
    });
    let ended = ended.unwrap_or_else(|| panic!("failpoint {failpoint} was not passed"));
    ended.assert_aborted(failpoint);
}

/// An aggregator that hangs is no reason to wait: another takes over, and when the first goes on,
/// nothing counts twice.
#[test]
fn a_stopped_aggregator_is_replaced_and_its_return_counts_nothing_twice() {
    let mut cluster = Cluster::new(shared(), SETTINGS);
    cluster.run(1, 2);
    let load = Load::new(&cluster);
    let sent = load.during(1, HIT_INTERVAL, || {
        std::thread::sleep(Duration::from_secs(3));
        cluster.aggregators[0].signal("STOP");
        // What it has under way may still be written; what comes now is another's to write.
        std::thread::sleep(Duration::from_secs(1));
        cluster.arrive(&load.answered());
        cluster.aggregators[0].signal("CONT");
        std::thread::sleep(Duration::from_secs(5));
    });
    cluster.settle(&sent, "an aggregator that hung");
}

/// A handover cut short: whoever gave a partition away is killed, and the broker with it, before
/// the group has given it to another.
#[test]
fn a_handover_cut_short_leaves_no_partition_without_an_owner() {
    let mut servers = Servers::start();
    let mut cluster = Cluster::new(&servers, SETTINGS);
    cluster.run(1, 1);
    assert!(until(PATIENCE, || owned(&cluster.aggregators[0]) == PARTITIONS));
    cluster.aggregators.push(cluster.aggregator(1, &[]).unwrap());
    assert!(until(PATIENCE, || owned(&cluster.aggregators[0]) < PARTITIONS));
    servers.kafka.kill();
    cluster.aggregators.remove(0).kill();
    servers.kafka.start_again();
    cluster.aggregators.insert(0, cluster.aggregator(0, &[]).unwrap());
    let sent = Load::new(&cluster).during(1, HIT_INTERVAL, || {
        std::thread::sleep(Duration::from_secs(3));
    });
    cluster.settle(&sent, "a handover cut short");
    let owners: Vec<_> = cluster.aggregators.iter().map(owned).collect();
    assert_eq!(owners.iter().sum::<u32>(), PARTITIONS, "{owners:?}");
}

/// Partitions that an aggregator has.
fn owned(aggregator: &Part) -> u32 {
    let metrics = aggregator.ask_ops("/metrics").body;
    let lines = metrics.lines().filter(|line| line.starts_with("headcount_lag_records{"));
    u32::try_from(lines.count()).unwrap()
}

/// What goes wrong under load is said at once; nobody waits for senders without an end.
#[test]
fn a_panic_under_load_ends_the_load() {
    let load = Load {
        addresses: Mutex::new(vec![None]),
        over: AtomicBool::new(false),
        sent: Mutex::default(),
    };
    let body = || load.during(2, HIT_INTERVAL, || panic!("on purpose"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err());
}
