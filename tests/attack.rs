//! Limits under attack: slow connections, invented names, broken requests, robots. The analysts' and
//! the operators' listeners are in `doors`.
//!
//! What it is not: a benchmark. Times are written to `target/attack` and never asserted.
//!
//! What surprises: every request of a connection waits for its own commit, so a flood needs many
//! connections, not long pipelines. A longer one: `HEADCOUNT_TEST_NAMES=5000000`, in release.

mod doors;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::asked::asked;
use crate::server::{CHROME, Deployment as _, PATIENCE, SITE, Server, request};
use crate::until::until;

/// Slow connections; three of five never send a byte.
const SLOW: usize = 5_000;
/// Invented page names, unless `HEADCOUNT_TEST_NAMES` says another number.
const NAMES: usize = 200_000;
/// Connections of the flood.
const FLOOD_CONNECTIONS: usize = 250;
/// Requests sent before their answers are read.
const PIPELINE: usize = 20;
/// Requests on one connection: fewer than the server allows (10,000).
const REQUESTS_PER_CONNECTION: usize = 5_000;
/// Page names of a site and day, as configured by default.
const PAGES_MAX: i64 = 10_000;
/// Resident memory under a flood of names at most.
const RSS_KIB_MAX: u64 = 150 * 1024;
/// Everything on one network is within its rate.
const NO_RATE: &str = "[limits]\nhits_per_prefix_per_minute = 0\n";

/// A connection that is kept, for requests one after the other.
struct Pipe {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Pipe {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// The next answer's status; its body is skipped.
    fn status(&mut self) -> u16 {
        loop {
            if let Some((status, length)) = whole_answer(&self.unread) {
                self.unread.drain(..length);
                return status;
            }
            let mut bytes = [0; 16 * 1024];
            let length = self.stream.read(&mut bytes).unwrap();
            assert!(length > 0, "closed in the middle of an answer");
            self.unread.extend_from_slice(bytes.get(..length).unwrap());
        }
    }
}

/// Status and length of the answer at the beginning, if it is whole.
fn whole_answer(bytes: &[u8]) -> Option<(u16, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(bytes.get(..end)?).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let whole = end + length.map_or(0, |length| length.parse::<usize>().unwrap());
    let status = head.split(' ').nth(1)?.parse().unwrap();
    (bytes.len() >= whole).then_some((status, whole))
}

/// A word of letters for a number: nothing that the sanitiser would take for a person's.
fn word(mut number: usize) -> String {
    let mut word = String::from("/");
    for _ in 0..6 {
        word.push(char::from(b'a' + u8::try_from(number % 20).unwrap()));
        number /= 20;
    }
    word
}

/// Sends `count` requests over many connections; all answers have this status.
fn flood(address: &str, count: usize, status: u16, text: impl Fn(usize) -> String + Sync) {
    std::thread::scope(|scope| {
        for first in 0..FLOOD_CONNECTIONS {
            let text = &text;
            scope.spawn(move || {
                let mine: Vec<usize> = (first..count).step_by(FLOOD_CONNECTIONS).collect();
                for requests in mine.chunks(REQUESTS_PER_CONNECTION) {
                    let mut pipe = Pipe::open(address);
                    for few in requests.chunks(PIPELINE) {
                        let bytes: String = few.iter().map(|number| text(*number)).collect();
                        pipe.stream.write_all(bytes.as_bytes()).unwrap();
                        few.iter().for_each(|_| assert_eq!(pipe.status(), status));
                    }
                }
            });
        }
    });
}

fn wait_for_metric(server: &Server, name: &str, expect: i64) {
    let mut found = 0;
    let is_so = until(PATIENCE, || {
        found = server.metric(name);
        found == expect
    });
    assert!(is_so, "{name}: {found}, not {expect}");
}

/// A line of `/proc/PID/status` in KiB.
fn memory(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Keeps a figure for whoever wants to read it.
fn note(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/attack");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), format!("{text}\n")).unwrap();
}

/// Lets this process open all those sockets.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let needed = SLOW as u64 + 1_000;
    assert!(maximum.is_none_or(|most| most >= needed), "ulimit -Hn must be {needed} or more");
}

/// Whether the other side has closed.
fn is_closed(mut stream: &TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Sends hits one after the other until `done`; how long each took.
fn honest(server: &Server, done: &AtomicBool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let start = Instant::now();
        let answer = server.hit(&format!("{{\"s\":\"{SITE}\",\"p\":\"/honest\"}}"));
        took.push(start.elapsed());
        assert_eq!(answer.map(|answer| answer.status), Some(204));
        std::thread::sleep(Duration::from_millis(2));
    }
    took
}

/// Opens the slow connections, sends a byte a second on some, and waits until all are closed; how
/// long that took.
fn besiege(address: &str) -> Duration {
    let slow: Vec<TcpStream> = (0..SLOW)
        .map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let opened = Instant::now();
    let text = b"POST /hit HTTP/1.1\r\nHost: example.org\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaa";
    for byte in text {
        for stream in slow.iter().enumerate().filter(|(at, _)| at % 5 >= 3).map(|(_, s)| s) {
            let mut stream = stream;
            drop(stream.write(&[*byte]));
        }
        if slow.iter().all(is_closed) {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let all_closed = until(PATIENCE, || slow.iter().all(is_closed));
    assert!(all_closed, "slow connections outlived every deadline");
    opened.elapsed()
}

#[test]
fn five_thousand_slow_connections_are_closed_and_honest_hits_are_counted() {
    raise_descriptors();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), NO_RATE, &[]);
    let done = AtomicBool::new(false);
    let (besieged, mut took) = std::thread::scope(|scope| {
        let honest = scope.spawn(|| honest(&server, &done));
        let siege = scope.spawn(|| besiege(&server.address)).join();
        done.store(true, Ordering::Relaxed);
        (siege.unwrap(), honest.join().unwrap())
    });
    let sent = i64::try_from(took.len()).unwrap();
    server.wait_for("SELECT sum(views) FROM site_counts", sent);
    let late = i64::try_from(SLOW).unwrap();
    wait_for_metric(&server, "headcount_connections_closed_late_total ", late);
    wait_for_metric(&server, "headcount_connections ", 0);
    took.sort_unstable();
    let [median, p99] = [50, 99].map(|percent| took.get(took.len() * percent / 100).unwrap());
    let (worst, rss) = (took.last().unwrap(), memory(&server, "VmHWM"));
    note(
        "slow.txt",
        &format!(
            "{sent} honest hits: median {median:?}, p99 {p99:?}, worst {worst:?}; all {SLOW} \
             closed {besieged:?} after the last was opened; peak RSS {rss} KiB"
        ),
    );
}

#[test]
fn invented_names_fill_their_cap_and_no_memory_and_totals_stay_exact() {
    let names = asked("HEADCOUNT_TEST_NAMES", NAMES);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), NO_RATE, &[]);
    let start = Instant::now();
    flood(&server.address, names, 204, |number| {
        request(CHROME, &format!("{{\"s\":\"{SITE}\",\"p\":\"{}\"}}", word(number)))
    });
    let flooded = start.elapsed();
    let total = i64::try_from(names).unwrap();
    server.wait_for("SELECT sum(views) FROM page_counts", total);
    server.wait_for("SELECT sum(views) FROM site_counts", total);
    let pages =
        server.number("SELECT count(DISTINCT page) FROM page_counts WHERE page <> '(other)'");
    // Exactly the cap, or twice where midnight (UTC) came in between.
    assert!([PAGES_MAX, 2 * PAGES_MAX].contains(&pages), "{pages} pages");
    let other = server.number("SELECT sum(views) FROM page_counts WHERE page = '(other)'");
    assert_eq!(other, total - pages, "beyond the cap everything is (other)");
    let (rss, peak) = (memory(&server, "VmRSS"), memory(&server, "VmHWM"));
    assert!(peak < RSS_KIB_MAX, "{peak} KiB at the peak");
    let dashboard = dashboard_time(&server);
    note(
        "names.txt",
        &format!(
            "{names} names in {flooded:?}; {pages} pages, {other} views of (other); RSS {rss} KiB, \
             peak {peak} KiB; dashboard {dashboard:?}"
        ),
    );
}

/// Signs in and asks for the dashboard once.
fn dashboard_time(server: &Server) -> Duration {
    let path = server.dashboard.split_once(&server.address).unwrap().1;
    let signed = server.send(&format!("GET {path}"), "", "").unwrap();
    let head = signed.head.to_ascii_lowercase();
    let at = head.find("set-cookie: ").unwrap() + "set-cookie: ".len();
    let cookie = signed.head.get(at..).unwrap().split(';').next().unwrap();
    let start = Instant::now();
    let page = server.send("GET /", &format!("Cookie: {cookie}\r\n"), "").unwrap();
    assert_eq!(page.status, 200);
    assert!(page.body.contains("(other)"));
    start.elapsed()
}

/// A body that would count, were the request around it in order.
const BODY: &str = "{\"s\":\"example.org\",\"p\":\"/x\"}";

/// Request lines and header lines that are wrong, odd, or cut off. Without an agent they are at
/// best a robot's.
const HEADS: [&str; 30] = [
    "",
    " ",
    "\r\n",
    "\r\n\r\n",
    "\n\n",
    "\0\0\0\0",
    "GET",
    "GET /\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\n\r\n",
    "GET /p.gif?s=example.org&p=/x HTTP/1.0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
    "GET http://example.org/p.gif HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST http://example.org/hit HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "GET p.gif HTTP/1.1\r\n\r\n",
    "GET //p.gif HTTP/1.1\r\n\r\n",
    "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /p.gif?%00%ff%zz HTTP/1.1\r\n\r\n",
    "GET /p.gif\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\u{e9} HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\n: no name\r\n\r\n",
    "GET / HTTP/1.1\r\nA B: c\r\n\r\n",
    "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\r\nA: \0\r\n\r\n",
    "GET / HTTP/1.1\r\nA : b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\rA: b\r\r",
    "\u{16}\u{3}\u{1}",
];
const METHODS: [&str; 8] = ["PUT", "DELETE", "TRACE", "PATCH", "get", "G\0T", "\u{e4}", "HEAD"];
const LENGTHS: [&str; 8] =
    ["-1", "+5", "0x1c", "99999999999999999999999", "4097", "1, 2", " ", "a"];
const CHUNKS: [&str; 7] =
    ["zz\r\n", "-1\r\n", "ffffffffffffffff1\r\n", "5\r\nab", "5\r\nabcdeXX", "0\r\n\r\n", "1;"];
const BODIES: [&str; 7] =
    ["{", "[]", "null", "{\"s\":1}", "\u{feff}{}", "{\"s\":\"\0\"}", "[[[[[[[[[[[[["];

fn post(head: &str, body: &str) -> String {
    format!("POST /hit HTTP/1.1\r\nHost: x\r\nUser-Agent: {CHROME}\r\n{head}\r\n{body}")
}

/// Requests that no client of ours sends. None is a preflight, so every 204 is a count.
fn corpus() -> Vec<Vec<u8>> {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let mut texts: Vec<String> = HEADS.iter().map(|text| (*text).to_owned()).collect();
    for method in METHODS {
        texts.push(format!("{method} /hit HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
        texts.push(format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    texts.extend(LENGTHS.map(|value| post(&format!("Content-Length: {value}\r\n"), BODY)));
    texts.extend(CHUNKS.map(chunked));
    texts.extend(BODIES.map(|body| post(&format!("Content-Length: {}\r\n", body.len()), body)));
    texts.push(chunked(&format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len())));
    texts.push(chunked(&"1\r\na\r\n".repeat(5_000)));
    texts.push(chunked(&format!("1;{}\r\n", "x".repeat(20_000))));
    texts.extend(around_a_good_body());
    texts.push(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(60_000)));
    texts.push(format!("GET /p.gif?p={} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(5_000)));
    let mut all: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    all.push(vec![0xff; 5_000]);
    all.push((0..=255).cycle().take(50_000).collect());
    all
}

/// Headers, good and bad, around a body that would count.
fn around_a_good_body() -> Vec<String> {
    let with = |head: &str| post(&format!("Content-Length: {}\r\n{head}", BODY.len()), BODY);
    vec![
        with("Transfer-Encoding: identity\r\n"),
        with("Transfer-Encoding: chunked, gzip\r\n"),
        with("Content-Length: 3\r\n"),
        with("Expect: 100-continue\r\n"),
        with("Upgrade: h2c\r\nConnection: Upgrade\r\n"),
        with(&format!("X-Long: {}\r\n", "x".repeat(100_000))),
        with(&"X-Many: x\r\n".repeat(500)),
        with(&format!("{}: x\r\n", "x".repeat(70_000))),
        with("").replace("\r\n", "\n"),
        with("").replace("HTTP/1.1", "HTTP/1.0"),
    ]
}

/// Sends these bytes and reads until the server closes; `None` if it never did.
fn provoke(address: &str, bytes: &[u8], half_close: bool) -> Option<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may close before it has read everything.
    drop(stream.write_all(bytes));
    if half_close {
        drop(stream.shutdown(Shutdown::Write));
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        if waited {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn counted_answers(answer: &str) -> usize {
    answer.matches("HTTP/1.1 204").count() + answer.matches("HTTP/1.0 204").count()
}

/// Sends the whole corpus at once; how many answers said that a hit was counted.
fn provoke_with_all(server: &Server, half_close: bool) -> i64 {
    let (corpus, address) = (corpus(), &server.address);
    let answers: Vec<Option<String>> = std::thread::scope(|scope| {
        let asked: Vec<_> = corpus
            .iter()
            .map(|bytes| scope.spawn(move || provoke(address, bytes, half_close)))
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (mut counted, mut lines) = (0, Vec::new());
    for (bytes, answer) in corpus.iter().zip(&answers) {
        let shown: String = String::from_utf8_lossy(bytes).escape_debug().take(90).collect();
        let answer = answer.as_deref().unwrap_or_else(|| panic!("never closed: {shown}"));
        let statuses = answer.lines().filter(|line| line.starts_with("HTTP/1."));
        let statuses: Vec<&str> = statuses.collect();
        assert!(!statuses.iter().any(|line| line.contains(" 50")), "{statuses:?}: {shown}");
        counted += counted_answers(answer);
        lines.push(format!("{statuses:?} <- {shown}"));
    }
    let name = if half_close { "broken-half.txt" } else { "broken.txt" };
    note(name, &lines.join("\n"));
    i64::try_from(counted).unwrap()
}

#[test]
fn broken_requests_are_answered_or_closed_and_only_what_is_answered_counts() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), NO_RATE, &[]);
    let counted = provoke_with_all(&server, false);
    assert!(counted > 0, "odd but legal requests count");
    assert_eq!(server.hit(BODY).unwrap().status, 204, "it lives");
    server.wait_for("SELECT sum(views) FROM site_counts", counted + 1);
    assert!(server.ask_ops("/readyz").starts_with("ready"));
}

/// Whoever closes behind a request may not hear that it was counted, as after any lost answer.
#[test]
fn broken_requests_that_are_cut_off_leave_the_server_alive() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), NO_RATE, &[]);
    let answered = provoke_with_all(&server, true);
    let last = format!("{{\"s\":\"{SITE}\",\"p\":\"/last\"}}");
    assert_eq!(server.hit(&last).unwrap().status, 204, "it lives");
    server.wait_for("SELECT sum(views) FROM page_counts WHERE page = '/last'", 1);
    let others = server.number("SELECT sum(views) FROM page_counts WHERE page <> '/last'");
    assert!(others >= answered, "{others} counted, {answered} answered");
    wait_for_metric(&server, "headcount_connections ", 0);
}

/// A request with both lengths, and a second one in what one of the two calls its body.
#[test]
fn two_lengths_never_make_two_requests() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), NO_RATE, &[]);
    let hidden = format!("{}\r\n\r\n", request(CHROME, BODY));
    for [first, second] in
        [["Content-Length", "Transfer-Encoding"], ["Transfer-Encoding", "Content-Length"]]
    {
        let value = |name| {
            if name == "Content-Length" { (hidden.len() + 5).to_string() } else { "chunked".into() }
        };
        let text = format!(
            "POST /hit HTTP/1.1\r\nHost: x\r\n{first}: {}\r\n{second}: {}\r\n\r\n0\r\n\r\n{hidden}",
            value(first),
            value(second)
        );
        let answer = provoke(&server.address, text.as_bytes(), false).unwrap();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert_eq!(counted_answers(&answer), 0, "{answer}");
    }
}

#[test]
fn refused_robots_are_counted_by_reason_and_the_sum_is_what_was_received() {
    let (robots, people, broken) = (2_000, 300, 200);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), NO_RATE, &[]);
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/\"}}");
    let robot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    flood(&server.address, robots, 204, |_| request(robot, &body));
    flood(&server.address, people, 204, |_| request(CHROME, &body));
    flood(&server.address, broken, 400, |_| request(robot, "no beacon"));
    let refused = "headcount_hits_refused_total";
    let [robots, people, broken] =
        [robots, people, broken].map(|number| i64::try_from(number).unwrap());
    assert_eq!(server.metric(&format!("{refused}{{reason=\"robot\"}}")), robots);
    let parts = [refused, "headcount_hits_accepted_total", "headcount_beacons_rejected_total"];
    assert_eq!(parts.map(|name| server.metric(name)), [robots, people, broken]);
    server.wait_for("SELECT sum(refused) FROM refusal_counts WHERE reason = 'robot'", robots);
    server.wait_for("SELECT sum(refused) FROM refusal_counts", robots);
    server.wait_for("SELECT sum(views) FROM site_counts", people);
    assert!(server.ask_ops("/readyz").starts_with("ready"));
}
