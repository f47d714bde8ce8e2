//! The promises of websites' privacy policies that no other test has: each as a person would check it.
//!
//! What it is not: the list of them. `tests/README.md` has a line for each promise, with its test.
//!
//! What surprises: one test watches the system calls of the process. Whom it does not ask learns
//! nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::part::install_script;
use crate::pipeline::{PROXY, files_with, text};
use crate::server::{CHROME, Deployment as _, PATIENCE, Reply, SITE, Server};
use crate::until::until;

const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0";
/// Every header that an answer on the visitors' listener may have, in lower case. The policies belong
/// to the dashboard, which answers what is no path of a visitor.
const HEADERS: [&str; 18] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-max-age",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "referrer-policy",
    "vary",
    "x-content-type-options",
    "x-frame-options",
];

fn from(network: u32, agent: &str) -> String {
    format!("User-Agent: {agent}\r\nX-Forwarded-For: 198.51.{network}.7\r\n")
}

fn hit(server: &Server, headers: &str, fields: &str) -> Reply {
    let body = format!("{{\"s\":\"{SITE}\",{fields}}}");
    server.send("POST /hit", headers, &body).unwrap()
}

/// Asks the API for metrics of today; its answer.
fn ask(server: &Server, folder: &Path, question: &str) -> String {
    let made = crate::server::headcount(folder, &["token", "add", "--site", SITE]);
    let token = text(&made.stdout).trim().to_owned();
    let headers = format!("Authorization: Bearer {token}\r\n");
    server.send("POST /api/v2/query", &headers, question).unwrap().body
}

#[test]
fn this_many_have_visited_this_page() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    // 40 views of 17 pairs: 9 networks, of which 8 have two browsers.
    let pairs: Vec<String> = (0..9)
        .map(|network| from(network, CHROME))
        .chain((0..8).map(|network| from(network, FIREFOX)))
        .collect();
    for pair in pairs.iter().cycle().take(40) {
        assert_eq!(hit(&server, pair, "\"p\":\"/priser\"").status, 204);
    }
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/priser'", 40);
    let question = format!(
        "{{\"site_id\":\"{SITE}\",\"metrics\":[\"pageviews\",\"visitors\"],\"date_range\":\"day\",\
         \"dimensions\":[\"event:page\"]}}"
    );
    let answer = ask(&server, dir.path(), &question);
    assert!(answer.contains("\"dimensions\":[\"/priser\"],\"metrics\":[40,17]"), "{answer}");
    server.stop();
}

#[test]
fn that_many_clicked_that_link_and_whom_they_wrote_to_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    let visitor = from(1, CHROME);
    for _ in 0..12 {
        hit(&server, &visitor, "\"p\":\"/kontakt\",\"c\":\"mailto:anna.svensson@klinik.example\"");
    }
    for _ in 0..5 {
        hit(&server, &visitor, "\"p\":\"/kontakt\",\"c\":\"https://shop.example.net/cart?user=7\"");
    }
    let clicks = |target| {
        format!(
            "SELECT sum(clicks) FROM click_counts WHERE page = '/kontakt' AND target = '{target}'"
        )
    };
    server.wait_for(&clicks("mailto"), 12);
    server.wait_for(&clicks("ext:example.net"), 5);
    assert_eq!(server.number("SELECT count(DISTINCT target) FROM click_counts"), 2);
    server.stop();
    for part in ["svensson", "klinik", "cart"] {
        assert_eq!(files_with(dir.path(), part.as_bytes()), Vec::<String>::new(), "{part}");
    }
}

#[test]
fn script_and_pixel_count_alike() {
    let dir = tempfile::tempdir().unwrap();
    let visits = [
        (1, "/", "https://duckduckgo.com/?q=a"),
        (1, "/om", "https://example.org/"),
        (2, "/om", ""),
        (3, "/kund/88/avtal", "https://news.example.net/a"),
    ];
    let mut counted = Vec::new();
    for by_script in [true, false] {
        let folder = dir.path().join(by_script.to_string());
        std::fs::create_dir(&folder).unwrap();
        let server = Server::start(&folder, &format!("{PROXY}crowd = 1\n"), &[]);
        for (network, page, referrer) in visits {
            let headers = from(network, CHROME);
            if by_script {
                let fields = format!("\"p\":\"{page}\",\"r\":\"{referrer}\"");
                assert_eq!(hit(&server, &headers, &fields).status, 204);
            } else {
                let line =
                    format!("GET /p.gif?s={SITE}&p={page}&r={}", referrer.replace('?', "%3F"));
                assert_eq!(server.send(&line, &headers, "").unwrap().status, 200);
            }
        }
        server.wait_for("SELECT sum(views) FROM page_counts", 4);
        server.wait_for("SELECT sum(views) FROM attribute_counts WHERE attribute = 'source'", 4);
        server.stop();
        counted.push(rows(&folder.join("data")));
    }
    assert!(counted[0].iter().any(|row| row.contains("/kund/:id/avtal|1|1|1")), "{:?}", counted[0]);
    assert_eq!(counted[0], counted[1]);
}

/// Every count of pages and attributes, without its hour or day.
fn rows(data: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(data.join("counts.db")).unwrap();
    let sql = "SELECT page || '|' || sum(views) || '|' || sum(visitors) || '|' || sum(visits)
        FROM page_counts GROUP BY page
        UNION ALL SELECT attribute || '=' || value || '|' || views || '|' || visitors || '|' || visits
        FROM attribute_counts ORDER BY 1";
    let mut get = db.prepare(sql).unwrap();
    get.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_image_in_a_mail_counts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    // A mail program names no page; a web mail names its own.
    for referer in ["", "Referer: https://mail.example.net/inbox/7\r\n"] {
        for line in ["GET /p.gif", "GET /p.gif?p=/nyhetsbrev&recipient=anna"] {
            let reply = server.send(line, &format!("{}{referer}", from(4, CHROME)), "").unwrap();
            assert_eq!(reply.status, 200, "{line}");
            assert!(reply.body.starts_with("GIF89a"), "{line}");
        }
    }
    // A page of the site is counted, so the counters do move.
    let headers = format!("{}Referer: https://{SITE}/sida\r\n", from(4, CHROME));
    server.send("GET /p.gif", &headers, "").unwrap();
    server.wait_for("SELECT sum(views) FROM site_counts", 1);
    assert_eq!(server.number("SELECT sum(views) FROM page_counts"), 1);
    assert_eq!(server.number("SELECT sum(refused) FROM refusal_counts"), 0);
    server.stop();
}

/// A mail program that asks for images which name their site and, in the page, the one who reads.
fn open_mail(server: &Server) {
    for line in [
        "GET /p.gif?s=example.org&p=/nyhetsbrev/oppnad-anna",
        "GET /matomo.php?idsite=7&rec=1&url=https%3A%2F%2Fexample.org%2Fnyhetsbrev%2Foppnad-anna",
    ] {
        assert_eq!(server.send(line, &from(4, CHROME), "").unwrap().status, 200, "{line}");
    }
}

/// The standard: an image with its site needs no page, so who puts it into a mail counts mails. A limit
/// that README tells.
#[test]
fn an_image_that_names_its_site_counts_without_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &format!("{PROXY}{COMPAT}"), &[]);
    open_mail(&server);
    let opened = "SELECT sum(views) FROM page_counts WHERE page LIKE '/nyhetsbrev/%'";
    server.wait_for(opened, 2);
    server.stop();
}

#[test]
fn with_the_strict_preset_an_image_counts_on_a_page_of_the_site_only() {
    let dir = tempfile::tempdir().unwrap();
    let settings = format!("{PROXY}{COMPAT}preset = \"strict\"\n");
    let server = Server::start(dir.path(), &settings, &[]);
    open_mail(&server);
    server.wait_for("SELECT sum(refused) FROM refusal_counts WHERE reason = 'origin'", 2);
    // The script's hits and the image of a page are counted.
    let page = format!("{}Referer: https://{SITE}/sida\r\n", from(4, CHROME));
    server.send("GET /p.gif?s=example.org&p=/sida", &page, "").unwrap();
    hit(&server, &from(4, CHROME), "\"p\":\"/sida\"");
    server.wait_for("SELECT sum(views) FROM site_counts", 2);
    assert_eq!(server.number("SELECT sum(refused) FROM refusal_counts"), 2);
    server.stop();
    assert_eq!(files_with(dir.path(), b"oppnad-anna"), Vec::<String>::new());
}

#[test]
fn who_asks_not_to_be_counted_moves_one_counter_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    for (network, wish) in ["DNT: 1", "Sec-GPC: 1"].into_iter().enumerate() {
        let headers = format!("{}{wish}\r\n", from(u32::try_from(network).unwrap(), CHROME));
        assert_eq!(hit(&server, &headers, "\"p\":\"/a\"").status, 204);
        assert_eq!(hit(&server, &headers, "\"p\":\"/a\",\"c\":\"/b\"").status, 204);
        let line = format!("GET /p.gif?s={SITE}&p=/a");
        assert_eq!(server.send(&line, &headers, "").unwrap().status, 200);
    }
    server.wait_for("SELECT sum(refused) FROM refusal_counts", 6);
    for table in ["site_counts", "page_counts", "click_counts", "attribute_counts"] {
        assert_eq!(server.number(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    let metrics = server.ask_ops("/metrics");
    assert!(metrics.lines().any(|line| line == "headcount_hits_accepted_total 0"), "{metrics}");
    server.stop();
}

/// Requests of every kind, wrong ones too.
fn everything(server: &Server) -> Vec<Reply> {
    let visitor = from(9, CHROME);
    let mut replies = vec![
        hit(server, &visitor, "\"p\":\"/a\",\"r\":\"https://example.net/\""),
        hit(server, &visitor, "\"p\":\"/a\",\"e\":\"signup\""),
        hit(server, &from(9, "Googlebot/2.1"), "\"p\":\"/a\""),
    ];
    for (line, body) in [
        ("GET /p.gif?s=example.org&p=/a", ""),
        ("GET /p.gif", ""),
        ("OPTIONS /hit", ""),
        ("POST /hit", "{"),
        ("POST /hit", "{\"s\":\"unknown.example\",\"p\":\"/a\"}"),
        ("PUT /hit", "x"),
        ("GET /headcount.js", ""),
        ("GET /headcount.0000.js", ""),
        ("GET /nowhere", ""),
        (
            "POST /api/event",
            "{\"n\":\"pageview\",\"u\":\"https://example.org/a\",\"d\":\"example.org\"}",
        ),
        ("POST /api/send", "{\"type\":\"event\",\"payload\":{\"website\":\"x\",\"url\":\"/a\"}}"),
        ("GET /count?p=/a", ""),
        ("GET /matomo.php?idsite=1&rec=1&url=https://example.org/a", ""),
    ] {
        replies.push(
            server.send(line, &format!("{visitor}Origin: https://{SITE}\r\n"), body).unwrap(),
        );
    }
    replies
}

const COMPAT: &str = "compat = [\"plausible\", \"umami\", \"goatcounter\", \"matomo\"]\n";

#[test]
fn an_answer_to_a_visitor_has_no_header_but_these() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &format!("{PROXY}{COMPAT}"), &[]);
    let mut seen = BTreeSet::new();
    for reply in everything(&server) {
        for line in reply.head.lines().skip(1) {
            let name = line.split(':').next().unwrap().to_ascii_lowercase();
            seen.insert(name);
        }
        let is_kept_nowhere =
            reply.head.lines().any(|line| line.eq_ignore_ascii_case("cache-control: no-store"));
        assert!(is_kept_nowhere, "{}", reply.head);
        // A preflight that is kept would tell, by not coming again, that the browser was here before.
        let mut kept = reply.head.lines().filter_map(|line| line.split_once(": "));
        let life = kept.find(|(name, _)| name.eq_ignore_ascii_case("access-control-max-age"));
        assert!(life.is_none_or(|(_, seconds)| seconds == "0"), "{}", reply.head);
    }
    let others: Vec<_> = seen.iter().filter(|name| !HEADERS.contains(&name.as_str())).collect();
    assert!(others.is_empty() && seen.len() > 5, "{others:?} of {seen:?}");
    server.stop();
}

#[test]
fn every_label_of_the_metrics_is_known_before_the_first_hit() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &format!("{PROXY}{COMPAT}"), &[]);
    let names = |text: &str| -> BTreeSet<String> {
        text.lines()
            .map(|line| line.rsplit_once(' ').map_or(line, |(name, _)| name).to_owned())
            .collect()
    };
    let before = names(&server.ask_ops("/metrics"));
    everything(&server);
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/a'", 6);
    let after = names(&server.ask_ops("/metrics"));
    assert_eq!(before, after);
    assert!(after.iter().any(|name| name.contains("reason=\"robot\"")), "{after:?}");
    server.stop();
}

/// The addresses that a process asked for, out of what strace wrote.
fn asked(trace: &Path) -> Vec<String> {
    let lines = std::fs::read_to_string(trace).unwrap_or_default();
    lines.lines().filter(|line| line.contains("sa_family=AF_INET")).map(str::to_owned).collect()
}

/// A program that runs headcount and writes down whom it asks. The process is the same.
fn watched(folder: &Path, trace: &Path) -> std::path::PathBuf {
    let program = folder.join("watched");
    let script = format!(
        "#!/bin/sh\nexec strace -D -f -qq -s 0 -e trace=connect,sendto,sendmsg,sendmmsg -o '{}' '{}' \"$@\"\n",
        trace.display(),
        env!("CARGO_BIN_EXE_headcount"),
    );
    install_script(&script, &program);
    program
}

#[test]
fn nobody_else_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let program = watched(dir.path(), &trace);
    let settings = format!("{PROXY}{COMPAT}crowd = 1\n");
    let server = Server::start_binary(&program, dir.path(), &settings, &[]).unwrap();
    everything(&server);
    server.wait_for("SELECT count(*) > 0 FROM attribute_counts WHERE attribute = 'country'", 1);
    let question =
        format!("{{\"site_id\":\"{SITE}\",\"metrics\":[\"visitors\"],\"date_range\":\"day\"}}");
    assert!(ask(&server, dir.path(), &question).contains("results"));
    let page = server.send("GET /", "", "").unwrap();
    let policy =
        page.head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-security"));
    assert!(policy.is_some_and(|policy| policy.contains("default-src 'none'")), "{}", page.head);
    server.stop();
    // strace goes on for a moment after the process.
    let is_written = until(PATIENCE, || std::fs::metadata(&trace).is_ok_and(|file| file.len() > 0));
    assert!(is_written, "strace wrote nothing; is it installed, and may it trace?");
    assert_eq!(asked(&trace), Vec::<String>::new());

    // The same eyes see somebody who does ask.
    let trace = dir.path().join("control");
    let program = watched(dir.path(), &trace);
    let config = dir.path().join("cluster.toml");
    std::fs::write(&config, "[clickhouse]\nurl = \"http://127.0.0.1:1\"\n").unwrap();
    let data = dir.path().join("other");
    Command::new(program)
        .args(["stats", SITE, "--config"])
        .arg(config)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    let is_seen = until(PATIENCE, || asked(&trace).iter().any(|line| line.contains("htons(1)")));
    assert!(is_seen, "{:?}", asked(&trace));
}

/// A row a view would be in the ledger of a quiet site, and each insert in the store's log.
#[test]
fn the_store_tells_days_and_no_single_view() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    for (number, page) in (1..).zip(["/", "/a", "/b", "/c"]) {
        hit(&server, &from(20, CHROME), &format!("\"p\":\"{page}\""));
        server.wait_for("SELECT sum(views) FROM page_counts", number);
    }
    assert_eq!(
        server.number("SELECT count(*) FROM ledger WHERE views > 0"),
        1,
        "a row for the day"
    );
    let log = dir.path().join("data/counts.db-wal");
    let is_empty = || std::fs::metadata(&log).is_ok_and(|log| log.len() == 0);
    assert!(until(PATIENCE, is_empty), "the log is emptied when nothing comes");
    assert_eq!(server.stop(), Some(0));
}
