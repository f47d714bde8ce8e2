//! Every channel's markers while Kafka and ClickHouse are away: they wait at the edge, then in the topic
//! with ClickHouse still away, arrive afterwards, and are found nowhere, in the servers' own folders
//! neither.
//!
//! What it is not: load. How many hits an outage may last is `crate::cluster::outage`.
//!
//! What surprises: the audit is the shipped command and knows of no outage. Its own controls show that
//! what it sent meanwhile was counted, and a build that keeps what it is sent is caught all the same.

use std::path::Path;
use std::time::Duration;

use super::{args_cluster, shipped};
use crate::audit::begun::Begun;
use crate::audit::gate::Gate;
use crate::audit::{Ended, assert_caught, assert_passed};
use crate::cluster::{Cluster, Servers};
use crate::privacy::without_sanitiser;
use crate::server::PATIENCE;
use crate::until::until;

/// Longer than from one release to the next.
const RELEASES: Duration = Duration::from_secs(1);
/// The site that the audit sends to.
const AUDITED: &str = "audit.invalid";

/// Audits a cluster whose collector is this build.
fn audit_through_outages(collector: &Path) -> Ended {
    let mut servers = Servers::start();
    let mut cluster = Cluster::new(&servers, "");
    collector.clone_into(&mut cluster.edge);
    cluster.run(1, 1);
    let serve = cluster.server().unwrap();
    let gate = Gate::before(&cluster.collectors[0].address);
    let mut args = args_cluster(&cluster, &serve, &gate.address);
    for folder in servers.folders() {
        args.extend(["--also".to_owned(), folder.to_str().unwrap().to_owned()]);
    }
    args.extend(["--seconds", "400"].map(str::to_owned));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let audit = Begun::new(shipped(), cluster.folder(), &args, &[]);
    gate.wait_until_held();
    servers.kafka.kill();
    servers.kill_engine();
    let edge = |name: &str| cluster.collectors[0].metric(name);
    assert_eq!(edge("headcount_hits_accepted_total"), 0);
    gate.open();
    // It asks for the counts: everything is sent, and nothing has left the edge.
    audit.wait_for_command("stats");
    assert!(edge("headcount_hits_accepted_total") > 20);
    assert!(edge("headcount_outbox_batches") > 0);
    servers.kafka.start_again();
    // What still waits for a crowd stays at the edge; the rest goes.
    let mut held = -1;
    let is_on_its_way = || {
        std::thread::sleep(RELEASES);
        let before = std::mem::replace(&mut held, edge("headcount_held_cells"));
        before == held && edge("headcount_outbox_batches") == 0
    };
    assert!(until(PATIENCE, is_on_its_way), "it does not go to the topic");
    assert!(cluster.cat().contains(AUDITED));
    servers.start_engine();
    let ended = audit.end();
    cluster.assert_balanced();
    assert_eq!(serve.stop(), Some(0));
    ended
}

#[test]
fn what_was_sent_without_kafka_and_clickhouse_is_counted_and_found_nowhere() {
    assert_passed(&audit_through_outages(shipped()));
}

#[test]
fn a_collector_that_keeps_what_it_is_sent_is_caught_through_outages() {
    let ended = audit_through_outages(&without_sanitiser());
    let places = ["edge file", "values of Kafka's records", "tables of ClickHouse"];
    assert_caught(&ended, &places);
}
