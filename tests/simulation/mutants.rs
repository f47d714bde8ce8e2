//! Protocols with one mistake each.
//!
//! What it is not: a list of what was ever wrong here; most were never tried.
//!
//! What surprises: a mistake that stays unseen is a hole in the simulator, not a right protocol.

use headcount_core::mutant::Mutant;

use crate::campaign::outcome;
use crate::setting::{Flaw, Protocol};

/// Seeds within which a mistake must be seen.
const SEEDS: u64 = 1_000;

fn seen_at(protocol: Protocol) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| outcome(seed, protocol).0.err().map(|why| (seed, why)))
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn every_mistake_is_seen() {
    let machines = Mutant::ALL.map(Protocol::Machine);
    let around = Flaw::ALL.map(Protocol::Around);
    let mut unseen = Vec::new();
    for protocol in machines.into_iter().chain(around) {
        match seen_at(protocol) {
            Some((seed, why)) => println!("{protocol:?} at seed {seed}: {why}"),
            None => unseen.push(protocol),
        }
    }
    assert!(unseen.is_empty(), "not seen within {SEEDS} seeds: {unseen:?}");
}

#[test]
fn no_mistake_is_seen_where_there_is_none() {
    assert_eq!(seen_at(Protocol::Right), None);
}
