//! The pipeline from outside: commands, beacons, numbers and every way to start it wrongly.
//!
//! What it is not: a test of what must never be there; see `privacy`.
//!
//! What surprises: visitors are told apart by a header of a trusted proxy, which is this machine.
//! Every visitor but the proxy's own has its own network, because addresses are cut to /24.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::part::Part;
use crate::server::{CHROME, Deployment, PATIENCE, Reply, SITE, Server, headcount};
use crate::until::until;

/// Believes this machine about its visitors' addresses.
pub(crate) const PROXY: &str =
    "trusted_proxies = [\"127.0.0.0/8\"]\nclient_address_header = \"X-Forwarded-For\"\n";
/// Visitors of [`traffic`]: with a smaller crowd those who come after a release would wait.
pub(crate) const ALL_AT_ONCE: &str = "crowd = 9\n";
/// The views of the store, by which the tests read it.
pub(crate) const VIEWS: [&str; 5] =
    ["site_counts", "page_counts", "click_counts", "attribute_counts", "refusal_counts"];

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One line on standard error, and the exit code.
pub(crate) fn complaint(output: &Output) -> (Option<i32>, String) {
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    (output.status.code(), said)
}

/// The headers of a visitor by its number.
fn visitor(number: u8) -> String {
    format!("User-Agent: {CHROME}\r\nX-Forwarded-For: 198.51.{number}.7\r\n")
}

pub(crate) fn view(server: &Server, number: u8, page: &str) {
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"{page}\"}}");
    let reply = server.send("POST /hit", &visitor(number), &body).unwrap();
    assert_eq!(reply.status, 204, "{}", reply.body);
}

/// `up` on a folder, which is expected to end by itself.
fn up(folder: &Path, extra: &[&str]) -> Output {
    refused("up", folder, extra)
}

/// A command that counts, on a folder where it is expected to end by itself.
fn refused(command: &str, folder: &Path, extra: &[&str]) -> Output {
    let config = folder.join("headcount.toml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args([command, "--config"])
        .arg(config)
        .arg("--data")
        .arg(folder.join("data"))
        .args(extra)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if !until(PATIENCE, || child.try_wait().unwrap().is_some()) {
        child.kill().unwrap();
        panic!("`{command}` did not refuse to start");
    }
    child.wait_with_output().unwrap()
}

pub(crate) fn write_config(folder: &Path, settings: &str) {
    let text = format!("listen = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n{settings}");
    std::fs::write(folder.join("headcount.toml"), text).unwrap();
}

/// The answer without the line that tells the time.
pub(crate) fn timeless(reply: &Reply) -> (u16, String, String) {
    let lines = reply.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    (reply.status, lines.collect::<Vec<_>>().join("\n"), reply.body.clone())
}

/// Whether any file below a folder holds these bytes.
pub(crate) fn files_with(folder: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(needle.len()).any(|window| window == needle)
        {
            found.push(path.display().to_string());
        }
    }
    found
}

/// The answers of `explain` to these values, as arguments and through standard input.
fn explained(kind: &str, values: &[&str]) -> [Vec<String>; 2] {
    let dir = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        command.args(["explain", "--site", "example.com", "--event", "download_pdf", kind]);
        command.current_dir(dir.path());
        command
    };
    let by_args = command().arg("--").args(values).output().unwrap();
    let mut child = command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((values.join("\n") + "\n").as_bytes()).unwrap();
    drop(stdin);
    let by_stdin = child.wait_with_output().unwrap();
    [by_args, by_stdin].map(|output| {
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(str::to_owned).collect()
    })
}

#[test]
fn explain_gives_the_golden_pages_row_for_row() {
    let table = include_str!("golden/example_urls.tsv");
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|r| r.split('\t').collect()).collect();
    assert_eq!(rows.len(), 60);
    let inputs: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    for answers in explained("page", &inputs) {
        assert_eq!(answers.len(), rows.len());
        for (row, answer) in rows.iter().zip(answers) {
            assert_eq!(answer, row[1], "{}: {}", row[0], row[2]);
        }
    }
}

#[test]
fn explain_gives_the_golden_values_row_for_row() {
    let table = include_str!("golden/example_values.tsv");
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|r| r.split('\t').collect()).collect();
    assert_eq!(rows.len(), 18);
    for row in rows {
        for answers in explained(row[0], &[row[1]]) {
            assert_eq!(answers, [row[2]], "{} {}: {}", row[0], row[1], row[3]);
        }
    }
}

/// Nine visitors: nine views of two pages, one click, one event, one pixel.
pub(crate) fn traffic(server: &impl Deployment) {
    for number in 1..=8 {
        let body = format!(
            "{{\"s\":\"{SITE}\",\"p\":\"/priser?utm_source=nyhetsbrev\",\
             \"r\":\"https://duckduckgo.com/?q=x\"}}"
        );
        assert_eq!(server.send("POST /hit", &visitor(number), &body).unwrap().status, 204);
    }
    let pixel = format!("GET /p.gif?s={SITE}&p=%2Fom");
    let reply = server.send(&pixel, &visitor(9), "").unwrap();
    assert_eq!((reply.status, reply.body.starts_with("GIF89a")), (200, true));
    for rest in ["\"c\":\"https://partner.example.net/a?b=c\"", "\"e\":\"signup\""] {
        let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/priser\",{rest}}}");
        assert_eq!(server.send("POST /hit", &visitor(1), &body).unwrap().status, 204);
    }
    assert_eq!(
        server
            .send("POST /hit", &(visitor(1) + "DNT: 1\r\n"), "{\"s\":\"example.org\",\"p\":\"/\"}")
            .unwrap()
            .status,
        204
    );
    server.wait_for("SELECT sum(views) FROM site_counts", 9);
    server.wait_for("SELECT sum(clicks) FROM click_counts", 2);
    server.wait_for("SELECT sum(refused) FROM refusal_counts", 1);
}

/// The same traffic has the same counts, wherever they rest.
pub(crate) fn every_view_holds_the_traffic(server: &impl Deployment) {
    traffic(server);
    server.wait_for("SELECT sum(views) FROM attribute_counts WHERE attribute = 'source'", 9);
    views_hold_the_traffic(server);
}

/// The counts of the traffic, after it.
pub(crate) fn views_hold_the_traffic(server: &impl Deployment) {
    for (sql, expect) in [
        ("SELECT sum(views) FROM site_counts", 9),
        ("SELECT sum(views) FROM attribute_counts WHERE attribute = 'source'", 9),
        ("SELECT sum(visitors) FROM site_counts", 9),
        ("SELECT sum(visits) FROM site_counts", 9),
        ("SELECT sum(clicks) FROM site_counts", 2),
        ("SELECT sum(views) FROM page_counts WHERE page = '/priser'", 8),
        ("SELECT sum(visitors) FROM page_counts WHERE page = '/om'", 1),
        ("SELECT count(DISTINCT page) FROM page_counts", 2),
        ("SELECT sum(clicks) FROM click_counts WHERE target = 'ext:example.net'", 1),
        ("SELECT sum(clicks) FROM click_counts WHERE target = 'signup' AND page = '/priser'", 1),
        ("SELECT sum(views) FROM attribute_counts WHERE value = 'duckduckgo.com'", 8),
        ("SELECT sum(views) FROM attribute_counts WHERE value = 'nyhetsbrev'", 8),
        ("SELECT sum(refused) FROM refusal_counts WHERE reason = 'dnt'", 1),
        ("SELECT count(DISTINCT attribute) FROM attribute_counts", 8),
    ] {
        assert_eq!(server.number(sql), expect, "{sql}");
    }
}

#[test]
fn a_hit_is_in_every_view_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[PROXY, ALL_AT_ONCE].concat(), &[]);
    every_view_holds_the_traffic(&server);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn api_and_stats_show_the_same_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[PROXY, ALL_AT_ONCE].concat(), &[]);
    traffic(&server);
    let config = dir.path().join("headcount.toml");
    let config = config.to_str().unwrap();
    let made = headcount(dir.path(), &["token", "add", "--site", SITE, "--config", config]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let token = text(&made.stdout).trim().to_owned();
    let question = format!(
        "{{\"site_id\":\"{SITE}\",\"metrics\":[\"pageviews\",\"visitors\"],\
         \"date_range\":\"7d\",\"dimensions\":[\"event:page\"]}}"
    );
    let ask = |headers: &str, question: &str| {
        server.send("POST /api/v2/query", headers, question).unwrap()
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let answer = ask(&bearer, &question);
    assert_eq!(answer.status, 200, "{}", answer.body);
    for row in ["\"/priser\"],\"metrics\":[8,8]", "\"/om\"],\"metrics\":[1,1]"] {
        assert!(answer.body.replace([' ', '\n'], "").contains(row), "{}", answer.body);
    }
    assert_eq!(ask("", &question).status, 401);
    assert_eq!(ask(&bearer, &question.replace(SITE, "example.net")).status, 404);
    assert_eq!(
        ask(&bearer, &question.replace("\"event:page\"", "\"event:page\",\"visit:country\""))
            .status,
        400
    );
    for (by, format, expect) in [
        ("page", "table", "/priser"),
        ("page", "json", "\"/priser\""),
        ("page", "csv", "\"/priser\",\"8\",\"8\""),
        ("target", "csv", "\"ext:example.net\""),
        ("refused", "csv", "\"dnt\",\"1\""),
        ("refused", "table", "dnt"),
        ("refused", "json", "\"dnt\""),
    ] {
        let args = ["stats", SITE, "--config", config, "--by", by, "--format", format];
        let shown = headcount(dir.path(), &args);
        assert!(shown.status.success(), "{}", text(&shown.stderr));
        assert!(text(&shown.stdout).contains(expect), "{by} {format}: {}", text(&shown.stdout));
    }
    let revoked = headcount(dir.path(), &["token", "revoke", "1"]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    assert_eq!(ask(&bearer, &question).status, 401);
}

#[test]
fn a_refused_hit_gets_the_bytes_of_a_counted_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "", &[]);
    let agent = format!("User-Agent: {CHROME}\r\n");
    let refused = [
        ("gpc", format!("{agent}Sec-GPC: 1\r\n")),
        ("dnt", format!("{agent}DNT: 1\r\n")),
        ("prefetch", format!("{agent}Sec-Purpose: prefetch;prerender\r\n")),
        ("robot", "User-Agent: Googlebot/2.1 (+http://www.google.com/bot.html)\r\n".to_owned()),
        ("origin", format!("{agent}Origin: https://elsewhere.example.net\r\n")),
    ];
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/a\"}}");
    let ways = [("POST /hit", body.as_str()), ("GET /p.gif?s=example.org&p=%2Fa", "")];
    for (line, body) in ways {
        let counted = server.send(line, &agent, body).unwrap();
        for (reason, headers) in &refused {
            let reply = server.send(line, headers, body).unwrap();
            assert_eq!(timeless(&reply), timeless(&counted), "{line} {reason}");
        }
    }
    for (reason, _) in &refused {
        let sql = format!("SELECT sum(refused) FROM refusal_counts WHERE reason = '{reason}'");
        server.wait_for(&sql, 2);
        let line = format!("headcount_hits_refused_total{{reason=\"{reason}\"}} 2\n");
        let metrics = server.ask_ops("/metrics");
        assert!(metrics.contains(&line), "{metrics}");
    }
    server.wait_for("SELECT sum(views) FROM site_counts", 2);
    server.wait_for("SELECT sum(refused) FROM refusal_counts", 10);
}

#[test]
fn what_is_no_hit_gets_one_plain_line() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "", &[]);
    let long = "x".repeat(5_000);
    for (line, body, status) in [
        ("POST /hit", "{\"s\":\"example.net\",\"p\":\"/\"}".to_owned(), 404),
        ("POST /hit", "{\"s\":".to_owned(), 400),
        ("POST /hit", format!("{{\"s\":\"{SITE}\"}}"), 400),
        ("POST /hit", format!("{{\"s\":\"{SITE}\",\"p\":\"/{long}\"}}"), 413),
        (&format!("GET /p.gif?s={SITE}&p={long}"), String::new(), 414),
        ("GET /hit", String::new(), 405),
    ] {
        let reply = server.send(line, &format!("User-Agent: {CHROME}\r\n"), &body).unwrap();
        assert_eq!(reply.status, status, "{}", reply.body);
        assert_eq!(reply.body.lines().count(), 1, "{}", reply.body);
        assert!(!reply.body.contains("xx") && !reply.head.to_lowercase().contains("set-cookie"));
    }
    view(&server, 1, "/kvar");
    server.wait_for("SELECT sum(views) FROM site_counts", 1);
}

#[test]
fn attributes_leave_the_edge_with_a_crowd_and_stay_there_without() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    (1..=7).for_each(|number| view(&server, number, "/a"));
    server.wait_for("SELECT sum(views) FROM page_counts", 7);
    assert_eq!(server.number("SELECT count(*) FROM attribute_counts"), 0);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(
        crate::server::number_in(&dir.path().join("data"), "SELECT count(*) FROM attribute_counts"),
        0
    );
    let server = Server::start(dir.path(), PROXY, &[]);
    view(&server, 8, "/a");
    server.wait_for("SELECT sum(views) FROM attribute_counts WHERE attribute = 'source'", 8);
    assert_eq!(server.number("SELECT sum(views) FROM page_counts"), 8);
}

#[test]
fn a_restart_counts_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let server = Server::start(dir.path(), PROXY, &[]);
        (1..=9).for_each(|number| view(&server, number, "/a"));
        if round == 2 {
            server.kill();
        } else {
            assert_eq!(server.stop(), Some(0));
        }
    }
    let server = Server::start(dir.path(), PROXY, &[]);
    server.wait_for("SELECT sum(views) FROM page_counts", 27);
    server.wait_for("SELECT sum(views) FROM attribute_counts WHERE attribute = 'os'", 27);
    assert_eq!(server.number("SELECT sum(views) FROM site_counts"), 27);
}

#[test]
fn a_site_is_added_and_erased_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    let second = |page: &str, number: u8| {
        let body = format!("{{\"s\":\"added.example.net\",\"p\":\"{page}\",\"c\":null}}");
        server.send("POST /hit", &visitor(number), &body).unwrap().status
    };
    assert_eq!(second("/", 1), 404);
    let added = headcount(dir.path(), &["site", "add", "added.example.net"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let deadline = std::time::Instant::now() + PATIENCE;
    while second("/forsvinnande-sida", 1) == 404 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // Its second page's cells are at the edge still, or just on their way.
    (2..=4).for_each(|number| assert_eq!(second("/borttappad-sida", number), 204));
    (1..=3).for_each(|number| view(&server, number, "/kvarvarande-sida"));
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/borttappad-sida'", 3);
    assert!(!files_with(&server.data(), b"borttappad-sida").is_empty());
    let erased = headcount(dir.path(), &["site", "erase", "added.example.net"]);
    assert!(erased.status.success(), "{}", text(&erased.stderr));
    for view in VIEWS {
        let sql = format!("SELECT count(*) FROM {view} WHERE site = 'added.example.net'");
        assert_eq!(server.number(&sql), 0, "{view}");
    }
    assert_eq!(second("/", 5), 404);
    assert_eq!(server.number("SELECT sum(views) FROM page_counts"), 3);
    assert!(!files_with(&server.data(), b"kvarvarande-sida").is_empty());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_page_names_of_an_erased_site_are_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    (1..=3).for_each(|number| view(&server, number, "/borttappad-sida"));
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/borttappad-sida'", 3);
    assert!(!files_with(&server.data(), b"borttappad-sida").is_empty());
    let erased = headcount(dir.path(), &["site", "erase", SITE]);
    assert!(erased.status.success(), "{}", text(&erased.stderr));
    assert_eq!(files_with(&server.data(), b"borttappad-sida"), Vec::<String>::new());
}

#[test]
fn a_wrong_setting_is_one_line_and_exit_64() {
    let dir = tempfile::tempdir().unwrap();
    for (settings, word) in [
        ("visitors = \"always\"\n", "visitors"),
        ("colour = \"red\"\n", "colour"),
        ("retention_days = 0\n", "retention_days"),
        ("trusted_proxies = [\"127.0.0.0/8\"]\n", "client_address_header"),
        ("[[sites]]\nhost = \"exa mple\"\n", "exa mple"),
        ("this is no toml\n", "headcount.toml"),
    ] {
        write_config(dir.path(), settings);
        let (code, said) = complaint(&up(dir.path(), &[]));
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(word), "{said}");
    }
    assert!(!dir.path().join("data").exists());
}

#[test]
fn a_taken_port_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    write_config(dir.path(), "");
    let (code, said) = complaint(&up(dir.path(), &["--listen", &address]));
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("listen = {address}")), "{said}");
}

#[test]
fn a_folder_of_a_stranger_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    write_config(dir.path(), "");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("diary.txt"), "dear diary").unwrap();
    let (code, said) = complaint(&up(dir.path(), &[]));
    assert_eq!(code, Some(64));
    assert!(said.contains("data_dir"), "{said}");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
    // Nor is a folder made where a file is.
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::write(&data, "dear diary").unwrap();
    let (code, said) = complaint(&up(dir.path(), &[]));
    assert_eq!(code, Some(64));
    assert!(said.contains("data_dir") && said.contains("cannot be made"), "{said}");
}

/// A cluster's broker that does not answer.
const NO_KAFKA: &str = "[kafka]\nbrokers = [\"127.0.0.1:1\"]\n";

#[test]
fn a_folder_whose_batches_wait_for_kafka_is_refused_by_up() {
    let dir = tempfile::tempdir().unwrap();
    write_config(dir.path(), &format!("{NO_KAFKA}\n[[sites]]\nhost = \"{SITE}\"\n"));
    let (config, data) = (dir.path().join("headcount.toml"), dir.path().join("data"));
    let (config, data) = (config.to_str().unwrap(), data.to_str().unwrap());
    let args = ["collect", "--config", config, "--data", data];
    let binary = Path::new(env!("CARGO_BIN_EXE_headcount"));
    let collect = Part::start(binary, dir.path(), "collect", &args, &[]).unwrap();
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/a\"}}");
    assert_eq!(collect.send("POST /hit", &visitor(1), &body).unwrap().status, 204);
    collect.kill();
    let (code, said) = complaint(&up(dir.path(), &[]));
    assert_eq!(code, Some(1));
    assert!(said.contains("begun by `headcount collect`"), "{said}");
    assert!(!dir.path().join("data/counts.db").exists());
}

#[test]
fn a_folder_that_up_has_counted_in_is_refused_by_collect() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    view(&server, 1, "/a");
    server.kill();
    write_config(dir.path(), NO_KAFKA);
    let edge = || std::fs::read(dir.path().join("data/edge.db")).unwrap();
    let before = edge();
    let (code, said) = complaint(&refused("collect", dir.path(), &[]));
    assert_eq!(code, Some(1));
    assert!(said.contains("`headcount up` has counted in it"), "{said}");
    assert_eq!(edge(), before);
}

#[test]
fn a_second_up_on_a_folder_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    let (code, said) = complaint(&up(dir.path(), &[]));
    assert_eq!(code, Some(1));
    assert!(said.contains("another headcount runs"), "{said}");
    view(&server, 1, "/a");
    server.wait_for("SELECT sum(views) FROM page_counts", 1);
}

#[test]
fn a_file_of_a_newer_version_is_refused_untouched() {
    let files =
        [("counts.db", "counts.db"), ("edge.db", "edge file"), ("control.db", "control.db")];
    for (file, name) in files {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path(), PROXY, &[]);
        view(&server, 1, "/a");
        assert_eq!(server.stop(), Some(0));
        let path = dir.path().join("data").join(file);
        let db = rusqlite::Connection::open(&path).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        drop(db);
        let before = std::fs::read(&path).unwrap();
        let (code, said) = complaint(&up(dir.path(), &[]));
        assert_eq!(code, Some(1), "{file}");
        assert!(said.contains(name) && said.contains("99"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{file}");
    }
}
