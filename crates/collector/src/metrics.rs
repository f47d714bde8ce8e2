//! What an operator sees of the edge: numbers with labels from closed lists.
//!
//! What it is not: per site or per page. No label holds anything that a visitor sent.
//!
//! What surprises: `received` is not counted, it is the sum of the three that are; so
//! accepted + refused + rejected = received holds at any moment.

use std::sync::atomic::AtomicU64;

use headcount_core::refusal::RefusalReason;
use headcount_core::time::Day;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::rejection::Rejection;

/// Upper bounds of commit times: 0.5 ms to 4 s.
const COMMIT_SECONDS_BUCKETS: (f64, f64, u16) = (0.0005, 2.0, 14);

/// Cells and names are told in whole steps: told one by one, they said of a visitor whether country,
/// browser and source were new. Small beside their limits, which are 1,000,000 and 300,000 unless set.
const STEP: usize = 1_000;

/// Label of a refusal or rejection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        std::fmt::Write::write_str(encoder, self.0)
    }
}

/// The collector's metrics.
pub struct Metrics {
    pub(crate) accepted: Counter,
    refused: Vec<Counter>,
    rejected: Vec<Counter>,
    pub(crate) commit_seconds: Histogram,
    pub(crate) commit_failures: Counter,
    pub(crate) held_full: Counter,
    pub(crate) connections: Gauge,
    pub(crate) connections_closed_late: Counter,
    pub(crate) connections_refused: Counter,
    held_cells: Gauge,
    outbox_batches: Gauge,
    names: Gauge,
    visitor_miss_rate: Gauge<f64, AtomicU64>,
    visitor_key_day_seconds: Gauge,
    visitor_keys: Gauge,
    audit_delta: Gauge,
}

impl Metrics {
    /// Makes the metrics and names them in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let (start, factor, length) = COMMIT_SECONDS_BUCKETS;
        let refused: Family<Labels, Counter> = Family::default();
        let rejected: Family<Labels, Counter> = Family::default();
        let of = |family: &Family<Labels, Counter>, word| {
            family.get_or_create_owned(&Labels { reason: Word(word) })
        };
        let metrics = Self {
            accepted: Counter::default(),
            refused: RefusalReason::ALL.iter().map(|r| of(&refused, r.as_str())).collect(),
            rejected: Rejection::ALL.iter().map(|r| of(&rejected, r.as_str())).collect(),
            commit_seconds: Histogram::new(exponential_buckets(start, factor, length)),
            commit_failures: Counter::default(),
            held_full: Counter::default(),
            connections: Gauge::default(),
            connections_closed_late: Counter::default(),
            connections_refused: Counter::default(),
            held_cells: Gauge::default(),
            outbox_batches: Gauge::default(),
            names: Gauge::default(),
            visitor_miss_rate: Gauge::default(),
            visitor_key_day_seconds: Gauge::default(),
            visitor_keys: Gauge::default(),
            audit_delta: Gauge::default(),
        };
        registry.register("headcount_hits_accepted", "hits counted", metrics.accepted.clone());
        registry.register("headcount_hits_refused", "hits of known sites not counted", refused);
        registry.register("headcount_beacons_rejected", "requests that are no hit", rejected);
        metrics.name_commits(registry);
        metrics.name_connections(registry);
        metrics.name_gauges(registry);
        metrics
    }

    fn name_commits(&self, registry: &mut Registry) {
        let seconds = self.commit_seconds.clone();
        registry.register("headcount_commit_seconds", "duration of group commits", seconds);
        let failures = self.commit_failures.clone();
        registry.register("headcount_commit_failures", "group commits that failed", failures);
        let full = self.held_full.clone();
        registry.register("headcount_held_full", "groups refused for too many held cells", full);
    }

    fn name_connections(&self, registry: &mut Registry) {
        registry.register("headcount_connections", "open connections", self.connections.clone());
        let late = self.connections_closed_late.clone();
        registry.register("headcount_connections_closed_late", "closed at a deadline", late);
        let refused = self.connections_refused.clone();
        registry.register("headcount_connections_refused", "closed for a limit", refused);
    }

    fn name_gauges(&self, registry: &mut Registry) {
        let cells = self.held_cells.clone();
        registry.register(
            "headcount_held_cells",
            "cells that have not left the edge, in thousands",
            cells,
        );
        let outbox = self.outbox_batches.clone();
        registry.register("headcount_outbox_batches", "batches not acknowledged", outbox);
        let names = self.names.clone();
        registry.register("headcount_names", "names of unfinished days, in thousands", names);
        let miss_rate = self.visitor_miss_rate.clone();
        registry.register(
            "headcount_visitor_miss_rate",
            "probability that a new visitor is taken for one seen before",
            miss_rate,
        );
        let day = self.visitor_key_day_seconds.clone();
        registry.register(
            "headcount_visitor_key_day_seconds",
            "beginning of the UTC day whose key marks visitors; 0: there is no key",
            day,
        );
        let keys = self.visitor_keys.clone();
        registry.register("headcount_visitor_keys", "keys of visitors since the start", keys);
        let delta = self.audit_delta.clone();
        registry.register("headcount_audit_delta", "counts less ledger; 0 when balanced", delta);
    }

    pub(crate) fn refused(&self, reason: RefusalReason) {
        let at = RefusalReason::ALL.iter().position(|r| *r == reason);
        if let Some(counter) = at.and_then(|at| self.refused.get(at)) {
            counter.inc();
        }
    }

    pub(crate) fn rejected(&self, rejection: Rejection) {
        let at = Rejection::ALL.iter().position(|r| *r == rejection);
        if let Some(counter) = at.and_then(|at| self.rejected.get(at)) {
            counter.inc();
        }
    }

    pub(crate) fn gauges(&self, held: usize, outbox: usize, names: usize) {
        let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.held_cells.set(whole(held - held % STEP));
        self.outbox_batches.set(whole(outbox));
        self.names.set(whole(names - names % STEP));
    }

    /// Sets what the last audit of the store found.
    pub fn audit_delta(&self, delta: u64) {
        self.audit_delta.set(i64::try_from(delta).unwrap_or(i64::MAX));
    }

    /// Sets of which UTC day the key is by which visitors are marked, and how many there were.
    /// Nothing finer: a key changes by the clock, and with no visitor.
    pub fn key(&self, day: Option<Day>, drawn: u64) {
        let seconds = day.map_or(0, |day| day.first_hour().unix_seconds());
        self.visitor_key_day_seconds.set(i64::try_from(seconds).unwrap_or(i64::MAX));
        self.visitor_keys.set(i64::try_from(drawn).unwrap_or(i64::MAX));
    }

    /// Sets what [`crate::visitors::Visitors::miss_rate`] said.
    /// Six places: what is below says which few visitors came, not how many may be missed.
    pub fn miss_rate(&self, rate: f64) {
        self.visitor_miss_rate.set((rate * 1e6).round() / 1e6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_moves_no_gauge_by_what_is_new_of_him() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let text = |held, names| {
            metrics.gauges(held, 0, names);
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        assert!(text(7, 11) == text(12, 16), "{}", text(12, 16));
        let near = text(999_950, 299_950);
        assert!(near.contains("\nheadcount_held_cells 999000\n"), "{near}");
        assert!(near.contains("\nheadcount_names 299000\n"), "{near}");
    }

    #[test]
    fn a_key_is_told_by_its_day() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let text = |day, drawn| {
            metrics.key(day, drawn);
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        let told = text(Some(Day(20_000)), 3);
        assert!(told.contains("\nheadcount_visitor_key_day_seconds 1728000000\n"), "{told}");
        assert!(told.contains("\nheadcount_visitor_keys 3\n"), "{told}");
        assert!(text(None, 4).contains("\nheadcount_visitor_key_day_seconds 0\n"));
    }
}
