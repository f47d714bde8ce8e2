//! What an aggregator refuses to start with, each in one line that names it; and what every room says
//! when others could read along.
//!
//! What it is not: about what is merely away; that is waited for.
//!
//! What surprises: nothing is checked by a promise. The server and the topic are asked.

use super::{Cluster, query, shared};

/// Starts an aggregator that must refuse; its one line.
fn refused(cluster: &Cluster, environment: &[(&str, &str)]) -> String {
    let said = cluster.aggregator(9, environment).err().unwrap().said;
    let complaints: Vec<_> = said.lines().filter(|line| line.starts_with("headcount: ")).collect();
    assert_eq!(complaints.len(), 1, "{said}");
    complaints[0].to_owned()
}

#[test]
fn a_missing_topic_and_one_that_is_not_fit() {
    let cluster = Cluster::new(shared(), "");
    let line = refused(&cluster, &[("HEADCOUNT_KAFKA_CREATE_TOPIC", "false")]);
    assert!(line.contains("topic") && line.contains("does not exist"), "{line}");
    cluster.aggregator(0, &[]).unwrap().stop();
    let line = refused(&cluster, &[("HEADCOUNT_KAFKA_PARTITIONS", "7")]);
    assert!(line.contains("partitions") && line.contains('7') && line.contains('3'), "{line}");
}

#[test]
fn a_table_that_would_not_keep_the_books() {
    let cluster = Cluster::new(shared(), "");
    cluster.aggregator(0, &[]).unwrap().stop();
    let window = "ALTER TABLE counts MODIFY SETTING non_replicated_deduplication_window = 0";
    query(&cluster.engine, &cluster.database, window).unwrap();
    let line = refused(&cluster, &[]);
    assert!(line.contains("non_replicated_deduplication_window"), "{line}");
}

#[test]
fn a_database_that_is_not_there_and_a_section_that_is_empty() {
    let cluster = Cluster::new(shared(), "");
    let line = refused(&cluster, &[("HEADCOUNT_CLICKHOUSE_DATABASE", "nowhere")]);
    assert!(line.contains("nowhere"), "{line}");
    let line = refused(&cluster, &[("HEADCOUNT_CLICKHOUSE_URL", "")]);
    assert!(line.contains("clickhouse.url"), "{line}");
    let line = refused(&cluster, &[("HEADCOUNT_CLICKHOUSE_PASSWORD_FILE", "/nowhere/secret")]);
    assert!(line.contains("clickhouse.password_file"), "{line}");
}

/// Lines of a room's log about plain text, by the part that they name.
fn open_ways(said: &str) -> Vec<&'static str> {
    let lines = said.lines().filter(|line| line.contains("this connection is plain text"));
    lines
        .map(|line| {
            assert!(line.contains("WARN") && line.contains("0.0.0.0:"), "{line}");
            if line.contains("clickhouse") { "clickhouse" } else { "kafka" }
        })
        .collect()
}

#[test]
fn each_room_says_when_it_speaks_plain_text_beyond_this_machine() {
    let cluster = Cluster::new(shared(), "");
    // An address that is not one of the loopback, and leads here.
    let elsewhere = |address: &str| address.replacen("127.0.0.1", "0.0.0.0", 1);
    let (brokers, url) =
        (elsewhere(shared().kafka.brokers()), elsewhere(&format!("http://{}", cluster.engine)));
    let far = [("HEADCOUNT_KAFKA_BROKERS", &*brokers), ("HEADCOUNT_CLICKHOUSE_URL", &*url)];
    for (environment, both, kafka, clickhouse) in [
        (&far[..], &["kafka", "clickhouse"][..], &["kafka"][..], &["clickhouse"][..]),
        (&[], &[], &[], &[]),
    ] {
        let aggregator = cluster.aggregator(0, environment).unwrap();
        let collector = cluster.collector(0, environment).unwrap();
        let serve = cluster.server_in(environment).unwrap();
        assert_eq!(open_ways(&aggregator.said()), both);
        assert_eq!(open_ways(&collector.said()), kafka);
        assert_eq!(open_ways(&serve.said()), clickhouse);
        for part in [aggregator, collector, serve] {
            assert_eq!(part.stop(), Some(0));
        }
    }
}
