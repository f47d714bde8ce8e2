//! A thread, a task or a request of each room fails with markers on its way.
//!
//! What it is not: a test of what is counted then; `crash` is.
//!
//! What surprises: the panic itself says a marker, so that a place that tells it on is seen. A request
//! that fails ends its connection and nothing else; a thread that fails ends the process.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::part::{Ended, Part};
use crate::pipeline::PROXY;
use crate::server::{CHROME, Deployment as _, PATIENCE, SITE, Server, ask, headcount};
use crate::until::until;

/// In every part of a request, and in what the panic says.
const MARKER: &str = "kanarie";
/// In every request's header for addresses.
const ADDRESS: &str = "198.51.77";

/// Headers with a marker each; a token may be among them.
pub(crate) fn headers(token: &str) -> String {
    format!(
        "X-Forwarded-For: {ADDRESS}.201\r\nUser-Agent: Mozilla/5.0 kanarie Firefox/7\r\n\
         Cookie: id=kanarie\r\nReferer: https://example.org/kanarie\r\nAuthorization: Bearer {token}\r\n"
    )
}

/// A hit of markers. It is the point that there may be no answer; one with a marker is a leak.
pub(crate) fn send_hit(address: &str) {
    let body = format!(
        "{{\"s\":\"{SITE}\",\"p\":\"/kanarie?q=kanarie\",\"r\":\"https://kanarie.example/kanarie\"}}"
    );
    send(address, "POST /hit", "hc_kanarie", &body);
}

/// A request of markers to any listener.
pub(crate) fn send(address: &str, line: &str, token: &str, body: &str) {
    if let Some(reply) = ask(address, line, &headers(token), body) {
        assert!(!reply.head.contains(MARKER) && !reply.body.contains(MARKER), "{line}: {reply:?}");
    }
}

/// A question to the API that names a marker.
pub(crate) fn question() -> String {
    format!(
        "{{\"site_id\":\"{SITE}\",\"metrics\":[\"pageviews\"],\"date_range\":\"7d\",\
         \"filters\":[[\"is\",\"event:page\",[\"/kanarie\"]]]}}"
    )
}

/// The environment in which the failpoint `name` lets who passes it panic.
pub(crate) fn armed(name: &str) -> String {
    format!("panic:{name}")
}

/// Fails unless these outputs tell the place of a failure and no marker.
pub(crate) fn assert_quiet(name: &str, outputs: &[&str]) {
    assert!(outputs.iter().any(|text| text.contains("failpoint.rs:")), "{name}: {outputs:?}");
    for text in outputs {
        assert!(!text.contains(MARKER) && !text.contains(ADDRESS), "{name}: {text}");
    }
}

/// Waits until a part has said that something failed; then for its end, by itself or when it is told,
/// with this code. All that it said and printed is looked at.
pub(crate) fn see_through(part: &mut Part, name: &str, code: i32, printed: &Path) {
    assert!(until(PATIENCE, || part.said().contains("a thread failed")), "{name}");
    if code == 0 {
        // A request has a task of its own; everybody else is answered as before.
        assert_eq!(part.ask_ops("/healthz").body, "alive\n", "{name}");
        part.signal("TERM");
    }
    let mut ended = None;
    let is_over = until(PATIENCE, || {
        ended = part.ended();
        ended.is_some()
    });
    assert!(is_over, "{name}: it goes on without one of its threads");
    let Ended { status, said } = ended.unwrap();
    assert_eq!(status.code(), Some(code), "{name}: {said}");
    let printed = std::fs::read_to_string(printed).unwrap();
    assert_quiet(name, &[&said, &printed]);
}

/// Lets an `up` fail at a failpoint, which `act` passes.
fn check(name: &str, code: i32, act: impl Fn(&Server)) {
    let dir = tempfile::tempdir().unwrap();
    let settings = format!("stats_listen = \"127.0.0.1:0\"\n{PROXY}");
    let armed = armed(name);
    let mut server =
        Server::start(dir.path(), &settings, &[("HEADCOUNT_FAILPOINT", armed.as_str())]);
    act(&server);
    see_through(&mut server, name, code, &dir.path().join("up.out"));
}

/// Where the dashboard is, which has a listener of its own here.
fn analysts(server: &Server) -> &str {
    let url = server.dashboard.trim_start_matches("http://");
    url.split('/').next().unwrap()
}

/// A token for the site of a folder.
fn token(folder: &Path) -> String {
    let made = headcount(folder, &["token", "add", "--site", SITE]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_thread_that_fails_says_where_and_nothing_else() {
    std::thread::scope(|scope| {
        // The core and what it runs beside its requests; the committer, with the last commit and with
        // the way out; the aggregator; who looks after the sites.
        for name in [
            "core-accepts",
            "core-sweeps",
            "core-hears",
            "commit-after",
            "ship-after",
            "apply-before",
            "house-kept",
        ] {
            scope.spawn(move || check(name, 1, |server| send_hit(&server.address)));
        }
    });
}

#[test]
fn a_request_that_fails_says_where_and_nothing_else() {
    std::thread::scope(|scope| {
        for name in ["hit-clean", "hit-added"] {
            scope.spawn(move || check(name, 0, |server| send_hit(&server.address)));
        }
        // An operator, an analyst, the look-up of a token, a question.
        scope.spawn(|| {
            check("request-entered", 0, |server| send(&server.ops, "GET /metrics?kanarie", "", ""));
        });
        scope.spawn(|| {
            check("request-entered", 0, |server| {
                send(analysts(server), "GET /example.org/kanarie?kanarie", "kanarie", "");
            });
        });
        scope.spawn(|| {
            check("token-looked-up", 0, |server| {
                send(analysts(server), "POST /api/v2/query", "hc_kanarie", &question());
            });
        });
        scope.spawn(|| {
            check("question-asked", 0, |server| {
                let token = token(server.data().parent().unwrap());
                send(analysts(server), "POST /api/v2/query", &token, &question());
            });
        });
    });
}

#[test]
fn a_request_that_fails_gives_its_connections_place_back() {
    let dir = tempfile::tempdir().unwrap();
    let settings = format!("cores = 1\n{PROXY}\n[limits]\nconnections = 1\n");
    let armed = armed("hit-added");
    let server = Server::start(dir.path(), &settings, &[("HEADCOUNT_FAILPOINT", armed.as_str())]);
    send_hit(&server.address);
    assert!(until(PATIENCE, || server.said().contains("a thread failed")));
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/after\"}}");
    let answer = server.send("POST /hit", &format!("User-Agent: {CHROME}\r\n"), &body);
    assert_eq!(answer.map(|reply| reply.status), Some(204));
    assert!(until(PATIENCE, || server.metric("headcount_connections ") == 0));
    assert_eq!(server.stop(), Some(0));
}

/// Imports a log of markers, with a failpoint.
fn import(folder: &Path, name: &str, more: &[&str]) -> Output {
    let log = folder.join("access.log");
    let line = format!(
        "{ADDRESS}.201 - kanarie [21/Nov/2026:10:00:00 +0000] \"GET /kanarie?kanarie HTTP/1.1\" 200 1 \
         \"https://kanarie.example/\" \"Mozilla/5.0 kanarie Firefox/7\"\n"
    );
    std::fs::write(&log, line.repeat(3)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
    command.args(["import", SITE]).args(more).arg(&log).arg("--data").arg(folder.join("data"));
    command.env("HEADCOUNT_FAILPOINT", armed(name)).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn an_import_that_fails_says_where_and_nothing_else() {
    for (name, more) in [("line-taken", &[][..]), ("file-looked-at", &["--follow"])] {
        let dir = tempfile::tempdir().unwrap();
        assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
        let out = import(dir.path(), name, more);
        assert_eq!(out.status.code(), Some(1), "{name}");
        let texts =
            [&out.stderr, &out.stdout].map(|text| String::from_utf8_lossy(text).into_owned());
        assert_quiet(name, &[&texts[0], &texts[1]]);
    }
}
