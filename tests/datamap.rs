//! Where data lives, held to what is there: an embedded deployment and a cluster after traffic.
//!
//! What it is not: a search for visitors' data in it; see `privacy`.
//!
//! What surprises: the deployments are fresh, so a table that a migration adds and nobody maps fails
//! here.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use headcount_transport::kafka::{Heard, KafkaSubscriber};
use rusqlite::Connection;

use crate::cluster::{Cluster, PARTITIONS, shared};
use crate::pipeline::{PROXY, text, traffic};
use crate::server::{Deployment as _, PATIENCE, Server, headcount};
use crate::until::until;

/// How long one look for a message may take.
const HEARING: Duration = Duration::from_millis(200);

/// A command without a difference; what it printed.
fn agrees(output: &Output) -> String {
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    said
}

/// A command that found this.
fn finds(output: &Output, what: &str) {
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(what), "{what} is not in:\n{said}");
}

#[test]
fn an_embedded_deployment_has_what_its_map_has() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    traffic(&server);
    server.wait_for("SELECT count(*) > 0 FROM page_counts", 1);
    let map = agrees(&headcount(dir.path(), &["datamap"]));
    for part in ["## Counts, counts.db", "365 days", "key of the visitor count", "No difference"] {
        assert!(map.contains(part), "{part} is not in:\n{map}");
    }
    assert!(!map.contains("Kafka"), "{map}");
    agrees(&headcount(dir.path(), &["schema", "--check"]));
    let tables = agrees(&headcount(dir.path(), &["schema"]));
    assert!(tables.contains("counts.db.attribute_counts.value"), "{tables}");
    server.stop();

    std::fs::write(dir.path().join("data/hits.log"), "").unwrap();
    finds(&headcount(dir.path(), &["datamap", "--format", "json"]), "hits.log");
    agrees(&headcount(dir.path(), &["schema", "--check"]));
    let counts = Connection::open(dir.path().join("data/counts.db")).unwrap();
    // A country with a click target: two attributes of one visit side by side.
    let row = "INSERT INTO counts SELECT min(id), 17, 20000, 1, 2, 1, 1, 1, 0, 0 FROM sites";
    counts.execute_batch(row).unwrap();
    finds(&headcount(dir.path(), &["schema", "--check"]), "two attributes at once");
    counts.execute_batch("CREATE TABLE visits (ip TEXT, page TEXT)").unwrap();
    finds(&headcount(dir.path(), &["schema", "--check"]), "the table visits is there");
}

#[test]
fn a_cluster_has_what_its_map_has() {
    let mut cluster = Cluster::new(shared(), "");
    cluster.run(1, 1);
    traffic(&cluster);
    cluster.wait_for("SELECT count() > 0 FROM page_counts", 1);
    let command = |args: &[&str]| {
        let config = cluster.config();
        headcount(&cluster.folder().join("collect-0-map"), &[args, &["--config", &config]].concat())
    };
    let map = agrees(&command(&["datamap"]));
    for part in ["## Kafka, topic test_", "## ClickHouse, database test_", "No difference"] {
        assert!(map.contains(part), "{part} is not in:\n{map}");
    }
    // Another group that reads the topic, and a topic beside it.
    let mut settings = shared().kafka.settings(cluster.name(), PARTITIONS);
    settings.group += "-curious";
    let mut curious = KafkaSubscriber::connect(&settings).unwrap();
    let is_there = || matches!(curious.hear(HEARING), Ok(Heard::Assigned(_)));
    assert!(until(PATIENCE, is_there));
    let said = format!("group {0}-curious reads {0}, too", cluster.name());
    finds(&command(&["datamap"]), &said);
    drop(curious);
    settings.topic += "-raw";
    headcount_transport::kafka::topic::ensure(&settings, true).unwrap();
    let said = format!("the topic {} is there", settings.topic);
    finds(&command(&["datamap"]), &said);
    agrees(&command(&["schema", "--check"]));
    cluster.text("CREATE TABLE visits (ip IPv4) ENGINE = Log").unwrap();
    finds(&command(&["schema", "--check"]), "the table visits is there");
    cluster.text("DROP TABLE visits").unwrap();
    let row = "INSERT INTO counts (week, kind, site, bucket, name, target, views)
        VALUES (today(), 'country', 'example.org', toStartOfDay(now()), 'SE', '/a', 1)";
    cluster.text(row).unwrap();
    finds(&command(&["schema", "--check"]), "two attributes at once");
}

#[test]
fn a_part_that_does_not_answer_is_not_passed() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("headcount.toml");
    let away = "[clickhouse]\nurl = \"http://127.0.0.1:1\"\n";
    std::fs::write(&config, away).unwrap();
    let args = ["schema", "--check", "--config", path(&config)];
    finds(&headcount(dir.path(), &args), "clickhouse: was not looked at");
}

#[test]
fn a_folder_that_is_not_there_is_not_passed() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["datamap"][..], &["schema", "--check"]] {
        finds(&headcount(dir.path(), args), "folder: was not looked at");
    }
    assert!(!dir.path().join("data").exists(), "it changes nothing");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
