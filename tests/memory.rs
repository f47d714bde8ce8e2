//! What the memory of the running process holds, and what it no longer does.
//!
//! What it is not: a promise about the kernel. A page of a process that was killed is the
//! kernel's, which clears it before anybody else gets it.
//!
//! What surprises: the real binary lives through midnight here: Debian's libfaketime tells it the
//! time. Only root may look into it; elsewhere these tests fail and say so.

pub(crate) mod image;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use self::image::{Image, KEY, Secrets};
use crate::faketime::FakeTime;
use crate::part::{install, install_script};
use crate::pipeline::PROXY;
use crate::server::{PATIENCE, SITE, Server};
use crate::until::until;

/// A filter of 4 MiB and what is locked with it: the key's page.
const SETTINGS: &str = "[limits]\nvisitor_filter_mib = 4\n";
const LOCKED_BYTES: usize = 4 * 1024 * 1024 + 4_096;
/// A user and group without rights: nobody.
pub(crate) const NOBODY: u32 = 65_534;

/// Views of different visitors; their addresses are as a trusted proxy says them.
fn visit(server: &Server, visitors: u32) {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/\"}}");
    for visitor in 0..visitors {
        let request = format!(
            "POST /hit HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.{visitor}.7\r\n\
             User-Agent: Mozilla/5.0 Firefox/{visitor}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 204"));
    }
}

/// What to look for: every quarter of the key, in case a register was spilt, and the marks.
fn needles(secrets: &Secrets) -> Vec<&[u8]> {
    secrets.key.chunks(KEY / 4).chain(secrets.blocks.iter().map(Vec::as_slice)).collect()
}

/// Fails where anything of these is in the image.
fn assert_gone(image: &Image, secrets: &Secrets, when: &str) {
    for (number, places) in image.places(&needles(secrets)).iter().enumerate() {
        assert!(places.is_empty(), "{when}: piece {number} of key and marks at {places:?}");
    }
}

#[test]
fn nothing_of_yesterday_is_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let time = FakeTime::new(dir.path());
    let server = Server::start(dir.path(), &[PROXY, SETTINGS].concat(), &time.environment());
    visit(&server, 40);
    let image = Image::of(server.pid());
    let first = image.secrets();
    assert!(image.len() > LOCKED_BYTES && first.size == LOCKED_BYTES, "{}", first.size);
    assert!(first.blocks.len() > 70, "{} marks of 80", first.blocks.len());
    assert_eq!(first.key.len(), KEY, "no key in locked memory");
    for (number, places) in image.places(&needles(&first)).iter().enumerate() {
        assert_eq!(places.len(), 1, "copies of piece {number}: {places:?}");
    }

    // Midnight comes, and nobody with it.
    time.set("+1d");
    let midnight = || {
        let now = Image::secrets_of(server.pid());
        now.key != first.key && now.blocks.is_empty()
    };
    assert!(until(PATIENCE, midnight), "the key of yesterday is still used");
    let image = Image::of(server.pid());
    assert_gone(&image, &first, "after midnight");
    let second = image.secrets();
    assert!(second.key.len() == KEY && second.blocks.is_empty());

    // A clock set back does not bring yesterday's marks back, and counting goes on.
    time.set("+0");
    visit(&server, 3);
    let image = Image::of(server.pid());
    assert_gone(&image, &first, "set back");
    assert!(!image.secrets().blocks.is_empty());

    // At a stop they go at once: while the last counts wait for a store that is busy.
    let store = rusqlite::Connection::open(server.data().join("counts.db")).unwrap();
    store.busy_timeout(PATIENCE).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    let last = Image::secrets_of(server.pid());
    assert!(last.key.len() == KEY && !last.blocks.is_empty());
    visit(&server, 5);
    server.signal("TERM");
    let wiped = || {
        let now = Image::secrets_of(server.pid());
        now.key.is_empty() && now.blocks.is_empty()
    };
    assert!(until(PATIENCE, wiped), "the last counts wait, and key and marks with them");
    let image = Image::of(server.pid());
    assert_gone(&image, &last, "stopping");
    assert_gone(&image, &second, "stopping");
    store.execute_batch("ROLLBACK").unwrap();
    assert_eq!(server.stop(), Some(0));
}

/// Parts of one request, each with a marker of its own.
const CHANNELS: [(&str, &str); 7] = [
    ("address", "203.0.113.117"),
    ("agent", "Kanarieagent/77.1 (kanarie)"),
    ("cookie", "kanariekaka-4711"),
    ("language", "sv-kanariesprak"),
    ("query", "kanariefraga-4711"),
    ("referrer", "kanarievag-4711"),
    ("field", "kanariefalt-4711"),
];

/// Markers of a request that are still in memory, by channel, with the number of copies.
fn left(server: &Server) -> Vec<(&'static str, usize)> {
    let image = Image::of(server.pid());
    let needles: Vec<&[u8]> = CHANNELS.iter().map(|(_, marker)| marker.as_bytes()).collect();
    let places = image.everywhere(&needles);
    let found = CHANNELS.iter().zip(places).filter(|(_, places)| !places.is_empty());
    found.map(|((channel, _), places)| (*channel, places.len())).collect()
}

/// A request with every marker: its head up to the end of its last line, and its body.
fn marked(line: &str, more: &str) -> (String, String) {
    let of = |channel| CHANNELS.iter().find(|(name, _)| *name == channel).unwrap().1;
    let body = format!(
        "{{\"s\":\"{SITE}\",\"p\":\"/a?q={}\",\"r\":\"https://example.net/{}\",\"{}\":1}}",
        of("query"),
        of("referrer"),
        of("field")
    );
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {}\r\nUser-Agent: {}\r\nCookie: {}\r\n\
         Accept-Language: {}\r\nContent-Length: {}\r\n{more}\r\n",
        of("address"),
        of("agent"),
        of("cookie"),
        of("language"),
        body.len()
    );
    (head, body)
}

/// Reads one answer, which is short; its status.
fn status(stream: &mut TcpStream) -> String {
    let mut answer = [0; 1_024];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn nothing_of_a_request_is_in_memory_once_it_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[PROXY, SETTINGS].concat(), &[]);
    // The connection is kept, or closed by the server; hits, pixels, and what is not counted.
    for (line, more, expect) in [
        ("POST /hit", "", "204"),
        ("POST /hit", "Connection: close\r\n", "204"),
        ("POST /hit?kanariefraga-4711", "DNT: 1\r\n", "204"),
        ("GET /p.gif?s=example.org&p=/a%3Fq=kanariefraga-4711", "", "200"),
        ("GET /kanariefraga-4711", "", "404"),
    ] {
        let (head, body) = marked(line, more);
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        assert_eq!(status(&mut stream), expect, "{line} {more}");
        let is_gone = until(PATIENCE, || left(&server).is_empty());
        assert!(is_gone, "{line} {more}: {:?}", left(&server));
        let closes = more.starts_with("Connection");
        assert_eq!(is_open(&stream), !closes, "{line} {more}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn nothing_of_a_request_is_in_memory_once_it_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [PROXY, SETTINGS].concat();
    let armed = [("HEADCOUNT_FAILPOINT", "panic:hit-clean")];
    let server = Server::start(dir.path(), &settings, &armed);
    let (head, body) = marked("POST /hit", "");
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    assert!(until(PATIENCE, || server.said().contains("a thread failed")));
    let is_gone = until(PATIENCE, || left(&server).is_empty());
    assert!(is_gone, "{:?}", left(&server));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_request_in_pieces_leaves_the_first_of_them_once() {
    let (head, body) = marked("POST /hit", "");
    // A body that comes later; a head that ends in the middle.
    for (first, second) in [(head.as_str(), body.as_str()), (head.trim_end(), "")] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path(), &[PROXY, SETTINGS].concat(), &[]);
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(first.as_bytes()).unwrap();
        // The control: what is under way is seen.
        assert!(until(PATIENCE, || left(&server).iter().any(|(of, _)| *of == "cookie")));
        stream.write_all(second.as_bytes()).unwrap();
        if !second.is_empty() {
            assert_eq!(status(&mut stream), "204");
        }
        drop(stream);
        // Hyper lets its buffer go with a head in it, for another: see README, Limits.
        let of_head = ["address", "agent", "cookie", "language"];
        let is_of_head = |(of, copies): &(&str, usize)| of_head.contains(of) && *copies == 1;
        let is_little = || left(&server).iter().all(is_of_head);
        assert!(until(PATIENCE, is_little), "{second}: {:?}", left(&server));
        assert_eq!(server.stop(), Some(0));
    }
}

/// Whether the other end has not closed.
fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.peek(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Requests that are not whole: the core that has one does not end for ten seconds.
const HELD: usize = 16;

/// A thread fails at this place, which `act` passes. Key and marks go at once, and not with the rest of
/// the process.
fn check_a_fall(failpoint: &str, act: impl Fn(&Server) -> Option<Child>) {
    let dir = tempfile::tempdir().unwrap();
    let settings = format!("cores = 2\n{PROXY}{SETTINGS}");
    let server = Server::start(dir.path(), &settings, &[("HEADCOUNT_FAILPOINT", failpoint)]);
    visit(&server, 10);
    let secrets = Image::secrets_of(server.pid());
    assert!(secrets.key.len() == KEY && !secrets.blocks.is_empty(), "{failpoint}");
    let hold = |_| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(b"POST /hit HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").unwrap();
        stream
    };
    let held: Vec<TcpStream> = (0..HELD).map(hold).collect();
    let command = act(&server);
    let is_wiped = || {
        let now = Image::secrets_of(server.pid());
        now.key.is_empty() && now.blocks.is_empty()
    };
    assert!(until(PATIENCE, is_wiped), "{failpoint}");
    assert!(held.iter().any(is_open), "{failpoint}: not before its requests are over");
    assert_gone(&Image::of(server.pid()), &secrets, failpoint);
    server.kill();
    if let Some(mut command) = command {
        command.kill().unwrap();
        command.wait().unwrap();
    }
}

#[test]
fn a_thread_that_fails_takes_key_and_marks_along() {
    // The connections before it: one of visits, and those that are held.
    let accepts = format!("panic:core-accepts:{}", HELD + 2);
    check_a_fall(&accepts, |server| {
        drop(TcpStream::connect(&server.address));
        None
    });
    // The committer is asked to erase. The command waits for what does not come.
    check_a_fall("panic:erase-edge", |server| {
        let mut erase = Command::new(env!("CARGO_BIN_EXE_headcount"));
        let config = server.data().with_file_name("headcount.toml");
        erase
            .args(["site", "erase", SITE, "--config"])
            .arg(config)
            .arg("--data")
            .arg(server.data());
        Some(erase.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    });
}

#[test]
fn the_unit_keeps_memory_in_memory() {
    let unit = include_str!("../deploy/systemd/headcount.service");
    for line in ["LimitMEMLOCK=infinity", "MemorySwapMax=0", "LimitCORE=0", "UMask=0077"] {
        assert!(unit.lines().any(|of| of == line), "{line}");
    }
}

/// A script that runs the binary after `before`, in `folder`.
fn wrapped(folder: &Path, before: &str, command: &str) -> PathBuf {
    let script = folder.join("wrapped");
    let folder = folder.display();
    // Who was started in the background by a shell ignores SIGQUIT, and so do those it starts.
    let run = "exec env --default-signal=QUIT";
    let text = format!("#!/bin/sh\ncd {folder}\n{before}\n{run} {command} \"$@\"\n");
    install_script(&text, &script);
    script
}

fn has_core_file(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).unwrap();
    names.into_iter().any(|name| name.unwrap().file_name().to_string_lossy().starts_with("core"))
}

#[test]
fn a_crash_leaves_no_core_file() {
    let dir = tempfile::tempdir().unwrap();
    let unlimited = "ulimit -c unlimited";
    // The control: on this machine a process that is as free to do so leaves one.
    let sleeper = wrapped(dir.path(), unlimited, "sleep");
    let mut child = Command::new(&sleeper).arg("60").spawn().unwrap();
    let is_asleep = || {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", child.id()));
        name.is_ok_and(|name| name.trim() == "sleep")
    };
    assert!(until(PATIENCE, is_asleep));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "SEGV", &pid]).status().unwrap().success());
    let status = child.wait().unwrap();
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    // A pattern with a pipe may lead to a program that this container has not.
    assert!(status.core_dumped() || pattern.starts_with('|'), "no control: {pattern} {status}");
    for signal in ["SEGV", "ABRT", "QUIT"] {
        let dir = tempfile::tempdir().unwrap();
        let binary = wrapped(dir.path(), unlimited, env!("CARGO_BIN_EXE_headcount"));
        let mut server = Server::start_binary(&binary, dir.path(), SETTINGS, &[]).unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
        let mut ended = None;
        // Rust's handler for a full stack lets the first SIGSEGV pass.
        assert!(until(PATIENCE, || {
            let pid = server.pid().to_string();
            Command::new("kill").args(["-s", signal, &pid]).stderr(Stdio::null()).status().ok();
            ended = server.ended();
            ended.is_some()
        }));
        let status = ended.unwrap().status;
        assert!(status.signal().is_some() && !status.core_dumped(), "{signal}: {status}");
        assert!(!has_core_file(dir.path()), "{signal}");
    }
}

/// A folder of its own for the user without rights, with the binary in it.
pub(crate) fn of_nobody(folder: &Path, before: &str) -> PathBuf {
    let binary = folder.join("headcount");
    install(Path::new(env!("CARGO_BIN_EXE_headcount")), &binary);
    chown(folder, Some(NOBODY), Some(NOBODY))
        .expect("only root becomes another user; run as root: sudo -E tests/run");
    let command =
        format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups {}", binary.display());
    wrapped(folder, before, &command)
}

/// Whether the user without rights can read this.
fn nobody_reads(path: &str) -> bool {
    let mut cat = Command::new("head");
    cat.args(["-c", "1", path]).uid(NOBODY).gid(NOBODY).stderr(Stdio::null());
    let read = cat.output().unwrap();
    read.status.success() && !read.stdout.is_empty()
}

#[test]
fn another_process_of_the_same_user_cannot_look_in() {
    let dir = tempfile::tempdir().unwrap();
    let binary = of_nobody(dir.path(), "");
    let server = Server::start_binary(&binary, dir.path(), SETTINGS, &[]).unwrap();
    let mut other = Command::new("sleep");
    let mut other = other.arg("60").uid(NOBODY).gid(NOBODY).spawn().unwrap();
    for file in ["environ", "maps", "smaps", "auxv"] {
        let is_open = until(PATIENCE, || nobody_reads(&format!("/proc/{}/{file}", other.id())));
        assert!(is_open, "no control: {file}");
        assert!(!nobody_reads(&format!("/proc/{}/{file}", server.pid())), "{file}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}")), "{status}");
    // The key is not among what a process is started with, and no setting for it exists.
    let key = Image::secrets_of(server.pid()).key;
    for file in ["environ", "cmdline"] {
        let text = std::fs::read(format!("/proc/{}/{file}", server.pid())).unwrap();
        assert!(memchr::memmem::find(&text, &key).is_none() && key.len() == KEY, "{file}");
    }
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_may_not_be_locked_is_said() {
    let check = |limit_kib: usize, locked: usize| {
        let dir = tempfile::tempdir().unwrap();
        let binary = of_nobody(dir.path(), &format!("ulimit -l {limit_kib}"));
        let settings = [PROXY, SETTINGS].concat();
        let server = Server::start_binary(&binary, dir.path(), &settings, &[]).unwrap();
        visit(&server, 2);
        let secrets = Image::secrets_of(server.pid());
        assert!(
            secrets.size == locked && secrets.key.len() == KEY,
            "{limit_kib}: {}",
            secrets.size
        );
        let said = server.said();
        assert_eq!(said.contains("may be swapped out"), locked < LOCKED_BYTES, "{said}");
        assert_eq!(server.stop(), Some(0));
    };
    check(8_192, LOCKED_BYTES);
    check(1_024, 4_096 + 15 * 64 * 1024);
    let dir = tempfile::tempdir().unwrap();
    let binary = of_nobody(dir.path(), "ulimit -l 0");
    let ended = Server::start_binary(&binary, dir.path(), SETTINGS, &[]).err().unwrap();
    assert!(ended.said.contains("raise `ulimit -l`"), "{}", ended.said);
}
