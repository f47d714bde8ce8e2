//! `headcount import`: access logs through the real binary.
//!
//! What it is not: the parsers' own tests, which lie beside them.
//!
//! What surprises: GoAccess, which millions trust, is the judge of the page counts.

mod files;
mod follow;
mod midnight;
mod totals;
pub(crate) mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use headcount_collector::import::LineRules;

use self::traffic::{lines, now, stamp, view};
use crate::asked::asked;
use crate::dice::Dice;
use crate::pipeline::{VIEWS, complaint, files_with, text};
use crate::privacy::search::{Found, Search, V6, note, note_files};
use crate::privacy::without_sanitiser;
use crate::server::{CHROME, Deployment as _, PATIENCE, SITE, Server, headcount, number_in};
use crate::until::until;

/// Lines of the compared log.
const LINES: u64 = 12_000;
/// Kills of one campaign.
const KILLS: u64 = 12;

/// A folder with one site.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
    dir
}

fn file(dir: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn import(dir: &tempfile::TempDir, args: &[&str], files: &[&Path]) -> Output {
    let mut all = vec!["import", SITE];
    all.extend(args);
    all.extend(files.iter().map(|path| path.to_str().unwrap()));
    headcount(dir.path(), &all)
}

/// What an import that did not fail has printed.
fn imported(dir: &tempfile::TempDir, files: &[&Path]) -> String {
    let output = import(dir, &[], files);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn follow(dir: &tempfile::TempDir, files: &[&Path]) -> Child {
    following(dir, files).spawn().unwrap()
}

fn following(dir: &tempfile::TempDir, files: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
    command.args(["import", SITE, "--follow", "--data"]).arg(dir.path().join("data")).args(files);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn number(dir: &tempfile::TempDir, sql: &str) -> i64 {
    number_in(&dir.path().join("data"), sql)
}

fn views(dir: &tempfile::TempDir) -> i64 {
    number(dir, "SELECT sum(views) FROM page_counts")
}

fn wait_for_views(dir: &tempfile::TempDir, expect: i64) {
    assert!(until(PATIENCE, || views(dir) == expect), "{} views, not {expect}", views(dir));
}

/// Every row of every view.
fn everything(dir: &tempfile::TempDir) -> Vec<String> {
    let db = rusqlite::Connection::open(dir.path().join("data/counts.db")).unwrap();
    let mut rows = Vec::new();
    for name in VIEWS {
        let mut get = db.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = get.column_count();
        let mut found = get.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values = (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap()));
            rows.push(format!("{name} {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    rows.sort();
    rows
}

fn balanced(dir: &tempfile::TempDir) {
    for column in ["views", "visitors", "visits", "refused"] {
        let sql = format!(
            "SELECT (SELECT sum({column}) FROM counts) - (SELECT sum({column}) FROM ledger)"
        );
        assert_eq!(number(dir, &sql), 0, "{column}");
    }
}

fn compressed(path: &Path, command: &str) -> PathBuf {
    let output = Command::new(command).args(["-c", "-q"]).arg(path).output();
    let output = output.unwrap_or_else(|_| panic!("missing: {command}; apt-get install {command}"));
    assert!(output.status.success());
    let to = path.with_extension(command);
    std::fs::write(&to, output.stdout).unwrap();
    to
}

/// Hits of each page as GoAccess counts them, by the rules of an import.
fn of_goaccess(log: &Path) -> BTreeMap<String, u64> {
    let content = text(&std::fs::read(log).unwrap());
    let (statuses, endings) = outside_the_rules(&content);
    let mut command = Command::new("goaccess");
    command.arg(log).args(["--no-global-config", "--log-format=COMBINED", "-o", "json"]);
    command.args(["--no-query-string", "--ignore-crawlers", "--http-method=yes"]);
    command.args(["--max-items=100000", "--no-progress"]);
    command.args(statuses.iter().map(|status| format!("--ignore-status={status}")));
    command.args(endings.iter().map(|ending| format!("--static-file=.{ending}")));
    let output = command.output().expect("missing: goaccess; apt-get install goaccess");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["general"]["failed_requests"], 0, "lines that GoAccess cannot read");
    let mut hits = BTreeMap::new();
    for row in report["requests"]["data"].as_array().unwrap() {
        if row["method"] == "GET" {
            let page = row["data"].as_str().unwrap().to_owned();
            *hits.entry(page).or_default() += row["hits"]["count"].as_u64().unwrap();
        }
    }
    hits
}

/// Statuses and endings of a log that are no views and no pages by the rules of an import.
fn outside_the_rules(content: &str) -> (BTreeSet<u16>, BTreeSet<String>) {
    let rules = LineRules::default();
    let (mut statuses, mut endings) = (BTreeSet::new(), BTreeSet::new());
    for line in content.lines() {
        let mut quoted = line.split('"').skip(1);
        let path = quoted.next().unwrap().split([' ', '?']).nth(1).unwrap();
        statuses.insert(quoted.next().unwrap().split_whitespace().next().unwrap().parse().unwrap());
        let (_, ending) = path.rsplit('/').next().unwrap().rsplit_once('.').unwrap_or_default();
        let is_ending = ending.bytes().any(|byte| byte.is_ascii_alphabetic())
            && ending.len() <= 8
            && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_ending {
            endings.insert(ending.to_ascii_lowercase());
        }
    }
    statuses.retain(|status| !rules.statuses.contains(status));
    endings.retain(|ending| !rules.endings.contains(ending));
    (statuses, endings)
}

/// A log of any year as one of the last twelve months, all of one browser: robots are told from
/// people by other lists here than there.
fn of_today(content: &str) -> String {
    let (year, month, day) = headcount_core::time::Hour::of_unix(now()).day().civil();
    let mut shaped = String::new();
    for line in content.lines() {
        let (before, rest) = line.split_once(" [").unwrap();
        let mut date = rest.splitn(3, '/');
        let (of_month, name) = (date.next().unwrap(), date.next().unwrap());
        let (_year, rest) = date.next().unwrap().split_once(':').unwrap();
        let found = (1..).zip(traffic::MONTHS).find(|(_, month)| *month == name).unwrap().0;
        let is_past = (found, of_month.parse().unwrap()) < (month, day);
        let year = if is_past { year } else { year - 1 };
        let (rest, _agent) = rest.rsplit_once("\" \"").unwrap();
        shaped += &format!("{before} [{of_month}/{name}/{year}:{rest}\" \"{CHROME}\"\n");
    }
    shaped
}

/// The same under the names that the policy gives them.
fn by_policy(hits: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut explain = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["explain", "--site", SITE, "page"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pages: String = hits.keys().map(|page| format!("{page}\n")).collect();
    explain.stdin.take().unwrap().write_all(pages.as_bytes()).unwrap();
    let kept = text(&explain.wait_with_output().unwrap().stdout);
    let mut sums = BTreeMap::new();
    for (page, hits) in kept.lines().zip(hits.values()) {
        *sums.entry(page.to_owned()).or_default() += hits;
    }
    sums
}

#[test]
#[expect(clippy::print_stderr, reason = "figures of the campaign, shown with --nocapture")]
fn page_counts_are_those_of_goaccess() {
    let dir = folder();
    let given = asked("HEADCOUNT_TEST_LOG", PathBuf::new());
    let content = if given.as_os_str().is_empty() {
        lines(LINES, now(), 1)
    } else {
        of_today(&text(&std::fs::read(given).unwrap()))
    };
    let log = file(&dir, "access.log", &content);
    let said = imported(&dir, &[&log]);
    let count = content.lines().count();
    assert!(said.contains(&format!("from {count} lines of 1 files")), "{said}");
    let expect = by_policy(&of_goaccess(&log));
    let db = rusqlite::Connection::open(dir.path().join("data/counts.db")).unwrap();
    let mut get = db.prepare("SELECT page, sum(views) FROM page_counts GROUP BY page").unwrap();
    let found: BTreeMap<String, u64> = get
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let views: u64 = expect.values().sum();
    eprintln!("{count} lines, {} pages, {views} views", expect.len());
    assert!(expect.len() > 60 && views > LINES / 4, "{expect:?}");
    assert_eq!(found, expect);
    balanced(&dir);
}

#[test]
fn a_file_counts_once_in_whatever_form() {
    let dir = folder();
    let content = lines(700, now(), 2);
    let log = file(&dir, "access.log", &content);
    imported(&dir, &[&log]);
    let once = everything(&dir);
    let (gzip, zstd) = (compressed(&log, "gzip"), compressed(&log, "zstd"));
    let renamed = file(&dir, "access.log.1", &content);
    let all = dir.path().join("access*");
    for files in [&[&*log, &*log, &*renamed][..], &[&*gzip, &*zstd], &[&*all]] {
        let said = imported(&dir, files);
        assert!(said.contains(": 0 views counted"), "{said}");
    }
    let mut piped = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["import", SITE, "-", "--data"])
        .arg(dir.path().join("data"))
        .stdin(std::fs::File::open(&gzip).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(piped.wait().unwrap().success());
    assert_eq!(everything(&dir), once);
    // An older copy is not taken for another file.
    let older: String = content.lines().take(300).map(|line| format!("{line}\n")).collect();
    let said = imported(&dir, &[&file(&dir, "older.log", &older)]);
    assert!(said.contains("begins like a file that was counted further"), "{said}");
    assert_eq!(everything(&dir), once);
    // What has come since is counted, and a line without its end is not.
    let grown = content + &view(now() - 90_000, 9, "/ny") + view(now(), 9, "/halv").trim_end();
    let said = imported(&dir, &[&file(&dir, "access.log", &grown)]);
    assert!(said.contains(": 1 views counted") && said.contains("has no end"), "{said}");
    assert_eq!(number(&dir, "SELECT sum(views) FROM page_counts WHERE page = '/ny'"), 1);
    balanced(&dir);
}

#[test]
fn killed_at_any_moment_and_run_again_gives_the_same_counts() {
    // Days that are over: today's attributes leave in crowds, and a kill decides which crowd is whose.
    let content = lines(4_000, now() - 86_400, 3);
    let (whole, killed) = (folder(), folder());
    imported(&whole, &[&file(&whole, "access.log", &content)]);
    let log = file(&killed, "access.log", &content);
    let args = ["import", SITE, "--commit-lines", "40", "--data"];
    let data = killed.path().join("data");
    let mut dice = Dice(4);
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .args(args)
            .args([&data, &log])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let before = number_in(&data, "SELECT max(hi) FROM ledger");
        // Somewhere behind the next commit, wherever that is.
        until(PATIENCE, || {
            number_in(&data, "SELECT max(hi) FROM ledger") > before.max(0)
                || child.try_wait().unwrap().is_some()
        });
        std::thread::sleep(Duration::from_micros(dice.below(30_000)));
        kills += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        balanced(&killed);
    }
    imported(&killed, &[&log]);
    assert!(kills > 2, "{kills} kills came in time");
    assert_eq!(everything(&killed), everything(&whole));
}

#[test]
fn what_is_written_to_a_followed_file_is_counted_through_rotation_and_kills() {
    let dir = folder();
    let yesterday = now() - 86_400;
    let log = file(&dir, "access.log", &view(yesterday, 1, "/a"));
    let append = |line: String| {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    };
    let mut follower = follow(&dir, &[&log]);
    wait_for_views(&dir, 1);
    let (head, tail) =
        ("198.51.2.7 - - [", format!("{}] \"GET /b HTTP/1.1\" 200 1\n", stamp(yesterday)));
    append(head.to_owned());
    append(tail);
    wait_for_views(&dir, 2);
    // Renamed, and begun anew by the server.
    std::fs::rename(&log, dir.path().join("access.log.1")).unwrap();
    append(view(yesterday, 3, "/c"));
    wait_for_views(&dir, 3);
    // Killed, and what came in the meantime is found.
    follower.kill().unwrap();
    follower.wait().unwrap();
    append(view(yesterday, 4, "/d"));
    let mut follower = follow(&dir, &[&log]);
    wait_for_views(&dir, 4);
    // Copied and emptied.
    std::fs::copy(&log, dir.path().join("access.log.2")).unwrap();
    std::fs::OpenOptions::new().write(true).truncate(true).open(&log).unwrap();
    append(view(yesterday, 5, "/e"));
    wait_for_views(&dir, 5);
    Command::new("kill").args(["-INT", &follower.id().to_string()]).status().unwrap();
    assert!(follower.wait().unwrap().success());
    let all = dir.path().join("access.log*");
    let said = imported(&dir, &[&all]);
    assert!(said.contains(": 0 views counted"), "{said}");
    balanced(&dir);
}

#[test]
fn it_counts_beside_a_running_server_until_the_site_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "", &[]);
    let log = file(&dir, "access.log", &lines(300, now(), 5));
    imported(&dir, &[&log]);
    let counted = views(&dir);
    assert!(counted > 50);
    server.hit(&format!("{{\"s\":\"{SITE}\",\"p\":\"/nu\"}}"));
    server.wait_for("SELECT sum(views) FROM page_counts", counted + 1);
    let mut follower = follow(&dir, &[&log]);
    let append = |line: String| {
        let mut grown = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        grown.write_all(line.as_bytes()).unwrap();
    };
    append(view(now() - 90_000, 9, "/a"));
    wait_for_views(&dir, counted + 2);
    // It holds the folder against other imports.
    let (code, said) = complaint(&import(&dir, &[], &[&log]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another import runs on it"), "{said}");
    assert!(headcount(dir.path(), &["site", "erase", SITE]).status.success());
    append(view(now() - 90_000, 9, "/for-sent"));
    assert_eq!(follower.wait().unwrap().code(), Some(1));
    assert_eq!(views(&dir), 0);
    assert_eq!(number(&dir, "SELECT count(*) FROM imports"), 0);
    let (_, said) = complaint(&import(&dir, &[], &[&log]));
    assert!(said.contains("is no site here"), "{said}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn attributes_of_today_wait_for_a_crowd_and_pages_do_not() {
    let dir = folder();
    let (now, mut content) = (now(), String::new());
    let attributes = "SELECT sum(views) FROM attribute_counts WHERE attribute = 'browser'";
    for network in 1..=7 {
        content += &view(now, network, "/a");
    }
    let log = file(&dir, "access.log", &content);
    let said = imported(&dir, &[&log]);
    // Over midnight they are of a day that has ended.
    if headcount_core::time::Hour::of_unix(traffic::now()).day()
        == headcount_core::time::Hour::of_unix(now).day()
    {
        assert!(said.contains("its last 7 lines wait for a crowd"), "{said}");
        assert_eq!((views(&dir), number(&dir, attributes)), (7, 0));
    }
    content += &view(now, 8, "/a");
    imported(&dir, &[&file(&dir, "access.log", &content)]);
    assert_eq!((views(&dir), number(&dir, attributes)), (8, 8));
    balanced(&dir);
}

#[test]
fn what_cannot_be_imported_is_refused_with_one_line() {
    let dir = folder();
    let check = |args: &[&str], expect: &str| {
        let mut all = vec!["import"];
        all.extend(args);
        let (_, said) = complaint(&headcount(dir.path(), &all));
        assert!(said.contains(expect), "{said}");
    };
    let missing = dir.path().join("nope.log");
    check(&[SITE, missing.to_str().unwrap()], "nope.log: No such file");
    check(&[SITE, dir.path().to_str().unwrap()], "it is a folder; name its files");
    check(&[SITE, "/nope/*.log"], "no file has such a name");
    check(&["other.example", missing.to_str().unwrap()], "headcount site add other.example");
    check(&[SITE, "x", "--without", "api"], "--without api: a path such as /api/ is needed");
    let cut = compressed(&file(&dir, "cut.log", &lines(500, now(), 6)), "gzip");
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    check(&[SITE, cut.to_str().unwrap()], "cut.gzip: ");
    // What came before the damage is counted, and the whole file goes on from there.
    let before = views(&dir);
    imported(&dir, &[&dir.path().join("cut.log")]);
    let whole = folder();
    imported(&whole, &[&dir.path().join("cut.log")]);
    assert!(before > 0 && views(&dir) > before);
    assert_eq!(everything(&dir), everything(&whole));
}

#[test]
fn rules_are_changed_by_flags() {
    let dir = folder();
    let time = stamp(now() - 86_400);
    let mut content = String::new();
    for (method, page, status) in [
        ("POST", "/a", 201),
        ("GET", "/b.pdf", 200),
        ("GET", "/api/c", 200),
        ("GET", "/d.html", 200),
    ] {
        content += &format!(
            "192.0.2.1 - - [{time}] \"{method} {page} HTTP/1.1\" {status} 1 \"-\" \"{CHROME}\"\n"
        );
    }
    content += "rubbish\n";
    let log = file(&dir, "access.log", &content);
    let flags = [
        "--methods",
        "get,post",
        "--statuses",
        "200,201",
        "--endings",
        ".PDF",
        "--without",
        "/api/",
    ];
    let said = text(&import(&dir, &flags, &[&log]).stdout);
    assert!(said.contains(": 2 views counted from 5 lines"), "{said}");
    assert!(said.contains("not counted, not a page: 2"), "{said}");
    assert!(said.contains("unreadable: 1 (first at") && said.contains("access.log:5)"), "{said}");
    assert!(!said.contains("rubbish"), "{said}");
}

/// Lines with a marker in every field.
fn canaries(unix_seconds: u64) -> String {
    let time = stamp(unix_seconds);
    let mut log = String::new();
    for address in ["198.51.77.201", V6] {
        for status in [200, 404] {
            log += &format!(
                "{address} kanarienamn kanarienyckel [{time}] \"GET /users/kanariesida?q=kanariefraga\
                 &utm_campaign=kanariekampanj%40x.se HTTP/1.1\" {status} 1 \
                 \"https://x.example.net/kanarievag?q=kanariesokning\" \"{CHROME} KanarieAgent\"\n"
            );
        }
        log += &format!("{address} kanariehuvud kanariefalt [{time}] no line of a log\n");
        log += &format!(
            "{{\"time_local\":\"{time}\",\"remote_addr\":\"{address}\",\"request\":\"GET \
             /users/kanariesida HTTP/1.1\",\"status\":200,\"http_user_agent\":\"KanarieAgent \
             {CHROME}\",\"http_cookie\":\"kanariekaka\",\"remote_user\":\"kanarienamn\"}}\n"
        );
    }
    log
}

/// Imports the markers with a build and searches what it has left.
fn audit(binary: &Path) -> Found {
    let (dir, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let added = Command::new(binary).args(["site", "add", SITE, "--data"]).arg(&data).status();
    assert!(added.unwrap().success());
    let (search, mut found) = (Search::new(), Found::new());
    for (name, unix_seconds) in [("past", now() - 86_400), ("today", now())] {
        let log = logs.path().join(name);
        std::fs::write(&log, canaries(unix_seconds)).unwrap();
        let output = Command::new(binary)
            .args(["import", SITE, "--data"])
            .args([&data, &log])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        note(&mut found, &search, "stdout", &output.stdout);
        note(&mut found, &search, "stderr", &output.stderr);
        note_files(&mut found, &search, dir.path());
    }
    assert!(number_in(&data, "SELECT sum(views) FROM page_counts") >= 8);
    found
}

#[test]
fn no_marker_of_a_log_is_found_anywhere() {
    assert_eq!(audit(Path::new(env!("CARGO_BIN_EXE_headcount"))), Found::new());
}

#[test]
fn an_import_without_the_sanitiser_is_caught() {
    let found = audit(&without_sanitiser());
    for marker in ["kanariesida", "kanariefraga", "kanariekampanj", "kanarievag", "kanariesokning"]
    {
        let places = found.get(marker).cloned().unwrap_or_default();
        assert!(places.iter().any(|place| place.contains("/data/")), "{marker}: {places:?}");
    }
}

#[test]
fn erasing_a_site_leaves_nothing_of_its_imports() {
    let dir = folder();
    let log = file(&dir, "access.log", &view(now() - 86_400, 1, "/borttappad-sida"));
    imported(&dir, &[&log]);
    assert!(headcount(dir.path(), &["site", "erase", SITE]).status.success());
    assert_eq!(files_with(&dir.path().join("data"), b"borttappad-sida"), Vec::<String>::new());
    // Added again, its files may be counted again.
    assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
    assert!(imported(&dir, &[&log]).contains(": 1 views counted"));
}
