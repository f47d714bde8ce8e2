//! kill -9, failpoints, full disks and damaged files: what was answered is counted exactly once.
//!
//! What it is not: a power cut. The kernel survives a kill and keeps what was written, synced or
//! not; that a sync comes before the answer is shown by the order of the failpoints.
//!
//! What surprises: `HEADCOUNT_TEST_ROUNDS=500` makes the campaign out of the two tests of rounds.
//! A round's numbers come from its seed, but the moment of a kill is the machine's own.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headcount_core::failpoint;

use crate::asked::asked;
use crate::dice::Dice;
use crate::server::{CHROME, Deployment as _, PATIENCE, SITE, Server, number_in, request};
use crate::until::until;

/// Rounds of each test of rounds where nobody asks for more.
const ROUNDS: usize = 25;
/// Threads that send hits.
const SENDERS: usize = 4;
/// Hits that a sender has under way at once.
const UNDER_WAY: usize = 4;
/// No limit is in the way of the load.
pub(crate) const SETTINGS: &str = "[limits]\nhits_per_prefix_per_minute = 0\npages_per_site_day = 1000000\n\
    names_total = 2000000";
/// Failpoints on the way of a release, which is due twice a second only.
const RELEASES: [&str; 6] =
    ["ship-before", "ship-after", "apply-before", "apply-after", "ack-after", "ship-acked"];

/// Pages sent, and whether the server answered that it has them.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) pages: HashMap<String, bool>,
}

/// A number in letters, so that the page policy keeps it as it is. Without vowels no word comes
/// out that the policy knows.
pub(crate) fn word(mut number: usize) -> String {
    const LETTERS: [char; 20] = [
        'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w',
        'x', 'z',
    ];
    let mut word = String::new();
    loop {
        word.push(LETTERS[number % LETTERS.len()]);
        number /= LETTERS.len();
        if number == 0 {
            return word;
        }
    }
}

/// A view of a page, as the tracker says it.
fn view(site: &str, page: &str) -> String {
    format!("{{\"s\":\"{site}\",\"p\":\"{page}\"}}")
}

/// The status of the next answer; only that of a 204 leaves the connection usable.
fn answer(stream: &mut TcpStream) -> Option<u16> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()?.split(' ').nth(1)?.parse().ok()
}

/// Sends hits to a site until the server is gone or `over` is set, several at once on each
/// connection.
pub(crate) fn sender(address: &str, (site, prefix): (&str, &str), over: &AtomicBool) -> Sent {
    let (mut sent, mut number) = (Sent::default(), 0);
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { break };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        while !over.load(Ordering::Relaxed) {
            let pages: Vec<_> =
                (number..number + UNDER_WAY).map(|n| format!("{prefix}/{}", word(n))).collect();
            number += UNDER_WAY;
            let requests: String =
                pages.iter().map(|page| request(CHROME, &view(site, page))).collect();
            let written = stream.write_all(requests.as_bytes()).is_ok();
            let mut alive = written;
            for page in pages {
                alive = alive && answer(&mut stream) == Some(204);
                sent.pages.insert(page, alive);
            }
            if !alive {
                break;
            }
        }
    }
    sent
}

/// How a round ends.
enum End<'a> {
    /// kill -9 after this time.
    Kill(Duration),
    /// The process aborts at this failpoint.
    Failpoint(&'a str),
}

/// One start, load, and the end. `true` if the server got as far as its first hit.
fn round(folder: &Path, number: usize, end: &End<'_>, sent: &mut Sent) -> bool {
    let environment = match end {
        End::Kill(_) => None,
        End::Failpoint(text) => Some(("HEADCOUNT_FAILPOINT", *text)),
    };
    let mut server = match Server::try_start(folder, SETTINGS, environment.as_slice()) {
        Ok(server) => server,
        Err(ended) => {
            // All but those of a hit are passed at a start already: the last round left batches.
            match end {
                End::Failpoint(text) if !text.starts_with("hit-") => ended.assert_aborted(text),
                _ => panic!("round {number}: {ended:?}"),
            }
            return false;
        }
    };
    let (over, address) = (AtomicBool::new(false), server.address.clone());
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|n| format!("/r{}/s{}", word(number), word(n)))
            .map(|prefix| {
                let (over, address) = (&over, &address);
                scope.spawn(move || sender(address, (SITE, &prefix), over))
            })
            .collect();
        match end {
            End::Kill(after) => {
                std::thread::sleep(*after);
                server.kill();
            }
            End::Failpoint(text) => {
                let mut ended = None;
                until(PATIENCE, || {
                    ended = server.ended();
                    ended.is_some()
                });
                over.store(true, Ordering::Relaxed);
                drop(server);
                let ended =
                    ended.unwrap_or_else(|| panic!("round {number}: {text} was not passed"));
                ended.assert_aborted(text);
            }
        }
        over.store(true, Ordering::Relaxed);
        senders.into_iter().for_each(|s| sent.pages.extend(s.join().unwrap().pages));
    });
    true
}

/// `headcount up` on a folder that a [`Server`] had before, without waiting for it.
fn up(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
    command.args(["up", "--config"]).arg(folder.join("headcount.toml"));
    command.arg("--data").arg(folder.join("data"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// kill -9 while it starts, which is when it reads back what the last end left.
fn kill_at_start(folder: &Path, after: Duration) {
    let mut child = up(folder).spawn().unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The views of every page, over all hours.
fn page_views(data: &Path) -> HashMap<String, i64> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(data.join("counts.db"), flags).unwrap();
    let mut query = db.prepare("SELECT page, sum(views) FROM page_counts GROUP BY page").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// What is wrong with the counts, if anything: answered pages must be there, others may be, and
/// none twice.
pub(crate) fn verdict(data: &Path, sent: &Sent) -> Option<String> {
    let views = page_views(data);
    for (page, found) in &views {
        let known = sent.pages.contains_key(page);
        if !known || *found != 1 {
            return Some(format!("{page}: {found} views, sent: {known}"));
        }
    }
    let answered = sent.pages.iter().filter(|(_, answered)| **answered).map(|(page, _)| page);
    let missing: Vec<_> = answered.filter(|page| !views.contains_key(*page)).collect();
    if !missing.is_empty() {
        let (number, first) = (missing.len(), missing[0]);
        return Some(format!("{number} answered hits are not counted, such as {first}"));
    }
    for column in ["views", "visitors", "visits", "clicks", "refused"] {
        let counts = number_in(data, &format!("SELECT sum({column}) FROM counts"));
        let ledger = number_in(data, &format!("SELECT sum({column}) FROM ledger"));
        if counts != ledger {
            return Some(format!("{column}: {counts} in counts, {ledger} in the ledger"));
        }
    }
    let site = number_in(data, "SELECT sum(views) FROM site_counts");
    let pages = i64::try_from(views.len()).unwrap();
    (site != pages).then(|| format!("{site} views of the site, {pages} of its pages"))
}

/// Waits until as many hits are counted as were answered; that number.
fn wait_for_all(server: &Server, sent: &Sent) -> usize {
    let answered = sent.pages.values().filter(|answered| **answered).count();
    let expect = i64::try_from(answered).unwrap();
    until(PATIENCE, || server.number("SELECT sum(views) FROM page_counts") >= expect);
    answered
}

/// Starts once more, lets everything out, stops in order and compares.
fn settle(folder: &Path, sent: &Sent, label: &str) {
    let server = Server::start(folder, SETTINGS, &[]);
    assert_eq!(server.ask_ops("/readyz"), "ready\n", "{label}");
    let answered = wait_for_all(&server, sent);
    let metrics = server.ask_ops("/metrics");
    let delta = metrics.lines().find(|line| line.starts_with("headcount_audit_delta")).unwrap();
    assert!(delta.ends_with(" 0"), "{label}: {delta}");
    assert_eq!(server.stop(), Some(0), "{label}");
    assert_eq!(verdict(&folder.join("data"), sent), None, "{label}");
    let total = sent.pages.len();
    let counted = page_views(&folder.join("data")).len();
    assert!(answered > 0, "{label}: no hit was answered");
    #[expect(clippy::print_stderr, reason = "figures of the campaign, shown with --nocapture")]
    {
        eprintln!("{label}: {total} hits sent, {answered} answered, {counted} counted");
    }
}

/// How many rounds: [`ROUNDS`], or what the campaign asks for.
fn rounds() -> usize {
    asked("HEADCOUNT_TEST_ROUNDS", ROUNDS)
}

#[test]
fn answered_hits_survive_kills_at_random_moments() {
    let folder = tempfile::tempdir().unwrap();
    let (mut dice, mut sent) = (Dice(0x1eaf), Sent::default());
    for number in 0..rounds() {
        let after = Duration::from_millis(1 + dice.below(80));
        round(folder.path(), number, &End::Kill(after), &mut sent);
        if dice.below(3) == 0 {
            kill_at_start(folder.path(), Duration::from_millis(1 + dice.below(80)));
        }
    }
    settle(folder.path(), &sent, &format!("{} random kills", rounds()));
}

#[test]
fn answered_hits_survive_every_failpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (mut dice, mut sent, mut number) = (Dice(0xfa11), Sent::default(), 0);
    let each = (rounds() / failpoint::NAMES.len()).max(1);
    for name in failpoint::NAMES {
        let limit = if RELEASES.contains(&name) { 4 } else { 400 };
        let mut loaded = 0;
        for time in 0..each {
            let nth = if time == 0 { 1 } else { 2 + dice.below(limit) };
            let text = format!("{name}:{nth}");
            let is_loaded = round(folder.path(), number, &End::Failpoint(&text), &mut sent);
            loaded += usize::from(is_loaded);
            number += 1;
            if !is_loaded {
                // Batches have piled up, and a start passes the place too often: let them out.
                assert_eq!(Server::start(folder.path(), SETTINGS, &[]).stop(), Some(0));
            }
        }
        assert!(loaded > 0 || each == 1, "{name}: aborted before the first hit every time");
    }
    settle(folder.path(), &sent, &format!("{number} failpoints"));
}

/// A small disk of its own under the data folder; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let option = format!("size={size}");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &option, "tmpfs"])
            .arg(at)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "this test mounts a small disk: run it as root, or as `unshare -rm cargo test`: {said}"
        );
        Self(at.to_owned())
    }

    /// Takes all the room there is with a file of zeros.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// One hit after the other until one gets `status`.
fn hit_until(server: &Server, prefix: &str, status: u16, sent: &mut Sent) {
    let deadline = Instant::now() + PATIENCE;
    for number in 0.. {
        let page = format!("{prefix}/{}", word(number));
        let reply = server.hit(&view(SITE, &page)).unwrap();
        sent.pages.insert(page, reply.status == 204);
        if reply.status == 503 {
            assert!(reply.head.to_lowercase().contains("\r\nretry-after: "), "{}", reply.head);
        } else {
            assert_eq!(reply.status, 204, "{}", reply.body);
        }
        if reply.status == status {
            return;
        }
        assert!(Instant::now() < deadline, "no {status} in {number} hits");
    }
}

#[test]
fn a_full_disk_answers_503_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&folder.path().join("data"), "24m");
    let server = Server::start(folder.path(), SETTINGS, &[]);
    let mut sent = Sent::default();
    for (number, fillings) in ["/rb", "/rc", "/rd"].into_iter().enumerate() {
        hit_until(&server, &format!("{fillings}/b"), 204, &mut sent);
        let filler = disk.fill();
        hit_until(&server, &format!("{fillings}/c"), 503, &mut sent);
        if number == 1 {
            std::thread::sleep(Duration::from_secs(1));
        }
        std::fs::remove_file(filler).unwrap();
        hit_until(&server, &format!("{fillings}/d"), 204, &mut sent);
        hit_until(&server, &format!("{fillings}/f"), 204, &mut sent);
    }
    assert_eq!(server.stop(), Some(0));
    settle(folder.path(), &sent, "a full disk");
    let refused = sent.pages.iter().filter(|(_, answered)| !**answered);
    let counted = page_views(&folder.path().join("data"));
    for (page, _) in refused {
        assert!(!counted.contains_key(page), "{page} got 503 and is counted");
    }
}

/// Behind the commit of a hit, the thirtieth or so. At another moment the log of the edge file may be
/// empty: a quiet edge empties it after each release, and on a slow machine every edge is quiet.
const BEHIND_A_COMMIT: End<'_> = End::Failpoint("commit-between-answers:30");

/// A data folder with hits that have not left its edge file, the last of them in its log, and what was
/// sent to it.
fn unsent_hits(folder: &Path) -> Sent {
    let mut sent = Sent::default();
    assert!(round(folder, 0, &BEHIND_A_COMMIT, &mut sent));
    let server = Server::start(folder, SETTINGS, &[]);
    hit_until(&server, "/rx/b", 204, &mut sent);
    assert_eq!(server.stop(), Some(0));
    assert!(round(folder, 1, &BEHIND_A_COMMIT, &mut sent));
    sent
}

/// A copy of `from` whose data file `name` went through `damage`.
fn damaged_copy(from: &Path, name: &str, damage: impl Fn(&mut Vec<u8>)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(from.join("headcount.toml"), copy.path().join("headcount.toml")).unwrap();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    for entry in std::fs::read_dir(from.join("data")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let target = copy.path().join("data").join(entry.file_name());
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
    let path = copy.path().join("data").join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    damage(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    copy
}

/// It is refused in one clear line, or counted right. `true` if refused.
fn refused_or_right(copy: &Path, sent: &Sent, label: &str) -> bool {
    match Server::try_start(copy, SETTINGS, &[]) {
        Ok(server) => {
            // What a stop finds no time for would be sent at the next start.
            wait_for_all(&server, sent);
            assert_eq!(server.stop(), Some(0), "{label}");
            let said = std::fs::read_to_string(copy.join("up.log")).unwrap();
            let wrong = verdict(&copy.join("data"), sent);
            assert_eq!(wrong, None, "{label}, it said: {said}");
            false
        }
        Err(_) => {
            let Output { status, stderr, .. } = up(copy).output().unwrap();
            let said = String::from_utf8(stderr).unwrap();
            assert_eq!(status.code(), Some(1), "{label}: {said}");
            assert_eq!(said.trim_end().lines().count(), 1, "{label}: {said}");
            assert!(said.starts_with("headcount: the edge file "), "{label}: {said}");
            true
        }
    }
}

#[test]
fn a_flipped_bit_of_the_edge_file_is_never_a_wrong_count() {
    let folder = tempfile::tempdir().unwrap();
    let (mut dice, mut refused) = (Dice(0xb17), 0);
    let sent = unsent_hits(folder.path());
    for name in ["edge.db", "edge.db-wal"] {
        let length = std::fs::metadata(folder.path().join("data").join(name)).unwrap().len();
        for _ in 0..12 {
            let (at, bit) = (dice.below(length), dice.below(8));
            let copy = damaged_copy(folder.path(), name, |bytes| {
                bytes[usize::try_from(at).unwrap()] ^= 1 << bit;
            });
            let label = format!("{name}, byte {at} of {length}, bit {bit}");
            refused += usize::from(refused_or_right(copy.path(), &sent, &label));
        }
    }
    assert!(refused > 0, "no flipped bit was noticed");
}

#[test]
fn a_truncated_edge_file_is_never_a_wrong_count() {
    let folder = tempfile::tempdir().unwrap();
    let (mut dice, mut refused) = (Dice(0xc07), 0);
    let sent = unsent_hits(folder.path());
    for name in ["edge.db", "edge.db-wal"] {
        let length = std::fs::metadata(folder.path().join("data").join(name)).unwrap().len();
        for keep in [1, length / 2, length - 1, dice.below(length), dice.below(length)] {
            let copy = damaged_copy(folder.path(), name, |bytes| {
                bytes.truncate(usize::try_from(keep).unwrap());
            });
            let label = format!("{name}, {keep} of {length} bytes");
            refused += usize::from(refused_or_right(copy.path(), &sent, &label));
        }
    }
    assert!(refused > 0, "no truncation was noticed");
}
