//! The link that a process prints at its start, where what it prints is kept.
//!
//! What it is not: what the link opens; that is in the table of routes.
//!
//! What surprises: systemd names its journal by device and inode, so any file can play it.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use super::cookie;
use crate::server::{Deployment as _, PATIENCE, Server};
use crate::until::until;

/// What a process prints into a file, with this environment.
fn printed(folder: &Path, environment: impl Fn(&File) -> Option<(&'static str, String)>) -> String {
    let path = folder.join("printed");
    let file = File::create(&path).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.join("data"))
        .env("HEADCOUNT_OPS_LISTEN", "127.0.0.1:0")
        .envs(environment(&file))
        .stdout(file)
        .spawn()
        .unwrap();
    let mut text = String::new();
    let is_whole = until(PATIENCE, || {
        text = std::fs::read_to_string(&path).unwrap();
        text.contains("\nadd your site")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_whole, "{text}");
    text
}

#[test]
fn the_journal_is_told_no_code() {
    let folder = tempfile::tempdir().unwrap();
    let named = |file: &File, more: u64| {
        let file = file.metadata().unwrap();
        Some(("JOURNAL_STREAM", format!("{}:{}", file.dev(), file.ino() + more)))
    };
    let journal = printed(folder.path(), |file| named(file, 0));
    assert!(!journal.contains("code="), "{journal}");
    let (_, rest) = journal.split_once("dashboard   http://127.0.0.1:").unwrap();
    assert!(rest.contains("/\n            sign in: headcount signin\n"), "{journal}");
    // A service's child whose output goes elsewhere has that name in its environment, too.
    assert!(printed(folder.path(), |file| named(file, 1)).contains("/signin?code="));
}

#[test]
fn a_link_in_a_pipe_works_again_and_says_for_how_long() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "", &[]);
    let told = std::fs::read_to_string(folder.path().join("up.out")).unwrap();
    let line = format!("dashboard   {}\n            (for an hour; ", server.dashboard);
    assert!(told.contains(&line), "{told}");
    let path = server.dashboard.split_once(&server.address).unwrap().1;
    for _ in 0..2 {
        cookie(&server.send(&format!("GET {path}"), "", "").unwrap());
    }
}
