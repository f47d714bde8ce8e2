//! A thread of each room fails while a request full of markers is on its way.
//!
//! What it is not: a test of what is counted then; `crash` is.
//!
//! What surprises: the panic itself says a marker, so that a place that tells it on is seen.

use crate::pipeline::PROXY;
use crate::server::{PATIENCE, SITE, Server, ask};
use crate::until::until;

/// In every part of the request, and in what the panic says.
const MARKER: &str = "kanarie";

fn send(address: &str) {
    let headers = "X-Forwarded-For: 198.51.77.201\r\nUser-Agent: Mozilla/5.0 kanarie Firefox/7\r\n\
        Cookie: id=kanarie\r\nReferer: https://example.org/kanarie\r\n";
    let body = format!(
        "{{\"s\":\"{SITE}\",\"p\":\"/kanarie?q=kanarie\",\"r\":\"https://kanarie.example/kanarie\"}}"
    );
    // It is the point that there may be no answer.
    drop(ask(address, "POST /hit", headers, &body));
}

/// A failpoint, and the code with which the process ends then.
fn check(name: &str, code: i32) {
    let dir = tempfile::tempdir().unwrap();
    let armed = format!("panic:{name}");
    let environment = [("HEADCOUNT_FAILPOINT", armed.as_str())];
    let mut server = Server::start(dir.path(), PROXY, &environment);
    send(&server.address);
    let has_said = || server.said().contains("a thread failed");
    assert!(until(PATIENCE, has_said), "{name}");
    if code == 0 {
        server.signal("TERM");
    }
    let mut ended = None;
    // The rooms beside it end in order, which waits for the one that has gone.
    let is_over = until(3 * PATIENCE, || {
        ended = server.ended();
        ended.is_some()
    });
    assert!(is_over, "{name}: it goes on without one of its threads");
    let ended = ended.unwrap();
    let said = ended.said;
    assert_eq!(ended.status.code(), Some(code), "{name}: {said}");
    assert!(said.contains("failpoint.rs:"), "{name}: {said}");
    let printed = std::fs::read_to_string(dir.path().join("up.out")).unwrap();
    for text in [&said, &printed] {
        assert!(!text.contains(MARKER) && !text.contains("198.51.77"), "{name}: {text}");
    }
}

#[test]
fn a_thread_that_fails_says_where_and_nothing_else() {
    std::thread::scope(|scope| {
        // A request has a task of its own; its core goes on with the others.
        scope.spawn(|| check("hit-added", 0));
        // The committer, with the last commit and with the way out; the aggregator.
        for name in ["commit-after", "ship-after", "apply-before"] {
            scope.spawn(move || check(name, 1));
        }
    });
}
