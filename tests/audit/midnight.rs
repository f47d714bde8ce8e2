//! Every channel's markers around the change of the day's key: sent before it, while it comes, and
//! after it, and found nowhere.
//!
//! What it is not: a look for yesterday's key; that is `crate::memory`.
//!
//! What surprises: the clock of the process and that of the audit are moved together, or the audit
//! would ask for the counts of a day that has not come for it.

use std::path::Path;

use super::begun::Begun;
use super::gate::Gate;
use super::{Ended, args_up, assert_caught, assert_passed, shipped};
use crate::faketime::FakeTime;
use crate::memory::image::Image;
use crate::privacy::without_sanitiser;
use crate::server::{PATIENCE, Server};
use crate::until::until;

/// Requests before each midnight and while it comes, of some three hundred: the first comes among
/// those that count, the second among broken, oversized and cut off ones.
const MIDNIGHTS: [(usize, usize); 2] = [(10, 16), (100, 140)];
/// Days keep their small values: a close would take what a build keeps out of reach of the search. And
/// a small filter, so that an image is read soon.
const SETTINGS: &str = "k = 1\nk_day = 1\n[limits]\nvisitor_filter_mib = 4\n";

/// Audits a build that lives through two midnights meanwhile.
fn audit_over_midnight(binary: &Path) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let time = FakeTime::new(dir.path());
    let server = Server::start_binary(binary, dir.path(), SETTINGS, &time.environment()).unwrap();
    let gate = Gate::before(&server.address);
    let args = args_up((&server, dir.path()), &gate.address);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--seconds", "200"]).collect();
    let audit = Begun::new(shipped(), dir.path(), &args, &time.environment());
    gate.wait_until_held();
    for (day, (before, while_it_comes)) in MIDNIGHTS.into_iter().enumerate() {
        gate.allow(before);
        gate.wait_until_held();
        let key = Image::secrets_of(server.pid()).key;
        assert!(!key.is_empty(), "no key in locked memory");
        time.set(&format!("+{}d", day + 1));
        gate.allow(while_it_comes);
        let changed = || Image::secrets_of(server.pid()).key != key;
        assert!(until(PATIENCE, changed), "the key of yesterday is still used");
        gate.wait_until_held();
    }
    gate.open();
    let ended = audit.end();
    assert_eq!(server.stop(), Some(0));
    ended
}

#[test]
fn what_was_sent_around_midnight_is_counted_and_found_nowhere() {
    let ended = audit_over_midnight(shipped());
    assert_passed(&ended);
    let keys = &ended.report.evidence.keys;
    assert!(keys.len() == 1 && keys[0].drawn > 2, "one for each day: {keys:?}");
}

#[test]
fn a_build_that_keeps_what_it_is_sent_is_caught_over_midnight() {
    let ended = audit_over_midnight(&without_sanitiser());
    // The edge has let yesterday's names go, and today's too: they came before the last midnight.
    assert_caught(&ended, &["store"]);
}
