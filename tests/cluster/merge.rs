//! An embedded folder that joins a cluster: its counts arrive once, whatever is killed on the way.
//!
//! What it is not: about hits. Nothing is answered while a folder is merged.
//!
//! What surprises: the counts expected are those of the embedded folder, because nothing else may
//! come out.

use std::process::{Command, Output};

use headcount_core::batch::Batch;
use headcount_core::cell::{CellKey, Counts};
use headcount_core::time::Day;
use headcount_store::{Insert, sqlite};

use super::{Cluster, shared};
use crate::pipeline::{ALL_AT_ONCE, PROXY, every_view_holds_the_traffic, views_hold_the_traffic};
use crate::server::{CHROME, Deployment as _, SITE, Server, number_in};

/// One view.
const VIEW: &str = "{\"s\":\"example.org\",\"p\":\"/else\"}";

/// `headcount merge` of a folder into a cluster.
pub(super) fn merge(
    cluster: &Cluster,
    server: &std::path::Path,
    environment: &[(&str, &str)],
) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["merge", "--config", &cluster.config(), "--data"])
        .arg(server.join("data"))
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Standard output of a run that went well.
pub(super) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A folder with the traffic in it, not running.
fn counted() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[PROXY, ALL_AT_ONCE].concat(), &[]);
    every_view_holds_the_traffic(&server);
    assert_eq!(server.stop(), Some(0));
    folder
}

fn refusal_of_up(folder: &std::path::Path) -> String {
    let ended = Server::try_start(folder, PROXY, &[]).err();
    let said = ended.map(|ended| ended.said).unwrap_or_default();
    said.lines().rfind(|line| line.starts_with("headcount: ")).unwrap_or_default().to_owned()
}

#[test]
fn a_folder_joins_a_cluster_once_through_kills() {
    for failpoint in ["apply-before", "apply-after", "ack-after"] {
        let cluster = Cluster::new(shared(), "");
        let folder = counted();
        let killed = merge(&cluster, folder.path(), &[("HEADCOUNT_FAILPOINT", failpoint)]);
        assert!(!killed.status.success(), "{failpoint} was not passed");
        let refusal = refusal_of_up(folder.path());
        assert!(refusal.contains("being brought into a cluster"), "{failpoint}: {refusal}");
        let first = said(&merge(&cluster, folder.path(), &[]));
        assert!(first.contains("are in the cluster, in 1 inserts"), "{failpoint}: {first}");
        views_hold_the_traffic(&cluster);
        cluster.assert_balanced();
        let again = said(&merge(&cluster, folder.path(), &[]));
        assert!(again.contains("in the cluster already"), "{failpoint}: {again}");
        views_hold_the_traffic(&cluster);
        assert_eq!(cluster.number("SELECT count() FROM ledger"), 1, "{failpoint}");
        let refusal = refusal_of_up(folder.path());
        assert!(refusal.contains("its counts are in a cluster"), "{failpoint}: {refusal}");
    }
}

/// A copy that went on counting is another folder under the same name: it is refused, not added.
#[test]
fn a_copy_with_other_counts_is_refused() {
    let cluster = Cluster::new(shared(), "");
    let (folder, copy) = (counted(), tempfile::tempdir().unwrap());
    let mut copying = Command::new("cp");
    copying.arg("-a").arg(folder.path().join("data")).arg(copy.path());
    assert!(copying.status().unwrap().success());
    let server = Server::start(copy.path(), PROXY, &[]);
    let objects = format!("User-Agent: {CHROME}\r\nDNT: 1\r\n");
    assert_eq!(server.send("POST /hit", &objects, VIEW).unwrap().status, 204);
    assert_eq!(server.stop(), Some(0));
    said(&merge(&cluster, folder.path(), &[]));
    let refused = merge(&cluster, copy.path(), &[]);
    let line = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && line.contains("was brought in before"), "{line}");
    views_hold_the_traffic(&cluster);
    // It was not touched, and counts on.
    drop(Server::start(copy.path(), PROXY, &[]));
}

/// What waits for a crowd may not leave the edge early, and may not be lost: the folder waits.
#[test]
fn a_folder_with_counts_at_its_edge_has_to_wait() {
    let cluster = Cluster::new(shared(), "");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), PROXY, &[]);
    assert_eq!(server.hit(VIEW).unwrap().status, 204);
    assert_eq!(server.stop(), Some(0));
    let refused = merge(&cluster, folder.path(), &[]);
    let line = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && line.contains("merge after midnight UTC"), "{line}");
    assert_eq!(cluster.number("SELECT count() FROM ledger"), 0);
    drop(Server::start(folder.path(), PROXY, &[]));
}

/// Each week is an insert of its own, because the cluster forgets weeks; killed in the third, the
/// other run writes the fourth.
#[test]
fn older_weeks_arrive_in_weeks_of_their_own() {
    let cluster = Cluster::new(shared(), "");
    let folder = counted();
    let today = number_in(
        &folder.path().join("data"),
        "SELECT max(bucket) / 24 FROM counts WHERE kind = 1",
    );
    let today = Day(u32::try_from(today).unwrap());
    let one = Counts { views: 1, ..Counts::ZERO };
    let cells = (1..=3).map(|weeks| {
        (SITE, CellKey::Page { hour: today.minus(7 * weeks).first_hour(), page: "/gammal" }, one)
    });
    let batches = vec![Batch::new(cells).unwrap()];
    let totals = Insert::totals_of(&batches).unwrap();
    let old = Insert { src: "old".into(), lo: 1, hi: 1, batches, totals, ..Insert::default() };
    sqlite::Writer::open(&folder.path().join("data/counts.db")).unwrap().apply(&old).unwrap();
    let third = [("HEADCOUNT_FAILPOINT", "apply-after:3")];
    assert!(!merge(&cluster, folder.path(), &third).status.success());
    let said = said(&merge(&cluster, folder.path(), &[]));
    assert!(said.contains("in 4 inserts, 1 of them written now"), "{said}");
    for (sql, expect) in [
        ("SELECT sum(views) FROM page_counts WHERE page = '/gammal'", 3),
        ("SELECT sum(views) FROM page_counts", 12),
        ("SELECT count(DISTINCT week) FROM counts WHERE kind = 2", 4),
        ("SELECT count() FROM counts WHERE kind = 'batch'", 4),
    ] {
        assert_eq!(cluster.number(sql), expect, "{sql}");
    }
    cluster.assert_balanced();
}
