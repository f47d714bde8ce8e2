//! The day's key of each collector: of which UTC day it is, and how many there were.
//!
//! What it is not: the key. What `/metrics` tells of it is a day and a number.
//!
//! What surprises: around midnight the key of yesterday is right for as long as the sweep that ends it
//! may take, and as two clocks may differ.

use headcount_audit::evidence::Key;
use headcount_audit::report::{Control, Status};
use headcount_core::time::{Clock as _, Day, Hour};

use super::Audit;
use super::client;
use super::finder::{Finder, OPERATIONS};
use crate::wall_clock::WallClock;

/// The name of the check.
const NAME: &str = "the day's key";
/// What `/metrics` has of a key.
const OF_DAY: &str = "headcount_visitor_key_day_seconds";
const DRAWN: &str = "headcount_visitor_keys";
/// How far from midnight the key of the day beside it is right, in seconds.
const AROUND_MIDNIGHT: u64 = 120;
/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// What one collector tells of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// None: there is no key.
    day: Option<Day>,
    drawn: u64,
}

/// Asks each process for it.
pub(super) fn look(audit: &Audit<'_>, finder: &mut Finder) -> (Vec<Key>, Control) {
    let mut told = Vec::new();
    for address in &audit.running.operations {
        let request = client::request("GET /metrics", "Host: audit\r\n", "");
        if let Some(reply) = client::send(address, &request) {
            finder.bytes(OPERATIONS, &format!("/metrics at {address}, for the key"), &reply.bytes);
            told.extend(read(&String::from_utf8_lossy(&reply.bytes)));
        }
    }
    let (status, said) = judged(&told, audit.config.visitors, WallClock.unix_seconds());
    let control = Control { name: NAME.to_owned(), status, said, needed: true };
    (keys(&told), control)
}

/// What the metrics of a collector say; other processes have none of it.
fn read(metrics: &str) -> Option<Told> {
    let number = |name: &str| {
        let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
        lines.find_map(|rest| rest.strip_prefix(' ')?.trim().parse::<u64>().ok())
    };
    let day = Some(number(OF_DAY)?).filter(|seconds| *seconds > 0);
    Some(Told { day: day.map(|it| Hour::of_unix(it).day()), drawn: number(DRAWN)? })
}

fn keys(told: &[Told]) -> Vec<Key> {
    let key = |(at, Told { day, drawn }): (usize, &Told)| Key {
        collector: format!("collector {}", at + 1),
        day: day.map_or_else(|| "none".to_owned(), |day| day.to_string()),
        drawn: *drawn,
    };
    told.iter().enumerate().map(key).collect()
}

/// Whether each key is of the day that it is.
fn judged(told: &[Told], visitors: bool, now: u64) -> (Status, String) {
    if !visitors {
        return (Status::NotApplicable, "visitors are not counted, so there is none".to_owned());
    }
    let days = [now, now.saturating_sub(AROUND_MIDNIGHT), now + AROUND_MIDNIGHT]
        .map(|seconds| Hour::of_unix(seconds).day());
    let is_other = |it: &&Told| it.day.is_some_and(|day| !days.contains(&day));
    let has_none = |it: &Told| it.day.is_none();
    match told.iter().find(is_other) {
        Some(Told { day: Some(day), .. }) => {
            (Status::Failed, format!("it is of {day}, and today is {}", days[0]))
        }
        _ if told.is_empty() => (Status::NotTested, "no /metrics told of one".to_owned()),
        _ if told.iter().all(has_none) => {
            (Status::AsFound, "there is none, so no visitors are counted".to_owned())
        }
        _ => {
            let next = (now / DAY_SECONDS + 1) * DAY_SECONDS;
            let next = Hour::of_unix(next).day();
            (Status::Passed, format!("it is of the UTC day that it is, and ends as {next} begins"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 20_000 * DAY_SECONDS + 43_200;

    fn told(day: u32) -> Told {
        Told { day: Some(Day(day)), drawn: 1 }
    }

    #[test]
    fn the_metrics_of_a_collector_are_read() {
        let metrics = "HTTP/1.1 200 OK\r\n\r\n# HELP headcount_visitor_keys x\n\
            headcount_visitor_keys 3\nheadcount_visitor_key_day_seconds 1728000000\n";
        assert_eq!(read(metrics), Some(Told { drawn: 3, ..told(20_000) }));
        let none = metrics.replace("1728000000", "0");
        assert_eq!(read(&none), Some(Told { day: None, drawn: 3 }));
        assert_eq!(read("headcount_audit_delta 0\n"), None);
        assert_eq!(keys(&[told(20_000)])[0].day, Day(20_000).to_string());
    }

    #[test]
    fn a_key_of_another_day_fails() {
        let status = |told: &[Told], now| judged(told, true, now).0;
        assert_eq!(status(&[told(20_000)], NOON), Status::Passed);
        assert_eq!(status(&[told(20_000), told(19_999)], NOON), Status::Failed);
        assert_eq!(status(&[told(20_001)], NOON), Status::Failed);
        assert_eq!(status(&[], NOON), Status::NotTested);
        assert_eq!(status(&[Told { day: None, drawn: 1 }], NOON), Status::AsFound);
        assert_eq!(judged(&[], false, NOON).0, Status::NotApplicable);
        // Just after midnight, and just before it by a clock that is slower.
        assert_eq!(status(&[told(20_000)], 20_001 * DAY_SECONDS + 5), Status::Passed);
        assert_eq!(status(&[told(20_000)], 20_000 * DAY_SECONDS - 5), Status::Passed);
        assert_eq!(status(&[told(20_000)], 20_001 * DAY_SECONDS + 130), Status::Failed);
    }
}
