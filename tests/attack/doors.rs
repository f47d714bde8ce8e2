//! The analysts' and the operators' listeners under attack: who holds connections there, for how
//! long, and that visitors notice nothing.
//!
//! What it is not: about credentials; those are in `access`.
//!
//! What surprises: the process may open 1,024 files, as where nobody raised the limit. With one more
//! stranger than that at a door that keeps everybody, no visitor would be counted.

use std::io::Write as _;
use std::net::TcpStream;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{is_closed, raise_descriptors};
use crate::access::{connect, from};
use crate::server::{CHROME, PATIENCE, SITE, Server, ask};
use crate::until::until;

/// Connections of those who may not ask.
const STRANGERS: usize = 1_100;
/// Files that the process may open.
const FILES: u64 = 1_024;
/// The beginning of a header.
const HALF: &str = "GET /signin HTTP/1.1\r\nHost: x\r\nX: ";
/// Each is sent, and then nothing more: nothing, half a header, half a body, a whole request.
const UNFINISHED: [&str; 4] = [
    "",
    HALF,
    "POST /signin HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\ntok",
    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
];

fn limit_files(server: &Server) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let limit = Rlimit { current: Some(FILES), maximum: Some(FILES) };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

/// Connections from `source` that send this and wait.
fn waiting(source: &str, address: &str, text: &str, count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = connect(source, address);
        // It may be closed already.
        drop(stream.write_all(text.as_bytes()));
        stream.set_nonblocking(true).unwrap();
        stream
    };
    (0..count).map(open).collect()
}

fn assert_all_close(mut streams: Vec<TcpStream>) {
    until(PATIENCE, || {
        streams.retain(|stream| !is_closed(stream));
        streams.is_empty()
    });
    assert_eq!(streams.len(), 0, "connections outlived every deadline");
}

fn assert_counts(visitors: &str) {
    let headers = format!("User-Agent: {CHROME}\r\n");
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/a\"}}");
    let reply = ask(visitors, "POST /hit", &headers, &body);
    assert_eq!(reply.map(|reply| reply.status), Some(204), "a visitor is counted");
}

#[test]
fn strangers_at_the_doors_keep_no_visitor_and_no_analyst_out() {
    raise_descriptors();
    let folder = tempfile::tempdir().unwrap();
    let settings = "stats_listen = \"127.0.0.2:0\"\n\
                    analyst_networks = [\"127.0.0.1\"]\nops_networks = [\"127.0.0.1\"]";
    let server = Server::start(folder.path(), settings, &[]);
    limit_files(&server);
    let visitors = server.visitors();
    assert_ne!(visitors, server.address);
    let mut strangers = Vec::new();
    for door in [&server.address, &server.ops] {
        strangers.extend(waiting("127.0.0.2", door, HALF, STRANGERS));
        assert_counts(&visitors);
        assert_eq!(from("127.0.0.1", &server.address, "GET /signin", "").status, 401);
        assert_eq!(from("127.0.0.1", &server.ops, "GET /healthz", "").status, 200);
    }
    assert_all_close(strangers);
    for door in [&server.address, &server.ops] {
        let reply = from("127.0.0.2", door, "GET /signin", "");
        assert_eq!((reply.status, &*reply.body), (403, "this network may not ask here\n"));
    }
}

#[test]
fn who_may_ask_is_cut_off_in_time_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "stats_listen = \"127.0.0.2:0\"", &[]);
    let mut streams = Vec::new();
    for door in [&server.address, &server.ops] {
        for text in UNFINISHED {
            streams.extend(waiting("127.0.0.1", door, text, 5));
        }

        let large = format!("X: {}\r\n", "x".repeat(20_000));
        let reply = from("127.0.0.1", door, "GET /signin", &large);
        assert_eq!(reply.status, 431, "a header that is too large");
    }
    assert_all_close(streams);
    assert_counts(&server.visitors());
}
