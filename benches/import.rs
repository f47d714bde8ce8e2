//! `headcount import` over a million lines: lines a second of one core, and where the time goes.
//!
//! What it is not: a test; `tests/import.rs` proves the counts.
//!
//! What surprises: an import has one thread, so its processor time is that of one core, whatever
//! else the machine does meanwhile; wall time is shown beside it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench says what it finds")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Agents of real browsers, one a line.
const AGENTS: &str = include_str!("collector/agents.txt");
/// The kernel's ticks of processor time.
const TICKS_PER_SECOND: f64 = 100.0;
const LINES: u64 = 1_000_000;
const ROUNDS: usize = 3;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn main() {
    // cargo adds `--bench`.
    let lines =
        std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(LINES);
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    std::fs::write(&log, content(lines)).unwrap();
    let bytes = std::fs::metadata(&log).unwrap().len();
    println!("{lines} lines of {} bytes on average, seed 1", bytes / lines);
    for round in 1..=ROUNDS {
        let data = dir.path().join(format!("data-{round}"));
        let unread = dir.path().join(format!("unread-{round}"));
        for folder in [&data, &unread] {
            measured(&["site", "add", "example.org"], folder, None);
        }
        say("read and parsed only", lines, measured(&without_pages(), &unread, Some(&log)));
        say("counted", lines, measured(&["import", "example.org"], &data, Some(&log)));
        say("known again", lines, measured(&["import", "example.org"], &data, Some(&log)));
    }
}

/// Every path is no page.
fn without_pages() -> [&'static str; 4] {
    ["import", "example.org", "--without", "/"]
}

fn say(what: &str, lines: u64, (wall, cpu): (f64, f64)) {
    let per = |seconds: f64| f64::from(u32::try_from(lines).unwrap()) / seconds;
    println!(
        "{what:22} {:>9.0} lines/s of one core   {:>9.0} lines/s by the clock",
        per(cpu),
        per(wall)
    );
}

/// Wall and processor seconds of a command.
fn measured(args: &[&str], data: &Path, log: Option<&Path>) -> (f64, f64) {
    let (started, before) = (Instant::now(), children_ticks());
    let status = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(args)
        .args(log)
        .arg("--data")
        .arg(data)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    (started.elapsed().as_secs_f64(), (children_ticks() - before) / TICKS_PER_SECOND)
}

/// User and system time of all children that have ended (proc(5): fields 16 and 17).
fn children_ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').skip(13).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum()
}

/// A log of the two days before yesterday, as a small site has it: a third pages of 2,000, a third
/// assets, the rest what is refused; 20,000 networks, queries, referrers, 40 agents.
fn content(lines: u64) -> String {
    let agents: Vec<&str> = AGENTS.lines().filter(|line| !line.is_empty()).collect();
    let now = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let first = now / 86_400 * 86_400 - 3 * 86_400;
    let mut state = 1u64;
    let mut dice = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = String::new();
    for number in 0..lines {
        let at = first + number * 2 * 86_400 / lines;
        let (year, month, day) = headcount_core::time::Hour::of_unix(at).day().civil();
        let month = MONTHS[usize::try_from(month - 1).unwrap()];
        let (hour, minute, second) = (at / 3_600 % 24, at / 60 % 60, at % 60);
        let page = match dice(6) {
            0 | 1 => format!("/static/{}.css", dice(50)),
            2 => format!("/artikel/{}/en-rubrik?utm_source=brev&id={}", dice(2_000), dice(9_999)),
            _ => format!("/artikel/{}/en-rubrik", dice(2_000)),
        };
        let status = ["200", "200", "200", "304", "404"][usize::try_from(dice(5)).unwrap()];
        let referrer = ["-", "https://example.org/artikel", "https://www.google.com/", "-"]
            [usize::try_from(dice(4)).unwrap()];
        let agent = agents[usize::try_from(dice(agents.len() as u64)).unwrap()];
        writeln!(
            text,
            "{}.{}.{}.{} - - [{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000] \
             \"GET {page} HTTP/1.1\" {status} {} \"{referrer}\" \"{agent}\"",
            80 + dice(4),
            dice(50),
            dice(100),
            dice(250),
            dice(90_000)
        )
        .unwrap();
    }
    text
}
