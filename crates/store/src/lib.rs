//! The store: counts at rest, the ledger beside them, and the questions they answer.
//!
//! What it is not: a judge of what may be counted. What arrives here went through the edge; this
//! room adds numbers up, proves that it did so once, and gives them back.
//!
//! What surprises: progress lives in the ledger, in the same transaction as the counts. There is
//! no other note of what was applied, so none that could disagree.

pub mod clickhouse;
pub mod control;
pub mod error;
pub mod insert;
pub mod owner;
pub mod question;
pub mod shape;
pub mod sqlite;
pub mod zone;

mod answer;
mod close;
mod file;
mod kind;
mod placement;

#[cfg(test)]
#[expect(dead_code, reason = "the tests of the whole use what these do not")]
#[path = "../../../tests/services/clickhouse.rs"]
mod clickhouse_service;
#[cfg(test)]
#[expect(dead_code, reason = "likewise")]
#[path = "../../../tests/services/ports.rs"]
mod ports;

pub use error::StoreError;
pub use insert::{Applied, Insert};
