//! What an aggregator refuses to start with, each in one line that names it.
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
