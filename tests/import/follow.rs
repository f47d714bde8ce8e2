//! `--follow` through what rotation does to files.
//!
//! What it is not: about what a line is.
//!
//! What surprises: what must not be counted cannot be waited for. So a line with a page of its own
//! is written behind it, and when that one is counted the number of all is looked at.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::traffic::{now, view};
use super::{balanced, file, folder, follow, imported, number, views, wait_for_views};
use crate::pipeline::text;
use crate::server::PATIENCE;
use crate::until::until;

/// Longer than two looks of a follower.
const LOOKS: Duration = Duration::from_millis(1_500);

/// So many views of yesterday, of networks and second numbers from `first` on.
fn some(first: u64, count: u64) -> String {
    (first..first + count).map(|n| view(now() - 86_400 + n, n, "/a")).collect()
}

fn opened(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn append(path: &Path, lines: &str) {
    opened(path).write_all(lines.as_bytes()).unwrap();
}

fn emptied(path: &Path) -> File {
    let mut file = opened(path);
    file.set_len(0).unwrap();
    file.flush().unwrap();
    file
}

/// Ends a follower, and gives what it says.
fn ended(follower: Child) -> String {
    Command::new("kill").args(["-INT", &follower.id().to_string()]).status().unwrap();
    let output = follower.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    text(&output.stdout)
}

/// Waits until the line behind all others is counted.
fn wait_for_last(dir: &tempfile::TempDir) {
    let last = "SELECT sum(views) FROM page_counts WHERE page = '/sist'";
    assert!(until(PATIENCE, || number(dir, last) == 1), "{} views", views(dir));
}

fn last() -> String {
    view(now() - 86_400, 9, "/sist")
}

#[test]
fn a_file_that_was_copied_and_emptied_counts_once() {
    // Written to at once, after a look, and at once with more than was in it before.
    for (pause, count) in [(Duration::ZERO, 3), (LOOKS, 40), (Duration::ZERO, 400)] {
        let dir = folder();
        let log = file(&dir, "access.log", &some(1, 30));
        let follower = follow(&dir, &[&log]);
        wait_for_views(&dir, 30);
        std::fs::copy(&log, dir.path().join("access.log.1")).unwrap();
        let mut server = emptied(&log);
        std::thread::sleep(pause);
        server.write_all(some(100, count).as_bytes()).unwrap();
        wait_for_views(&dir, 30 + i64::try_from(count).unwrap());
        server.write_all(last().as_bytes()).unwrap();
        wait_for_last(&dir);
        assert_eq!(views(&dir), 31 + i64::try_from(count).unwrap());
        assert!(ended(follower).contains("was emptied and begun anew"));
        let said = imported(&dir, &[&dir.path().join("access.log*")]);
        assert!(said.contains(": 0 views counted"), "{said}");
        balanced(&dir);
    }
}

#[test]
fn a_file_with_several_names_is_read_once() {
    let dir = folder();
    let log = file(&dir, "access.log", "");
    let (hard, soft) = (dir.path().join("b.log"), dir.path().join("c.log"));
    std::fs::hard_link(&log, &hard).unwrap();
    std::os::unix::fs::symlink(&log, &soft).unwrap();
    let spelled = dir.path().join("data/../access.log");
    let follower = follow(&dir, &[&log, &spelled, &hard, &soft]);
    std::thread::sleep(LOOKS);
    append(&log, &some(1, 5));
    wait_for_views(&dir, 5);
    append(&log, &last());
    wait_for_last(&dir);
    assert_eq!(views(&dir), 6);
    assert!(ended(follower).contains("6 views counted from 6 lines of 1 files"));
    balanced(&dir);
}

#[test]
fn a_renamed_file_is_read_on_by_one_of_its_names() {
    let dir = folder();
    let log = file(&dir, "access.log", &some(1, 20));
    let renamed: PathBuf = file(&dir, "access.log.1", &some(50, 20));
    let follower = follow(&dir, &[&log, &renamed]);
    wait_for_views(&dir, 40);
    let mut server = opened(&log);
    std::fs::rename(&renamed, dir.path().join("access.log.2")).unwrap();
    std::fs::rename(&log, &renamed).unwrap();
    append(&log, &some(80, 3));
    wait_for_views(&dir, 43);
    // The server has not opened its log anew yet.
    for count in 1..=3 {
        std::thread::sleep(LOOKS);
        server.write_all(view(now() - 86_400, 7, "/sen").as_bytes()).unwrap();
        wait_for_views(&dir, 43 + count);
    }
    append(&log, &last());
    wait_for_last(&dir);
    assert_eq!(views(&dir), 47);
    assert!(ended(follower).contains("access.log: was renamed a moment ago"));
    let said = imported(&dir, &[&dir.path().join("access.log*")]);
    assert!(said.contains(": 0 views counted"), "{said}");
    balanced(&dir);
}

#[test]
fn a_copy_that_is_counted_first_ends_nothing() {
    let dir = folder();
    let log = file(&dir, "access.log", &some(1, 10));
    // Older, so it is looked at first.
    let copy = file(&dir, "copy.log", &view(now() - 3 * 86_400, 1, "/b").repeat(9));
    let follower = follow(&dir, &[&log, &copy]);
    wait_for_views(&dir, 19);
    let tell = |signal: &str| {
        Command::new("kill").args([signal, &follower.id().to_string()]).status().unwrap();
    };
    // Between two looks both get the same lines.
    std::thread::sleep(LOOKS);
    tell("-STOP");
    append(&log, &some(50, 2));
    let whole = dir.path().join("whole");
    std::fs::copy(&log, &whole).unwrap();
    std::fs::rename(&whole, &copy).unwrap();
    tell("-CONT");
    wait_for_views(&dir, 21);
    append(&log, &last());
    wait_for_last(&dir);
    assert_eq!(views(&dir), 22);
    ended(follower);
    balanced(&dir);
}
