//! Batches in, one ledgered insert out.
//!
//! What it is not: a place where counts change. It adds up, closes a batch of batches, writes it
//! once, and says so.
//!
//! What surprises: the store's ledger is the truth about progress. After every insert, whatever it
//! answered, the ledger is read back, and that decides what happens next.

pub mod cluster;
pub mod lane;

mod driver;
mod ends;
mod keeping;

pub use crate::driver::{Aggregator, AggregatorError, Status, local_src};
pub use crate::keeping::Keeping;
