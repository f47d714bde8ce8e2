//! A collector whose clock is ahead of Kafka's.
//!
//! What it is not: a promise of what day such a hit is counted under. It is the collector's.
//!
//! What surprises: Kafka 4 refuses records that are more than an hour ahead of its clock, and a record of
//! the outbox tells the hour of its sending. So it goes as soon as the clock is right.

use super::{Cluster, shared};
use crate::faketime::FakeTime;
use crate::pipeline::ALL_AT_ONCE;
use crate::server::{CHROME, Deployment as _, PATIENCE, SITE};
use crate::until::until;

#[test]
fn a_collector_a_day_ahead_waits_and_loses_nothing() {
    let mut cluster = Cluster::new(shared(), ALL_AT_ONCE);
    let time = FakeTime::new(cluster.folder()).with_kafka();
    time.set("+1d");
    cluster.aggregators = vec![cluster.aggregator(0, &[]).unwrap()];
    cluster.collectors = vec![cluster.collector(0, &time.environment()).unwrap()];
    let (headers, body) =
        (format!("User-Agent: {CHROME}\r\n"), format!("{{\"s\":\"{SITE}\",\"p\":\"/a\"}}"));
    assert_eq!(cluster.send("POST /hit", &headers, &body).unwrap().status, 204);
    let is_refused = || cluster.collectors[0].said().contains("Broker: Invalid timestamp");
    assert!(until(PATIENCE, is_refused), "{}", cluster.collectors[0].said());
    assert!(cluster.collectors[0].metric("headcount_outbox_batches") > 0);
    assert_eq!(cluster.number("SELECT sum(views) FROM page_counts"), 0);
    time.set("+0");
    cluster.wait_for("SELECT sum(views) FROM page_counts", 1);
    cluster.assert_balanced();
}
