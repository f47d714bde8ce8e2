//! How long Kafka's topic keeps what has travelled: what the broker says, told by doctor and data map.
//!
//! What it is not: a test that Kafka deletes. It is asked what it is set to, as an operator's tool would.
//!
//! What surprises: the topic is changed with the very line that the doctor prints, so that line works.

use serde_json::Value;

use super::{Cluster, shared};
use crate::server::headcount;
use crate::services::kafka::{jars, java};

/// Kafka's own tool, as `kafka-configs.sh` calls it.
const TOOL: &str = "kafka.admin.ConfigCommand";

fn alter(cluster: &Cluster, config: &str) {
    let out = java(&jars())
        .args([TOOL, "--bootstrap-server", shared().kafka.brokers(), "--alter"])
        .args(["--topic", &cluster.database, "--add-config", config])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

/// The doctor's finding about the topic.
fn finding(cluster: &Cluster) -> Value {
    let args = ["doctor", "--format", "json", "--config", &cluster.config()];
    let out = headcount(&cluster.folder().join("doctor"), &args);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let all = report["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["check"] == "kafka_topic").unwrap().clone()
}

/// The data map, and its exit code.
fn map(cluster: &Cluster) -> (String, Option<i32>) {
    let args = ["datamap", "--config", &cluster.config()];
    let out = headcount(&cluster.folder().join("doctor"), &args);
    (String::from_utf8(out.stdout).unwrap(), out.status.code())
}

#[test]
fn a_topic_that_keeps_records_too_long_is_told_by_doctor_and_map() {
    let cluster = Cluster::new(shared(), "");
    cluster.aggregator(0, &[]).unwrap().stop();
    assert_eq!(finding(&cluster)["level"], "ok");
    let (text, code) = map(&cluster);
    assert!(code == Some(0) && text.contains("No difference"), "{text}");

    alter(&cluster, "retention.ms=-1");
    let found = finding(&cluster);
    assert_eq!(found["level"], "weakens");
    assert!(found["what"].as_str().unwrap().contains("keeps records for ever"), "{found}");
    let (text, code) = map(&cluster);
    assert!(code == Some(1) && text.contains("topic: keeps records for ever"), "{text}");

    let line = found["mend"].as_str().unwrap();
    alter(&cluster, line.split_once("--add-config ").unwrap().1);
    assert_eq!(finding(&cluster)["level"], "ok", "the line that mends it");

    // Kafka's own default for a segment: a record may then stay for two weeks.
    alter(&cluster, "segment.ms=604800000");
    let found = finding(&cluster);
    assert!(found["what"].as_str().unwrap().contains("up to 14 days"), "{found}");
}
