//! Files of odd kinds and fates: pipes, damage, robots alone, wrong rules, a store that refuses.
//!
//! What it is not: about following; that is `follow`.
//!
//! What surprises: the exit code tells that a file could not be read, and the others are counted
//! all the same.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::traffic::{lines, now, stamp, view};
use super::{
    balanced, compressed, everything, file, folder, follow, import, imported, number, views,
    wait_for_views,
};
use crate::pipeline::{complaint, text};
use crate::server::{Deployment as _, PATIENCE, SITE, Server};
use crate::until::until;

const YESTERDAY: u64 = 86_400;

fn refused(dir: &tempfile::TempDir) -> i64 {
    number(dir, "SELECT coalesce(sum(refused), 0) FROM refusal_counts")
}

#[test]
fn what_can_be_read_only_once_is_refused_as_a_file() {
    let dir = folder();
    let log = file(&dir, "access.log", &view(now() - YESTERDAY, 1, "/a"));
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (code, said) = complaint(&import(&dir, &[], &[&pipe]));
    assert!(code == Some(1) && said.contains("pipe: it is no regular file"), "{said}");
    assert!(said.contains("pipe it in with -"), "{said}");
    // As a shell gives what stands in `<(…)`.
    let import_of = |name: &str| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        command.args(["import", SITE, name, "--data"]).arg(dir.path().join("data"));
        let mut cat = Command::new("cat").arg(&log).stdout(Stdio::piped()).spawn().unwrap();
        let output = command.stdin(cat.stdout.take().unwrap()).output().unwrap();
        cat.wait().unwrap();
        output
    };
    let (_, said) = complaint(&import_of("/dev/stdin"));
    assert!(said.contains("pipe it in with -"), "{said}");
    assert!(text(&import_of("-").stdout).contains(": 1 views counted"));
    assert_eq!(views(&dir), 1);
}

#[test]
fn a_notice_that_tells_nothing_of_logs_is_pointed_at() {
    let dir = folder();
    let log = file(&dir, "access.log", &view(now() - YESTERDAY, 1, "/a"));
    let settings = dir.path().join("headcount.toml");
    let said = |notice: &str| {
        std::fs::write(&settings, notice).unwrap();
        let output = import(&dir, &["--config", settings.to_str().unwrap()], &[&log]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let warning = said("[notice]\ntracker = \"script\"\n");
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(warning.contains("set notice.imports_logs = true"), "{warning}");
    for notice in [
        "",
        "[notice]\nimports_logs = true\ntracker = \"pixel\"\n",
        "[notice]\ntracker = \"log\"\n",
    ] {
        assert_eq!(said(notice), "", "{notice}");
    }
}

#[test]
fn robots_alone_are_counted_once_through_a_start() {
    let dir = folder();
    let robot = |days: u64, agent: &str| {
        let time = stamp(now() - days * 86_400);
        format!("198.51.7.7 - - [{time}] \"GET /a HTTP/1.1\" 200 1 \"-\" \"{agent}\"\n")
    };
    let alone = file(&dir, "robots.log", &robot(1, "Googlebot/2.1").repeat(9));
    // Views of a day whose retention ends before that of its robots.
    let old = view(now() - 3 * 86_400, 1, "/a").repeat(4) + &robot(1, "bingbot/2.0").repeat(5);
    let mixed = file(&dir, "mixed.log", &old);
    imported(&dir, &[&alone, &mixed]);
    assert_eq!((views(&dir), refused(&dir)), (4, 14));
    for settings in ["", "retention_days = 2\n"] {
        let server = Server::start(dir.path(), settings, &[]);
        server.wait_for("SELECT sum(refused) FROM refusal_counts", 14);
        if !settings.is_empty() {
            server.wait_for("SELECT coalesce(sum(views), 0) FROM page_counts", 0);
        }
        assert_eq!(server.stop(), Some(0));
        assert_eq!(number(&dir, "SELECT count(*) FROM imports"), 2);
        let said = imported(&dir, &[&alone, &mixed]);
        assert!(said.contains("counted before: 18"), "{said}");
        assert_eq!(refused(&dir), 14);
    }
    balanced(&dir);
}

#[test]
fn a_damaged_file_does_not_keep_the_others_from_being_counted() {
    let dir = folder();
    let content = lines(300, now() - YESTERDAY, 8);
    let whole = compressed(&file(&dir, "whole.log", &content), "gzip");
    // The zeros of a tape's last block.
    let mut padded = std::fs::read(&whole).unwrap();
    padded.extend([0; 512]);
    std::fs::write(&whole, &padded).unwrap();
    let cut = compressed(&file(&dir, "cut.log", &lines(900, now(), 9)), "gzip");
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let last = file(&dir, "last.log", &view(now() - 60, 1, "/sist"));
    for expect in ["views counted from", ": 0 views counted"] {
        let output = import(&dir, &[], &[&cut, &whole, &last]);
        let (code, said) = complaint(&output);
        assert!(code == Some(1) && said.contains("cut.gzip: "), "{said}");
        let said = text(&output.stdout);
        assert!(said.contains(expect) && said.contains("of 3 files"), "{said}");
        assert!(said.contains("cut.gzip: "), "{said}");
    }
    assert_eq!(number(&dir, "SELECT sum(views) FROM page_counts WHERE page = '/sist'"), 1);
    let said = imported(&dir, &[&dir.path().join("whole.log")]);
    assert!(said.contains("counted before: 300\n"), "{said}");
    // Whole in the counts, a damaged copy of it is known and adds nothing.
    let before = everything(&dir);
    imported(&dir, &[&dir.path().join("cut.log")]);
    let after = everything(&dir);
    assert_ne!(after, before);
    let output = import(&dir, &[], &[&cut]);
    assert!(text(&output.stdout).contains("counted further"), "{output:?}");
    assert_eq!(everything(&dir), after);
    balanced(&dir);
}

#[test]
fn a_file_that_gave_nothing_may_be_counted_anew_and_others_may_not() {
    let dir = folder();
    let content: String = (0..20).map(|n| view(now() - YESTERDAY, n, "/app/bild.xyz")).collect();
    let log = file(&dir, "access.log", &content);
    let said = imported(&dir, &[&log]);
    assert!(said.contains("access.log: none of its 20 lines was counted"), "{said}");
    assert!(said.contains("with --anew"), "{said}");
    let right = |flags: &[&str]| {
        let flags = [&["--endings", "xyz"], flags].concat();
        let output = import(&dir, &flags, &[&log]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(right(&[]).contains("counted before: 20"));
    assert_eq!(views(&dir).max(0), 0);
    for _ in 0..2 {
        right(&["--anew"]);
        assert_eq!(views(&dir), 20);
    }
    balanced(&dir);
}

#[test]
fn a_short_file_that_looks_like_another_is_named() {
    let dir = folder();
    let one = file(&dir, "one.log", &view(now() - YESTERDAY, 1, "/a"));
    imported(&dir, &[&one]);
    let said = imported(&dir, &[&one]);
    assert!(said.contains("one.log: has fewer than 8 lines, and was taken for"), "{said}");
    assert_eq!(views(&dir), 1);
    assert!(import(&dir, &["--anew"], &[&one]).status.success());
    assert_eq!(views(&dir), 2);
    // Eight lines are enough to know an older copy.
    let eight: Vec<_> = (0..12).map(|n| view(now() - YESTERDAY + n, n, "/lang")).collect();
    imported(&dir, &[&file(&dir, "long.log", &eight.concat())]);
    let said = imported(&dir, &[&file(&dir, "older.log", &eight[..8].concat())]);
    assert!(said.contains("begins like a file that was counted further"), "{said}");
    assert_eq!(views(&dir), 14);
    balanced(&dir);
}

fn is_free(lock: &Path) -> bool {
    let file = std::fs::OpenOptions::new().write(true).open(lock);
    file.is_ok_and(|file| file.try_lock().is_ok())
}

#[test]
fn an_import_whose_writes_are_refused_can_be_stopped() {
    let dir = folder();
    let log = file(&dir, "access.log", &view(now() - YESTERDAY, 1, "/a"));
    let mut follower = follow(&dir, &[&log]);
    wait_for_views(&dir, 1);
    let store = rusqlite::Connection::open(dir.path().join("data/counts.db")).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .and_then(|mut log| log.write_all(view(now() - YESTERDAY, 2, "/b").as_bytes()))
        .unwrap();
    // It tries, and between two attempts whoever erases has the lock.
    let lock = dir.path().join("data/erase.lock");
    assert!(until(PATIENCE, || lock.exists() && !is_free(&lock)));
    assert!(until(PATIENCE, || is_free(&lock)));
    Command::new("kill").args(["-INT", &follower.id().to_string()]).status().unwrap();
    assert!(until(PATIENCE, || follower.try_wait().unwrap().is_some()), "it still runs");
    assert_eq!(follower.wait().unwrap().code(), Some(1));
    store.execute_batch("ROLLBACK").unwrap();
    assert!(imported(&dir, &[&log]).contains(": 1 views counted"));
    balanced(&dir);
}

#[test]
fn a_folder_that_counts_for_a_cluster_takes_no_import() {
    let dir = folder();
    let log = file(&dir, "access.log", &view(now() - YESTERDAY, 1, "/a"));
    let config = file(
        &dir,
        "cluster.toml",
        "listen = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n\
         [kafka]\nbrokers = [\"127.0.0.1:1\"]\n[clickhouse]\nurl = \"http://127.0.0.1:1\"\n",
    );
    let (data, config) = (dir.path().join("data"), config.to_str().unwrap());
    // As long as no broker answers the folder has no edge file by which it could be known.
    let mut collect = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["collect", "--config", config, "--data"])
        .arg(&data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(until(PATIENCE, || data.join("up.lock").exists()), "collect does not hold its folder");
    for (args, code, expected) in [
        (&["--config", config][..], 64, "an import counts into a data folder"),
        (&[], 1, "headcount merge"),
    ] {
        let (ended, said) = complaint(&import(&dir, args, &[&log]));
        assert!(ended == Some(code) && said.contains(expected), "{said}");
        assert!(!data.join("counts.db").exists(), "it counted what no cluster sees");
    }
    collect.kill().unwrap();
    collect.wait().unwrap();
    let edge = file(&dir, "data/edge.db", "");
    let (_, said) = complaint(&import(&dir, &[], &[&log]));
    assert!(said.contains("it was begun by `headcount collect`"), "{said}");
    std::fs::remove_file(edge).unwrap();
    // Nothing was collected in it yet, so it may still become a folder of its own.
    imported(&dir, &[&log]);
    assert_eq!(views(&dir), 1);
}
