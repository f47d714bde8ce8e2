//! What the commands say where they cannot do what was asked.
//!
//! What it is not: what they do where they can; see `pipeline`.
//!
//! What surprises: a refusal is part of the promise. What was not done must not be said to be.

use std::io::Write;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::memory::{NOBODY, of_nobody};
use crate::pipeline::{PROXY, complaint, files_with, text, view, write_config};
use crate::server::{Deployment, SITE, Server, headcount};

/// `headcount` as a shell would run it.
fn bare(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headcount")).args(args).output().unwrap()
}

#[test]
fn an_option_before_a_command_is_refused_and_not_dropped() {
    for args in [
        ["--config", "/nope", "up"].as_slice(),
        &["--data", "/nope", "stats", SITE],
        &["--site", SITE, "up"],
        &["--listen", "127.0.0.1:0", "site", "list"],
    ] {
        let (code, said) = complaint(&bare(args));
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(&format!("{} goes after the command", args[0])), "{said}");
        assert!(said.contains("headcount up --config FILE"), "{said}");
    }
}

/// Who mistypes the folder must not read that all is well, nor find a new folder.
#[test]
fn a_command_that_only_looks_makes_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        ["site", "list"].as_slice(),
        &["token", "list"],
        &["admin-log", "list"],
        &["admin-log", "verify"],
        &["admin-log", "head"],
    ] {
        let (code, said) = complaint(&headcount(dir.path(), args));
        assert_eq!(code, Some(64), "{args:?}: {said}");
        assert!(said.contains("has no control.db") && said.contains("--data"), "{args:?}: {said}");
        assert!(!dir.path().join("data").exists(), "{args:?}");
    }
    let config = dir.path().join("headcount.toml");
    std::fs::write(&config, format!("[[sites]]\nhost = \"{SITE}\"\n")).unwrap();
    let args = ["site", "list", "--config", config.to_str().unwrap()];
    assert_eq!(text(&headcount(dir.path(), &args).stdout), format!("{SITE}\n"), "configured");
    assert!(!dir.path().join("data").exists());
}

#[test]
fn an_admin_log_that_was_taken_away_is_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Server::start(dir.path(), "", &[]).stop(), Some(0));
    let verify = || headcount(dir.path(), &["admin-log", "verify"]);
    assert!(verify().status.success());
    for name in ["control.db", "admin.mark"] {
        std::fs::remove_file(dir.path().join("data").join(name)).unwrap();
    }
    assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
    assert!(verify().status.success(), "it begins anew; only a kept line would show that");
    for name in ["control.db", "admin.mark"] {
        std::fs::remove_file(dir.path().join("data").join(name)).unwrap();
    }
    let (code, said) = complaint(&verify());
    assert_eq!(code, Some(64), "{said}");
    // A command that acts makes the file, and writes nothing if it does nothing.
    assert!(!headcount(dir.path(), &["token", "revoke", "1"]).status.success());
    let (code, said) = complaint(&verify());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the admin log is empty, and every start writes an entry"), "{said}");
}

#[test]
fn erasing_what_is_no_site_is_refused_and_not_noted() {
    let dir = tempfile::tempdir().unwrap();
    let site = format!("[[sites]]\nhost = \"{SITE}\"\naliases = [\"www.example.org\"]\n");
    write_config(dir.path(), &site);
    let config = dir.path().join("headcount.toml");
    let erase = |host| {
        headcount(dir.path(), &["site", "erase", host, "--config", config.to_str().unwrap()])
    };
    let noted = || {
        let db = rusqlite::Connection::open(dir.path().join("data/control.db")).unwrap();
        let sql = "SELECT count(*) FROM erasures";
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let (code, said) = complaint(&erase("www.example.org"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("is an alias of {SITE}")), "{said}");
    assert!(said.contains(&format!("headcount site erase {SITE}")), "{said}");
    let (code, said) = complaint(&erase("exmaple.org"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("exmaple.org is no site here"), "{said}");
    assert_eq!(noted(), 0);
    // What was erased may be erased again: an erasure that was cut short ends so.
    for _ in 0..2 {
        assert!(erase(SITE).status.success());
        assert_eq!(noted(), 1);
    }
}

#[test]
fn a_site_that_only_the_counts_know_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    (1..=3).for_each(|number| view(&server, number, "/borttappad-sida"));
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/borttappad-sida'", 3);
    assert_eq!(server.stop(), Some(0));
    std::fs::remove_file(dir.path().join("data/sites.txt")).unwrap();
    let erased = headcount(dir.path(), &["site", "erase", SITE]);
    assert!(erased.status.success(), "{}", text(&erased.stderr));
    let data = dir.path().join("data");
    assert_eq!(files_with(&data, b"borttappad-sida"), Vec::<String>::new());
}

#[test]
fn a_configured_site_that_was_erased_is_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
    assert!(headcount(dir.path(), &["site", "add", "other.example"]).status.success());
    assert!(headcount(dir.path(), &["site", "erase", SITE]).status.success());
    let server = Server::start(dir.path(), "", &[]);
    let said = server.said();
    assert_eq!(said.matches(&format!("headcount site add {SITE}")).count(), 1, "{said}");
    assert!(said.contains("WARN"), "{said}");
}

#[test]
fn nobody_is_let_in_to_an_erased_site_that_the_settings_name() {
    let dir = tempfile::tempdir().unwrap();
    write_config(dir.path(), &format!("[[sites]]\nhost = \"{SITE}\"\n"));
    let config = dir.path().join("headcount.toml");
    let config = ["--config", config.to_str().unwrap()];
    let run = |args: &[&str]| headcount(dir.path(), &[args, &config].concat());
    let ways = [
        ["token", "add", "--site", SITE].as_slice(),
        &["token", "add", "--share", "--site", SITE],
        &["signin", "--site", SITE],
    ];
    assert!(run(&["site", "erase", SITE]).status.success());
    for args in ways {
        let (code, said) = complaint(&run(args));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("{SITE} was erased")), "{said}");
        assert!(said.contains(&format!("headcount site add {SITE}")), "{said}");
    }
    assert!(run(&["site", "add", SITE]).status.success());
    assert!(ways.iter().all(|args| run(args).status.success()));
}

/// Files of a data folder that are not those of its owner.
fn of_others(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data).unwrap().map(Result::unwrap);
    let others = entries.filter(|entry| entry.metadata().unwrap().uid() != NOBODY);
    others.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Gives a command as who runs the tests, which is root here.
fn done(folder: &Path, args: &[&str]) {
    let output = headcount(folder, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
}

#[test]
fn commands_of_root_leave_the_folder_to_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, data) = (dir.path(), dir.path().join("data"));
    let binary = of_nobody(folder, "");
    // Root comes first, and nothing runs.
    std::fs::create_dir(&data).unwrap();
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    for command in ["add", "erase"] {
        done(folder, &["site", command, "first.example"]);
        assert_eq!(of_others(&data), Vec::<String>::new(), "{command}");
    }
    assert!(data.join("edge.mark").exists() && data.join("erase.lock").exists());
    // An older version left a lock there.
    for name in ["erase.lock", "import.lock"] {
        std::fs::remove_file(data.join(name)).ok();
    }
    chown(data.join("up.lock"), Some(0), Some(0)).unwrap();
    done(folder, &["site", "add", "gone.example"]);
    let mut server = Server::start_binary(&binary, folder, "", &[]).unwrap();
    let log = folder.join("access.log");
    let line = "192.0.2.7 - - [20/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\"\n";
    std::fs::write(&log, line).unwrap();
    done(folder, &["import", SITE, log.to_str().unwrap()]);
    std::fs::remove_file(data.join("admin.mark")).unwrap();
    done(folder, &["admin-log", "accept"]);
    assert_eq!(of_others(&data), Vec::<String>::new());
    done(folder, &["site", "erase", "gone.example"]);
    let code = server.dashboard.split_once("/signin").unwrap().1;
    assert_eq!(server.send(&format!("GET /signin{code}"), "", "").unwrap().status, 303);
    assert!(server.ended().is_none() && !server.said().contains("denied"), "{}", server.said());
    assert_eq!(server.stop(), Some(0));
    assert_eq!(of_others(&data), Vec::<String>::new());
}

#[test]
fn a_folder_of_root_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let binary = of_nobody(dir.path(), "");
    done(dir.path(), &["site", "add", SITE]);
    let data = dir.path().join("data");
    let remedy = format!("chown -R {NOBODY} {}", data.display());
    for belongs in [&data, &data.join("control.db")] {
        let ended = Server::start_binary(&binary, dir.path(), "", &[]).err().unwrap();
        let told = format!("{} belongs to user 0, and this is user {NOBODY}", belongs.display());
        assert!(ended.said.contains(&told) && ended.said.contains(&remedy), "{}", ended.said);
        // The folder alone is not all of it.
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

#[test]
fn explain_ends_quietly_when_its_reader_leaves() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["explain", "--site", "example.com", "page"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    while stdin.write_all(&b"/x\n".repeat(1_000)).is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_token_that_could_not_be_shown_is_worthless() {
    let dir = tempfile::tempdir().unwrap();
    assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["token", "add", "--site", SITE, "--data"])
        .arg(dir.path().join("data"))
        .stdout(full)
        .output()
        .unwrap();
    let (code, said) = complaint(&output);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("revoked"), "{said}");
    let listed = text(&headcount(dir.path(), &["token", "list"]).stdout);
    assert!(listed.contains("revoked") && !listed.contains("valid"), "{listed}");
}

#[test]
fn stats_says_why_there_are_no_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said) = complaint(&headcount(dir.path(), &["stats", SITE]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not exist; start `headcount up` first"), "{said}");
    // A path that is a file, and one that cannot be followed (for root, too).
    let data = dir.path().join("data");
    std::fs::write(&data, "").unwrap();
    let (code, said) = complaint(&headcount(dir.path(), &["stats", SITE]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Not a directory") && !said.contains("exist"), "{said}");
    std::fs::remove_file(&data).unwrap();
    std::fs::create_dir_all(data.join("counts.db")).unwrap();
    let (code, said) = complaint(&headcount(dir.path(), &["stats", SITE]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("counts.db: it is a folder"), "{said}");
}
