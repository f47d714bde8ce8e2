//! What the four endpoints answer to what no published client sends: wishes, robots, preflights,
//! broken and oversized requests.
//!
//! What it is not: about counts of the clients themselves.
//!
//! What surprises: a batch is counted whole or not at all, and its answer says how many of its
//! requests were such, never how many were counted.

use std::path::Path;

use super::{MOVED, UMAMI_ID, settings};
use crate::dice::Dice;
use crate::pipeline::{complaint, timeless};
use crate::privacy::{SETTLING, metrics, noise, remains};
use crate::server::{CHROME, Deployment as _, PATIENCE, Reply, Server, headcount};
use crate::until::until;

/// One request of each client: line and body.
fn requests() -> [(&'static str, String); 6] {
    let page = format!("https://{MOVED}/a");
    [
        ("POST /api/event", format!("{{\"n\":\"pageview\",\"u\":\"{page}\",\"d\":\"{MOVED}\"}}")),
        (
            "POST /api/send",
            format!(
                "{{\"type\":\"event\",\"payload\":{{\"website\":\"{UMAMI_ID}\",\"url\":\"/a\"}}}}"
            ),
        ),
        ("GET /count?p=https://moved.example.com/a", String::new()),
        // Nothing of it is in the body, which is left unread.
        ("POST /count?p=https://moved.example.com/a", "{\"p\":\"/b\"}".to_owned()),
        ("GET /matomo.php?rec=1&idsite=7&url=/a", String::new()),
        ("POST /piwik.php", "rec=1&idsite=7&url=/a&send_image=0".to_owned()),
    ]
}

fn start(folder: &Path) -> Server {
    Server::start(folder, &settings(), &[])
}

fn send(server: &Server, line: &str, headers: &str, body: &str) -> Reply {
    server.send(line, &format!("User-Agent: {CHROME}\r\n{headers}"), body).unwrap()
}

#[test]
fn refused_hits_get_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    for (line, body) in requests() {
        let counted = timeless(&send(&server, line, "", &body));
        assert!(matches!(counted.0, 200 | 202 | 204), "{line}: {counted:?}");
        for wish in ["DNT: 1\r\n", "Sec-GPC: 1\r\n", "Sec-Purpose: prefetch\r\n"] {
            assert_eq!(timeless(&send(&server, line, wish, &body)), counted, "{line} {wish}");
        }
        let robot = server.send(line, "User-Agent: Googlebot/2.1\r\n", &body).unwrap();
        assert_eq!(timeless(&robot), counted, "{line}");
        let elsewhere = format!("Referer: https://{MOVED}.example.net/\r\n");
        assert_eq!(timeless(&send(&server, line, &elsewhere, &body)), counted, "{line}");
    }
    let counts = |sql: &str, expect| server.wait_for(sql, expect);
    counts("SELECT sum(views) FROM page_counts WHERE page = '/a'", 6);
    for reason in ["dnt", "gpc", "prefetch", "robot", "origin"] {
        counts(&format!("SELECT sum(refused) FROM refusal_counts WHERE reason = '{reason}'"), 6);
    }
    assert_eq!(server.stop(), Some(0));
}

/// The same requests with every other header and field changed.
#[test]
fn what_is_not_read_changes_nothing() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Attribute cells stay at the edge: when they leave would depend on the moment of a release.
    let settings = settings().replace("crowd = 1\n", "crowd = 1000\n");
    let [a, b] = [0, 1].map(|at: usize| Server::start(dirs[at].path(), &settings, &[]));
    let mut dice = Dice(20_261_121);
    for _ in 0..4 {
        for (line, body) in requests() {
            let drawn = format!("{:x}", dice.roll());
            let pair =
                format!("&uid={drawn}&t={drawn}&_id=7&cip=203.0.113.9&dimension1={drawn}&gt_ms=9");
            let query = if line.contains('?') { pair.as_str() } else { "" };
            let form = if body.starts_with("rec") { pair.as_str() } else { "" };
            let field = format!("{{\"ip\":\"{drawn}\",\"w\":[{{\"n\":1}}],\"title\":null,");
            let more = body.replace('{', &field) + form;
            let headers: String = noise(&mut dice).iter().map(|h| format!("{h}\r\n")).collect();
            let plain = timeless(&send(&a, line, "", &body));
            let changed = timeless(&send(&b, &format!("{line}{query}"), &headers, &more));
            assert_eq!(changed, plain, "{line} {more}");
            assert!(plain.0 < 300, "{plain:?}");
        }
    }
    // The last of either may still be on its way.
    until(PATIENCE, || metrics(&a) == metrics(&b));
    std::thread::sleep(SETTLING);
    assert_eq!(metrics(&a), metrics(&b));
    assert_eq!([a.stop(), b.stop()], [Some(0), Some(0)]);
    assert_eq!(remains(dirs[0].path()), remains(dirs[1].path()));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let big = format!("{{\"n\":\"pageview\",\"p\":\"{}\"}}", "x".repeat(33_000));
    let many = format!("{{\"requests\":[{}]}}", vec!["\"?rec=1\""; 101].join(","));
    let bigger = format!("rec=1&url={}", "x".repeat(132_000));
    for (line, body, status, part) in [
        ("POST /api/event", "", 400, "\"n\""),
        ("POST /api/event", "{\"n\":\"pageview\",\"u\":\"/a\",\"d\":\"x.y\"}", 404, "site add"),
        ("POST /api/event", "{\"n\":\"pageview\",\"d\":\"moved.example.com\"}", 400, "no page"),
        ("POST /api/event", big.as_str(), 413, "32768"),
        ("GET /api/event", "", 405, "POST"),
        ("POST /api/send", "[]", 400, "\"payload\""),
        ("POST /api/send", "{\"type\":\"event\",\"payload\":{\"url\":\"/a\"}}", 404, "site add"),
        ("PUT /api/send", "", 405, "POST"),
        ("GET /count?p=/a", "", 404, "site add"),
        ("PUT /count?p=/a", "", 405, "POST"),
        ("GET /matomo.php", "", 400, "rec=1"),
        ("POST /matomo.php", "{\"requests\":[]}", 400, "rec=1"),
        ("POST /matomo.php", "{\"requests\":[\"?idsite=7\",\"x\"]}", 400, "rec=1"),
        ("POST /matomo.php", many.as_str(), 413, "100"),
        ("POST /matomo.php", bigger.as_str(), 413, "131072"),
        ("GET /matomo.php?rec=1&idsite=8&url=/a", "", 404, "site add"),
    ] {
        let reply = send(&server, line, "", body);
        assert_eq!(reply.status, status, "{line} {body:.99}: {reply:?}");
        assert!(reply.body.contains(part), "{line}: {}", reply.body);
        assert_eq!(reply.body.lines().count(), 1, "{}", reply.body);
    }
    let absolute = send(&server, "GET http://x/count?p=/a", "", "");
    assert_eq!(absolute.status, 400, "{absolute:?}");
    assert!(server.number("SELECT sum(views) FROM page_counts") <= 0);
    let metrics = server.ask_ops("/metrics");
    // Of a batch, each request; of a body that was not read, one.
    let rejected = "headcount_beacons_rejected_total{reason=\"matomo_too_large\"} 102\n";
    assert!(metrics.contains(rejected), "{metrics}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn browsers_of_other_origins_may_ask() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let origin = format!("Origin: https://{MOVED}\r\n");
    let asked = "Access-Control-Request-Method: POST\r\n\
                 Access-Control-Request-Headers: content-type,x-umami-cache\r\n";
    for path in ["/api/event", "/api/send", "/count", "/matomo.php"] {
        let line = format!("OPTIONS {path}");
        let reply = send(&server, &line, &format!("{origin}{asked}"), "");
        let head = reply.head.to_ascii_lowercase();
        assert_eq!(reply.status, 204, "{path}: {head}");
        assert!(
            head.contains("access-control-allow-headers: content-type, x-umami-cache"),
            "{head}"
        );
        assert!(head.contains("access-control-allow-methods: get, post"), "{head}");
    }
    for (line, body) in requests() {
        let head = send(&server, line, &origin, &body).head.to_ascii_lowercase();
        // Matomo's script sends with credentials, and a second time where it may not read.
        let is_matomo = line.contains(".php");
        let own = format!("access-control-allow-origin: https://{MOVED}");
        let expect = if is_matomo { own.as_str() } else { "access-control-allow-origin: *" };
        assert!(head.contains(expect), "{line}: {head}");
        let credentials = head.contains("access-control-allow-credentials: true");
        assert_eq!(credentials, is_matomo, "{line}: {head}");
        for kept in ["set-cookie", "etag", "last-modified"] {
            assert!(!head.contains(kept), "{line}: {head}");
        }
        assert!(head.contains("cache-control: no-store"), "{line}: {head}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_batch_counts_each_of_its_requests() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let one = |url: &str| format!("\"?rec=1&idsite=7&url={url}\"");
    let robot = "\"?rec=1&idsite=7&url=/a&ua=Googlebot/2.1\"";
    let unknown = "\"?rec=1&idsite=9&url=/a\"";
    let bulk =
        |parts: &[&str]| format!("{{\"requests\":[{}],\"token_auth\":\"x\"}}", parts.join(","));
    let (a, b) = (one("/a"), one("/b"));
    let reply =
        send(&server, "POST /matomo.php", "", &bulk(&[&a, &b, robot, unknown, "\"rec=0\"", &a]));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, "{\"status\":\"success\",\"tracked\":4,\"invalid\":2}");
    let full = vec![a.as_str(); 100];
    assert_eq!(send(&server, "POST /matomo.php", "", &bulk(&full)).status, 200);
    // An element may be an object, and one that is neither costs no other. A full batch of long
    // ones is within the limit.
    let object = "{\"rec\":1,\"idsite\":7,\"url\":\"/objekt\",\"uid\":\"anna\"}";
    let reply = send(&server, "POST /matomo.php", "", &bulk(&[object, "7", &one("/objekt")]));
    assert_eq!(reply.body, "{\"status\":\"success\",\"tracked\":2,\"invalid\":1}");
    let long = one(&format!("/l&action_name={}", "x".repeat(1_200)));
    let reply = send(&server, "POST /matomo.php", "", &bulk(&vec![long.as_str(); 100]));
    assert_eq!(reply.status, 200, "{}", reply.body);
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/objekt'", 2);
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/l'", 100);
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/a'", 102);
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/b'", 1);
    server.wait_for("SELECT sum(refused) FROM refusal_counts WHERE reason = 'robot'", 1);
    let metrics = server.ask_ops("/metrics");
    for line in [
        "headcount_hits_accepted_total 205\n",
        "headcount_hits_refused_total{reason=\"robot\"} 1\n",
        "headcount_beacons_rejected_total{reason=\"unknown_site\"} 1\n",
        "headcount_beacons_rejected_total{reason=\"not_matomo\"} 2\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn nothing_is_answered_that_was_not_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "compat = [\"matomo\"]\n", &[]);
    for path in ["POST /api/event", "POST /api/send", "GET /count?p=/a", "OPTIONS /api/send"] {
        assert_eq!(send(&server, path, "", "{}").status, 404, "{path}");
    }
    let line = "GET /matomo.php?rec=1&url=https://example.org/a";
    assert_eq!(send(&server, line, "", "").status, 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn an_unknown_tool_is_refused_with_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("headcount.toml");
    std::fs::write(&config, "compat = [\"plausible\", \"matomoo\"]\n").unwrap();
    let ended = headcount(dir.path(), &["up", "--config", config.to_str().unwrap()]);
    let (code, line) = complaint(&ended);
    assert_eq!(code, Some(64), "{line}");
    for part in ["compat", "matomoo", "goatcounter"] {
        assert!(line.contains(part), "{line}");
    }
}
