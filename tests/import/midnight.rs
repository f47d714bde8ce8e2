//! The key and the marks of an import end with the UTC day.
//!
//! What it is not: about what a log holds; that has every visitor's address.
//!
//! What surprises: nothing is read at midnight. Whoever waits for a line, in a file or in a pipe,
//! must not keep yesterday's key while nobody comes.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use super::traffic::{now, view};
use super::{balanced, file, folder, following, number, wait_for_views};
use crate::faketime::FakeTime;
use crate::memory::image::{Image, KEY};
use crate::server::{PATIENCE, SITE};
use crate::until::until;

/// Waits for the key that comes after `key`, and looks that nothing is marked with it.
fn wait_for_another(import: &Child, key: &[u8]) {
    let is_another = || {
        let held = Image::secrets_of(import.id());
        held.key.len() == KEY && held.key != key && held.blocks.is_empty()
    };
    assert!(until(PATIENCE, is_another), "the key of yesterday is still used");
}

#[test]
fn a_follower_knows_nobody_of_yesterday() {
    let dir = folder();
    let line = view(now(), 8, "/a");
    let log = file(&dir, "access.log", &line.repeat(2));
    let time = FakeTime::new(dir.path());
    let mut follower = following(&dir, &[&log]).envs(time.environment()).spawn().unwrap();
    wait_for_views(&dir, 2);
    let visitors = || number(&dir, "SELECT sum(visitors) FROM site_counts");
    assert_eq!(visitors(), 1);
    let held = Image::secrets_of(follower.id());
    assert!(held.key.len() == KEY && !held.blocks.is_empty());

    time.set("+1d");
    wait_for_another(&follower, &held.key);
    let mut server = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    server.write_all(line.as_bytes()).unwrap();
    wait_for_views(&dir, 3);
    // A late line of a day whose marks are gone: the price, as the README says.
    assert_eq!(visitors(), 2);
    follower.kill().unwrap();
    follower.wait().unwrap();
    balanced(&dir);
}

#[test]
fn who_waits_for_a_pipe_keeps_no_key_of_yesterday() {
    let dir = folder();
    let time = FakeTime::new(dir.path());
    let mut import = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["import", SITE, "-", "--data"])
        .arg(dir.path().join("data"))
        .envs(time.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let key = || Image::secrets_of(import.id()).key;
    assert!(until(PATIENCE, || key().len() == KEY));
    let key = key();
    time.set("+1d");
    wait_for_another(&import, &key);
    drop(import.stdin.take());
    assert!(import.wait().unwrap().success());
}
