//! Every channel's markers while the store takes nothing: they wait at the edge, arrive afterwards,
//! and are found nowhere.
//!
//! What it is not: Kafka or ClickHouse away; that is `crate::cluster::audit::outage`.
//!
//! What surprises: the audit is the shipped command and knows of no outage. Its own controls show that
//! what it sent meanwhile was counted, and a build that keeps what it is sent is caught all the same.

use std::path::Path;

use super::begun::Begun;
use super::gate::Gate;
use super::{Ended, args_up, assert_caught, assert_passed, shipped};
use crate::privacy::without_sanitiser;
use crate::server::{PATIENCE, Server};

/// Audits a build whose store is another's while all is sent.
fn audit_locked_store(binary: &Path) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_binary(binary, dir.path(), "", &[]).unwrap();
    let gate = Gate::before(&server.address);
    let args = args_up((&server, dir.path()), &gate.address);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--seconds", "200"]).collect();
    let audit = Begun::new(shipped(), dir.path(), &args, &[]);
    gate.wait_until_held();
    let store = rusqlite::Connection::open(server.data().join("counts.db")).unwrap();
    store.busy_timeout(PATIENCE).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(server.metric("headcount_hits_accepted_total"), 0);
    gate.open();
    // Everything is sent, and what is imported waits like the rest.
    audit.wait_for_command("import");
    let held: i64 =
        store.query_row("SELECT count(*) FROM site_counts", [], |row| row.get(0)).unwrap();
    assert_eq!(held, 0, "the store has taken something");
    assert!(server.metric("headcount_hits_accepted_total") > 20);
    store.execute_batch("ROLLBACK").unwrap();
    drop(store);
    let ended = audit.end();
    assert_eq!(server.stop(), Some(0));
    ended
}

#[test]
fn what_was_sent_while_the_store_took_nothing_is_counted_and_found_nowhere() {
    assert_passed(&audit_locked_store(shipped()));
}

#[test]
fn a_build_that_keeps_what_it_is_sent_is_caught_through_a_locked_store() {
    let ended = audit_locked_store(&without_sanitiser());
    assert_caught(&ended, &["edge file", "store"]);
}
