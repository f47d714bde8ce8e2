//! The simulation: the two state machines of the exactly-once protocol in a world where everything
//! fails, one seed a run.
//!
//! What it is not: a test of SQLite, Kafka or ClickHouse. They are models here; `tests/services`
//! and `tests/crash` have the real ones.
//!
//! What surprises: `cargo test -p headcount-simulation` takes new seeds every time and prints
//! them. `HEADCOUNT_SIM_SEED` runs one seed with its trace, `HEADCOUNT_SIM_SEEDS` sets how many.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod aggregator;
mod collector;
mod kafka;
mod rng;
mod setting;
mod store;
mod world;

// The campaign, and seeds that failed once.
mod campaign;
// Mistakes that must be seen.
mod mutants;
