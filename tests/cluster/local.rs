//! `deploy/local.sh`: the whole set by one command, counting, and stopped in order.
//!
//! What it is not: a test of its downloads. The jars and the engine are those of the other tests.
//!
//! What surprises: the script ends with the test, also when the test is killed: a shell beside it
//! waits for the end of its input.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::query;
use crate::server::{CHROME, PATIENCE, ask};
use crate::services::ports::Port;
use crate::services::{clickhouse, kafka};
use crate::until::until;

/// Starts the script, and stops it when the input closes. Only the script holds the output.
const WHILE_STDIN: &str = "\"$0\" \"$1\" </dev/null & exec >&-; read -r _; kill $!; wait $!";
/// What it stops, in this order.
const ORDER: [&str; 7] =
    ["serve", "collector-2", "collector-1", "aggregator-2", "aggregator-1", "clickhouse", "kafka"];

/// Ports that it takes, counted from the first one.
const PORTS: [u16; 12] = [0, 1, 10, 43, 44, 1_012, 1_013, 1_385, 1_386, 1_387, 1_388, 1_389];

#[test]
fn one_command_starts_the_whole_set_and_stops_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local.sh");
    let ports = Port::apart(&PORTS);
    let port = ports[0].number();
    let mut sh = Command::new("sh")
        .args(["-c", WHILE_STDIN])
        .arg(script)
        .arg(folder.path())
        .env("LOCAL_PORT", port.to_string())
        .env("LOCAL_BIN", env!("CARGO_BIN_EXE_headcount"))
        .env("LOCAL_KAFKA", kafka::jars())
        .env("LOCAL_PYTHON", clickhouse::python())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(sh.stdout.take().unwrap()).lines().map(Result::unwrap);
    let links: Vec<String> =
        lines.by_ref().take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let link = |name: &str| {
        let line = links.iter().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {links:?}")).rsplit_once("http://").unwrap().1
    };
    let get = |link: &str| {
        let (host, path) = link.split_once('/').unwrap();
        ask(host, &format!("GET /{path}"), "", "").unwrap()
    };
    assert!(get(link("demo page")).body.contains("You have just been counted"));
    let signed_in = get(link("dashboard"));
    assert!(signed_in.head.to_ascii_lowercase().contains("set-cookie"), "{}", signed_in.head);
    for collector in [port, port + 1] {
        let headers = format!("User-Agent: {CHROME}\r\n");
        let body = "{\"s\":\"localhost\",\"p\":\"/priser\"}";
        let reply = ask(&format!("127.0.0.1:{collector}"), "POST /hit", &headers, body).unwrap();
        assert_eq!(reply.status, 204);
    }
    let engine = format!("127.0.0.1:{}", port + 43);
    let views = || query(&engine, "headcount", "SELECT sum(views) FROM page_counts");
    let is_two = until(PATIENCE, || views().as_deref().map(str::trim) == Some("2"));
    assert!(is_two, "{:?}", views());
    drop(sh.stdin.take());
    let stopped: Vec<String> = lines.collect();
    assert_eq!(stopped, ORDER.map(|name| format!("stopped {name}")));
    assert_eq!(sh.wait().unwrap().code(), Some(0));
}
