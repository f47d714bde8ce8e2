//! Numbers with noise for everybody: `headcount publish`.
//!
//! What it is not: about the distribution; see `noise.rs` of the stats room.
//!
//! What surprises: with an epsilon of 10 there is hardly any noise, which shows what was counted.

use std::path::Path;

use crate::import::traffic;
use crate::notice::OWNER;
use crate::pipeline::{complaint, text};
use crate::server::{Deployment as _, PATIENCE, SITE, Server, headcount, number_in};
use crate::until::until;

/// Visitors of the one day that has any.
const VISITORS: i64 = 40;

/// A folder with one day of visitors, three days ago, and the name of that day.
fn counted() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let then = traffic::now() - 3 * 86_400;
    let lines: String = (1..=40).map(|network| traffic::view(then, network, "/a")).collect();
    let log = folder.path().join("access.log");
    std::fs::write(&log, lines).unwrap();
    assert!(headcount(folder.path(), &["site", "add", SITE]).status.success());
    let imported = headcount(folder.path(), &["import", SITE, log.to_str().unwrap()]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let day = headcount_core::time::Hour::of_unix(then).day().to_string();
    (folder, day)
}

#[test]
fn noise_alone_is_not_published() {
    let (folder, _) = counted();
    close(folder.path());
    let config = folder.path().join("off.toml");
    std::fs::write(&config, "visitors = \"off\"\n").unwrap();
    let args = ["publish", SITE, "--config", config.to_str().unwrap()];
    let (code, said) = complaint(&headcount(folder.path(), &args));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("visitors = \"off\""), "{said}");
    let (code, said) =
        complaint(&headcount(folder.path(), &["publish", SITE, "--to", "2020-01-01"]));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("--to 2020-01-01: the oldest day"), "{said}");
}

/// Lets a server close the days that are over.
fn close(folder: &Path) {
    let server = Server::start(folder, "", &[]);
    server.wait_for("SELECT count(*) FROM ledger WHERE src = '(fold)'", 1);
    assert_eq!(server.stop(), Some(0));
}

fn publish(folder: &Path, args: &[&str]) -> String {
    let output = headcount(folder, &[&["publish", SITE], args].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn number(json: &str, day: &str) -> i64 {
    let answer: serde_json::Value = serde_json::from_str(json).unwrap();
    let days = answer["days"].as_array().unwrap();
    days.iter().find(|one| one["day"] == day).unwrap()["visitors"].as_i64().unwrap()
}

#[test]
fn a_day_is_published_with_noise_once_and_says_what_that_means() {
    let (folder, day) = counted();
    let folder = folder.path();
    let (code, said) = complaint(&headcount(folder, &["publish", SITE]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no day is closed yet"), "{said}");
    close(folder);

    let one = ["--from", &day, "--to", &day, "--epsilon", "10", "--format", "json"];
    let near = number(&publish(folder, &one), &day);
    assert!((VISITORS - 3..=VISITORS + 3).contains(&near), "{near}");
    let all = publish(folder, &["--format", "json"]);
    assert_eq!(number(&all, &day), near, "it was drawn, and stays");
    assert_eq!(publish(folder, &["--format", "json", "--epsilon", "3"]), all);

    let answer: serde_json::Value = serde_json::from_str(&all).unwrap();
    let days = answer["days"].as_array().unwrap();
    assert_eq!(days.len(), 30, "days without a visitor have a number, too");
    let noisy = days.iter().filter(|one| one["visitors"] != 0 && one["day"] != *day).count();
    assert!(noisy > 0, "29 noughts have the odds of one to 10^17");
    let sum: i64 = days.iter().map(|one| one["visitors"].as_i64().unwrap()).sum();
    assert_eq!(answer["sum"]["visitors"], sum);

    let table = publish(folder, &[]);
    for words in ["95 of 100", "discrete Laplace", "not a person", "drawn once", &day] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let csv = publish(folder, &["--format", "csv"]);
    let rows: Vec<&str> = csv.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!((rows[0], rows.len()), ("day,visitors,error,epsilon", 31));
    assert!(rows.contains(&format!("{day},{near},0,10").as_str()), "{csv}");
    let log = text(&headcount(folder, &["admin-log"]).stdout);
    assert_eq!(log.matches("publish").count(), 2, "{log}");

    assert!(headcount(folder, &["site", "erase", SITE]).status.success());
    assert_eq!(complaint(&headcount(folder, &["publish", SITE])).0, Some(1));
    let db = rusqlite::Connection::open(folder.join("data/control.db")).unwrap();
    let left: i64 = db.query_row("SELECT count(*) FROM published", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "what was published goes with the site");
    assert_eq!(number_in(&folder.join("data"), "SELECT count(*) FROM site_counts"), 0);
}

#[test]
fn the_notice_of_a_running_server_tells_what_is_published() {
    let (folder, _) = counted();
    let folder = folder.path();
    let settings = format!("{OWNER}[[sites]]\nhost = \"other.example\"\n");
    let server = Server::start(folder, &settings, &[]);
    server.wait_for("SELECT count(*) FROM ledger WHERE src = '(fold)'", 1);
    let privacy = |site: &str| {
        let reply = server.send(&format!("GET /privacy?s={site}&p=/"), "", "").unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    };
    let config = folder.join("headcount.toml");
    let made = |command: &str| {
        let output = headcount(folder, &[command, "--config", config.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let hash = || made("notice").trim_end().rsplit(' ').next().unwrap().to_owned();
    let before = (privacy(SITE), hash());
    assert!(!before.0.contains("epsilon") && before.0.contains(&before.1), "{}", before.0);
    assert!(!made("breach-sheet").contains("drawn to be published"));

    publish(folder, &["--epsilon", "0.25"]);
    assert!(until(PATIENCE, || privacy(SITE).contains("epsilon 0.25; 95 of 100 days")));
    assert!(privacy(SITE).contains("more than 1.28 times"), "{}", privacy(SITE));
    assert!(!privacy("other.example").contains("epsilon"), "it is told of its site alone");
    assert_ne!(before.1, hash(), "a notice of before does not know of it");
    let summary = server.send("GET /.well-known/headcount.json", "", "").unwrap().body;
    assert!(summary.contains(&hash()) && privacy(SITE).contains(&hash()), "{summary}");
    assert!(made("notice").contains(&format!("noise; {SITE}: epsilon 0.25")));
    assert!(made("dsar").contains("epsilon 0.25"));
    assert!(made("breach-sheet").contains("drawn to be published"));

    assert!(headcount(folder, &["site", "erase", SITE]).status.success());
    assert!(until(PATIENCE, || hash() == before.1), "what was published goes with its site");
    assert!(!made("notice").contains("epsilon"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_cannot_be_published_is_refused_with_one_line() {
    let (folder, day) = counted();
    let folder = folder.path();
    close(folder);
    let today = headcount_core::time::Hour::of_unix(traffic::now()).day().to_string();
    for (args, code, words) in [
        (vec!["publish", "nobody.example"], 1, "nobody.example is no site here"),
        (vec!["publish", SITE, "--epsilon", "0"], 64, "--epsilon 0: a number from 0.01 to 10"),
        (vec!["publish", SITE, "--to", &today], 64, "the last day that is closed is"),
        (vec!["publish", SITE, "--to", "yesterday"], 64, "--to yesterday: a day such as"),
        (vec!["publish", SITE, "--from", &day, "--to", "2026-01-01"], 64, "is after --to"),
        (vec!["publish", SITE, "--from", "2001-01-01"], 64, "the oldest day that is kept is"),
        (vec!["publish", SITE, "--format", "xml"], 64, "one of table, json, csv"),
    ] {
        let (ended, said) = complaint(&headcount(folder, &args));
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let db = rusqlite::Connection::open(folder.join("data/control.db")).unwrap();
    let drawn: i64 = db.query_row("SELECT count(*) FROM published", [], |row| row.get(0)).unwrap();
    assert_eq!(drawn, 0, "nothing was drawn for a refused one");
}
