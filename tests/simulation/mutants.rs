//! Protocols with one mistake each.
//!
//! What it is not: a list of what was ever wrong here. Those that were are tests of their own.
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

/// What the mistake spoils at some seed, the protocol does right there.
fn is_seen_and_right_without(protocol: Protocol) {
    let (seed, _) = seen_at(protocol).expect("the mistake is seen");
    assert_eq!(outcome(seed, Protocol::Right).0, Ok(()), "seed {seed}");
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

/// The day came from a clock once. ClickHouse asks for a token in one partition only, so two
/// aggregators on both sides of midnight wrote the same range.
#[test]
fn a_twin_on_the_other_side_of_midnight_counts_once() {
    is_seen_and_right_without(Protocol::Around(Flaw::DayFromClock));
}

/// The ledger was read after an insert only. An aggregator that had stood still sent a range whose
/// token was forgotten.
#[test]
fn an_aggregator_that_stood_still_sends_nothing_old() {
    is_seen_and_right_without(Protocol::Machine(Mutant::NoReadBefore));
}

/// A producer that was made anew took the next records before the shipper had gone back to the
/// first.
#[test]
fn a_new_producer_takes_nothing_before_the_shipper_knows() {
    is_seen_and_right_without(Protocol::Around(Flaw::TakeBeforeRestarted));
}

/// A request that came after its token was forgotten wrote its range again.
#[test]
fn a_request_later_than_the_window_is_refused_by_the_guard() {
    is_seen_and_right_without(Protocol::Around(Flaw::NoGuard));
}
