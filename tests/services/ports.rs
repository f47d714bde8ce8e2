//! Ports for servers of others, who want to be told one before they start.
//!
//! What it is not: for processes of ours. Those bind port 0 and say what they were given.
//!
//! What surprises: a port that was free a moment ago may be anybody's by then, because the system gives
//! such ports to whoever asks for any, and every test does. So these lie outside of the system's range;
//! and as a sign that one is taken, by any test of the machine, UDP's port of that number is held.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;

/// The first port that a test takes, above those of well-known services.
const FIRST: u16 = 10_000;
/// So many ports are enough for all tests of a machine.
const ENOUGH: u16 = 2_000;
/// Linux's own range, where nobody has set another.
const USUAL: (u16, u16) = (32_768, 60_999);

/// A port of this machine that no other test takes while this lives, also when no server is at it.
pub(crate) struct Port {
    number: u16,
    _sign: UdpSocket,
}

impl Port {
    /// One that nobody has.
    pub(crate) fn free() -> Self {
        Self::apart(&[0]).remove(0)
    }

    /// Ports that lie so far from the first of them, in rising order.
    pub(crate) fn apart(distances: &[u16]) -> Vec<Self> {
        let all = ours(system_range());
        let places = u64::from(count(&all) - distances.last().copied().unwrap_or(0));
        let start = RandomState::new().hash_one(0) % places;
        let ports = |at: u64| {
            let first = all.start + u16::try_from((start + at) % places).unwrap();
            distances.iter().map(|distance| Self::taken(first + distance)).collect()
        };
        (0..places).find_map(ports).expect("no port of this machine is free")
    }

    fn taken(number: u16) -> Option<Self> {
        let sign = UdpSocket::bind(("127.0.0.1", number)).ok()?;
        // Somebody who is no test may listen there.
        TcpListener::bind(("0.0.0.0", number)).ok()?;
        Some(Self { number, _sign: sign })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Where a server of this machine listens at it.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

fn count(ports: &Range<u16>) -> u16 {
    ports.end - ports.start
}

/// The ports, first and last, that the system gives to whoever asks for any.
fn system_range() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let text = text.unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    numbers.next().zip(numbers.next()).unwrap_or(USUAL)
}

/// Enough ports outside of the system's, where it leaves as many; else the risk is the system's.
fn ours((first, last): (u16, u16)) -> Range<u16> {
    let (below, above) = (FIRST..first.max(FIRST), last.min(u16::MAX - 1) + 1..u16::MAX);
    let outside = [below, above].into_iter().find(|ports| count(ports) >= ENOUGH);
    outside.unwrap_or(FIRST..u16::MAX)
}

#[test]
fn a_port_is_given_once_and_never_one_of_the_systems() {
    let taken: Vec<Port> = (0..50).map(|_| Port::free()).chain(Port::apart(&[0, 1, 900])).collect();
    let mut numbers: Vec<u16> = taken.iter().map(Port::number).collect();
    assert_eq!(numbers[51..], [numbers[50] + 1, numbers[50] + 900]);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), taken.len());
    assert!(Port::taken(numbers[0]).is_none(), "it is held");
    assert_eq!(ours(USUAL), FIRST..32_768);
    assert_eq!(ours((1_024, 60_999)), 61_000..u16::MAX);
    assert_eq!(ours((1_024, 65_535)), FIRST..u16::MAX);
    drop(taken);
    assert!(Port::taken(numbers[0]).is_some(), "and given back");
}
