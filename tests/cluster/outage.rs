//! Kafka or ClickHouse away while hits go on: none refused, none lost, and soon caught up.
//!
//! What it is not: ten minutes long in every run; `HEADCOUNT_TEST_OUTAGE_SECONDS=600` makes it so.
//!
//! What surprises: an outage costs the edge the distinct cells of its time, not its hits.

use std::time::{Duration, Instant};

use super::crash::{Load, SETTINGS};
use super::{Cluster, Servers};
use crate::asked::asked;

/// Seconds without an environment that asks for more.
const OUTAGE_SECONDS: u64 = 8;
/// Caught up within.
const DRAIN_MAX: Duration = Duration::from_secs(240);
/// Senders, and the time from one hit of each to its next: 500 hits a second.
const SENDERS: usize = 10;
const HIT_INTERVAL: Duration = Duration::from_millis(20);

fn outage() -> Duration {
    Duration::from_secs(asked("HEADCOUNT_TEST_OUTAGE_SECONDS", OUTAGE_SECONDS))
}

fn through(label: &str, away: impl FnOnce(&mut Servers)) {
    let mut servers = Servers::start();
    let mut cluster = Cluster::new(&servers, SETTINGS);
    cluster.run(1, 1);
    let load = Load::new(&cluster);
    let begun = Instant::now();
    let sent = load.during(SENDERS, HIT_INTERVAL, || {
        std::thread::sleep(Duration::from_secs(2));
        away(&mut servers);
        std::thread::sleep(Duration::from_secs(1));
    });
    let rate = sent.pages.len() as f64 / begun.elapsed().as_secs_f64();
    let refused = sent.pages.values().filter(|answered| !**answered).count();
    assert_eq!(refused, 0, "{label}: hits were refused");
    let label = format!("{label}, {rate:.0} hits a second");
    assert!(cluster.settle(&sent, &label) < DRAIN_MAX, "{label}: not caught up in time");
}

#[test]
fn without_kafka_hits_are_accepted_and_arrive_afterwards() {
    through(&format!("kafka away for {:?}", outage()), |servers| {
        servers.kafka.kill();
        std::thread::sleep(outage());
        servers.kafka.start_again();
    });
}

#[test]
fn without_clickhouse_hits_are_accepted_and_arrive_afterwards() {
    through(&format!("clickhouse away for {:?}", outage()), |servers| {
        servers.kill_engine();
        std::thread::sleep(outage());
        servers.start_engine();
    });
}
