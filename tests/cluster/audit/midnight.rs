//! Every channel's markers around the change of the day's key of a cluster's collector: sent before it,
//! while it comes, and after it, and found neither in the topic, nor in ClickHouse, nor at the edge.
//!
//! What it is not: another clock for everybody. Kafka, ClickHouse, the aggregator and the dashboard keep
//! the machine's; the collector and the audit live two days behind it, and catch up.
//!
//! What surprises: the collector is behind and never ahead, because Kafka refuses a record that is
//! more than an hour ahead of its own clock. What comes late goes into the partition of its own day.

use std::path::Path;

use headcount_audit::report::Status;

use super::{args_cluster, shipped};
use crate::audit::begun::Begun;
use crate::audit::gate::Gate;
use crate::audit::{Ended, assert_caught, assert_passed, check};
use crate::cluster::{Cluster, shared};
use crate::faketime::FakeTime;
use crate::memory::image::Image;
use crate::privacy::without_sanitiser;
use crate::server::{Deployment as _, PATIENCE};
use crate::until::until;

/// Where the collector's clock begins.
const BEGIN: &str = "-2d";
/// Requests before each midnight and while it comes, of some three hundred, and the clock afterwards.
/// The first comes among those that count, the second among broken, oversized and cut off ones.
const MIDNIGHTS: [(usize, usize, &str); 2] = [(10, 16, "-1d"), (100, 140, "+0")];
/// Days keep their small values: a close would take what a build keeps out of reach of the search. And
/// a small filter, so that an image is read soon.
const SETTINGS: &str = "k = 1\nk_day = 1\n[limits]\nvisitor_filter_mib = 4\n";
/// What must have been looked at, afterwards.
const PLACES: [&str; 7] = [
    "edge file",
    "log",
    "keys of Kafka's records",
    "headers of Kafka's records",
    "timestamps of Kafka's records",
    "values of Kafka's records",
    "tables of ClickHouse",
];

/// Audits a cluster whose collector is this build and lives through two midnights meanwhile.
fn audit_over_midnight(collector: &Path) -> Ended {
    let mut cluster = Cluster::new(shared(), SETTINGS);
    collector.clone_into(&mut cluster.edge);
    let time = FakeTime::new(cluster.folder()).with_kafka();
    time.set(BEGIN);
    cluster.aggregators = vec![cluster.aggregator(0, &[]).unwrap()];
    cluster.collectors = vec![cluster.collector(0, &time.environment()).unwrap()];
    let (serve, edge) = (cluster.server().unwrap(), cluster.collectors[0].pid());
    let gate = Gate::before(&cluster.collectors[0].address);
    let args = args_cluster(&cluster, &serve, &gate.address);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--seconds", "200"]).collect();
    let audit = Begun::new(shipped(), cluster.folder(), &args, &time.environment());
    gate.wait_until_held();
    for (before, while_it_comes, clock) in MIDNIGHTS {
        gate.allow(before);
        gate.wait_until_held();
        let key = Image::secrets_of(edge).key;
        assert!(!key.is_empty(), "no key in locked memory");
        time.set(clock);
        gate.allow(while_it_comes);
        let changed = || Image::secrets_of(edge).key != key;
        assert!(until(PATIENCE, changed), "the key of yesterday is still used");
        gate.wait_until_held();
    }
    gate.open();
    let ended = audit.end();
    // Each day's counts were inserted under the day that they are of.
    let days = "SELECT uniqExact(closed_day) FROM counts WHERE kind = 'batch'";
    assert!(cluster.number(days) >= 3, "{:?}", cluster.text(days));
    cluster.assert_balanced();
    assert_eq!(serve.stop(), Some(0));
    ended
}

#[test]
fn what_was_sent_around_midnight_of_a_cluster_is_counted_and_found_nowhere() {
    let ended = audit_over_midnight(shipped());
    assert_passed(&ended);
    for place in PLACES {
        let found = ended.report.artefacts.iter().find(|it| it.name == place).unwrap();
        assert_eq!(found.status, Status::Passed, "{found:?}");
    }
    assert_eq!(check(&ended.report, "the day's key"), Status::Passed);
    // One for each day, and only the collector tells of one.
    let keys = &ended.report.evidence.keys;
    assert!(keys.len() == 1 && keys[0].drawn > 2, "{keys:?}");
}

#[test]
fn a_collector_that_keeps_what_it_is_sent_is_caught_over_midnight() {
    let ended = audit_over_midnight(&without_sanitiser());
    // The edge has let yesterday's names go.
    assert_caught(&ended, &["values of Kafka's records", "tables of ClickHouse"]);
}
