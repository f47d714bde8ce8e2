//! Erasing a site while it and another are counted, and closing a day, killed at every step of the way.
//!
//! What it is not: about a cluster; see `cluster::erasure`.
//!
//! What surprises: nobody need ask twice. The command has written down what is wanted before
//! anything is removed, and the next start goes on with it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headcount_core::failpoint;

use crate::cluster::crash::Ending;
use crate::crash::{SETTINGS, Sent, sender, verdict, word};
use crate::import::traffic;
use crate::privacy::search::holds;
use crate::server::{Deployment as _, PATIENCE, SITE, Server, headcount, number_in};
use crate::until::until;

/// The site that goes.
pub(crate) const GONE: &str = "gone.example";
/// Part of each of its pages.
pub(crate) const MARKER: &str = "raderasbort";
/// Within this, nothing of it is readable: a minute, on a machine that is not five times as slow.
pub(crate) const WITHIN: Duration = PATIENCE;
/// How long both are counted before one goes.
const LOAD: Duration = Duration::from_millis(700);

fn settings() -> String {
    format!("{SETTINGS}\n[[sites]]\nhost = \"{GONE}\"\n")
}

/// The pages of the site that goes: some that quote, and some that are long.
pub(crate) fn hostile(number: usize) -> String {
    let tail = ["o'brien;--", "%22%5C%00", "åäö", "$(ls)", "{{x}}", "%3Cb%3E"];
    format!("/{MARKER}/{}/{}", tail[number % tail.len()], "lang".repeat(number % 40))
}

/// Whether somebody still waits for an erasure.
fn is_open(data: &Path) -> bool {
    let db = rusqlite::Connection::open(data.join("control.db")).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    let sql = "SELECT count(*) FROM erasures WHERE done = 0";
    db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0
}

/// Counts both sites, asks for one to be erased, and lets the process abort on the way.
fn aborted(folder: &Path, round: usize, failpoint: &str, sent: &mut Sent) {
    let environment = [("HEADCOUNT_FAILPOINT", failpoint)];
    let mut server = Server::try_start(folder, &settings(), &environment).unwrap();
    let (over, address) = (AtomicBool::new(false), server.address.clone());
    std::thread::scope(|scope| {
        let _ending = Ending(&over);
        let load = |site: &'static str, prefix: String| {
            let (over, address) = (&over, &address);
            scope.spawn(move || sender(address, (site, &prefix), over))
        };
        let kept = load(SITE, format!("/r{}", word(round)));
        let _gone = load(GONE, hostile(round));
        std::thread::sleep(LOAD);
        assert!(until(PATIENCE, || server.number(&of_gone("page_counts")) > 0), "it is counted");
        let mut asker = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .args(["site", "erase", GONE, "--data"])
            .arg(folder.join("data"))
            .arg("--config")
            .arg(folder.join("headcount.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ended = None;
        until(PATIENCE, || {
            ended = server.ended();
            ended.is_some()
        });
        asker.kill().unwrap();
        asker.wait().unwrap();
        over.store(true, Ordering::Relaxed);
        let ended = ended.unwrap_or_else(|| panic!("{failpoint} was not passed"));
        ended.assert_aborted(failpoint);
        sent.pages.extend(kept.join().unwrap().pages);
    });
}

fn of_gone(view: &str) -> String {
    format!("SELECT count(*) FROM {view} WHERE site = '{GONE}'")
}

#[test]
fn an_erasure_is_finished_after_a_kill_at_every_step_and_counts_nothing_else_wrongly() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut sent = Sent::default();
    let steps = failpoint::ERASING.into_iter().chain(["erase-chunk:3"]);
    for (round, failpoint) in steps.enumerate() {
        aborted(folder.path(), round, failpoint, &mut sent);
        if failpoint == "erase-edge" {
            assert!(holds(&data, MARKER), "what is searched for was there");
        }
        let server = Server::start(folder.path(), &settings(), &[]);
        assert!(until(WITHIN, || !is_open(&data)), "{failpoint}: nobody went on");
        for view in crate::pipeline::VIEWS {
            assert_eq!(server.number(&of_gone(view)), 0, "{failpoint}: {view}");
        }
        assert!(until(WITHIN, || !holds(&data, MARKER)), "{failpoint}: bytes are left");
        assert_eq!(server.ask_ops("/readyz"), "ready\n", "{failpoint}");
        let delta = server.metric("headcount_audit_delta");
        assert_eq!(delta, 0, "{failpoint}");
        assert_eq!(server.stop(), Some(0), "{failpoint}");
        assert!(!holds(&data, MARKER), "{failpoint}: bytes are left after a stop");
        assert_eq!(verdict(&data, &sent), None, "{failpoint}");
        assert!(headcount(folder.path(), &["site", "add", GONE]).status.success());
    }
    assert!(sent.pages.values().filter(|answered| **answered).count() > 100);
}

/// Values of attributes with fewer visitors than are told.
const SMALL: &str =
    "SELECT count(*) FROM attribute_counts WHERE visitors < 3 AND value <> '(other)'";

#[test]
fn a_day_is_closed_after_a_kill_at_every_step_and_nothing_is_lost() {
    let long_ago = traffic::now() - 3 * 86_400;
    let lines: String = (1..=40).map(|network| traffic::view(long_ago, network, "/a")).collect();
    for failpoint in failpoint::CLOSING {
        let folder = tempfile::tempdir().unwrap();
        let (data, log) = (folder.path().join("data"), folder.path().join("access.log"));
        std::fs::write(&log, &lines).unwrap();
        assert!(headcount(folder.path(), &["site", "add", SITE]).status.success());
        let imported = headcount(folder.path(), &["import", SITE, log.to_str().unwrap()]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let sums = "SELECT sum(visitors * 1000 + views) FROM attribute_counts";
        let (small, before) = (number_in(&data, SMALL), number_in(&data, sums));
        assert!(small > 0, "some come from small countries");
        let environment = [("HEADCOUNT_FAILPOINT", failpoint)];
        let mut server = Server::try_start(folder.path(), "", &environment).unwrap();
        let mut ended = None;
        assert!(until(PATIENCE, || {
            ended = server.ended();
            ended.is_some()
        }));
        ended.unwrap().assert_aborted(failpoint);
        let server = Server::start(folder.path(), "", &[]);
        server.wait_for(SMALL, 0);
        assert_eq!(server.number(sums), before, "{failpoint}");
        // The audit after the close.
        assert!(until(PATIENCE, || server.ask_ops("/metrics").contains("headcount_audit_delta 0")));
        assert_eq!(server.stop(), Some(0));
        let db = rusqlite::Connection::open(data.join("counts.db")).unwrap();
        let folds = "SELECT count(*) FROM ledger WHERE src = '(fold)'";
        assert_eq!(db.query_row(folds, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "{failpoint}");
        drop(db);
        assert_eq!(Server::start(folder.path(), "", &[]).stop(), Some(0), "the books balance");
    }
}
