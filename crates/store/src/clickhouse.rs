//! The store of a cluster: one table in ClickHouse.
//!
//! What it is not: trusting. A deduplication token alone is not exactly-once (its record is written
//! before the part is), so every insert is one part that holds its counts and its ledger row, and
//! what was applied is read back from the ledger.
//!
//! What surprises: nothing is deleted by a mutation. A count that must go is written again with the
//! opposite sign, together with its ledger row, and the merge that follows drops what sums to 0.
//! So Σ counts = Σ ledger holds at every moment, also in the middle of an erasure that was killed.

mod ask;
mod close;
mod connect;
pub mod dump;
mod facts;
mod fault;
pub mod grants;
mod link;
mod reader;
mod remove;
mod rows;
mod writer;

#[cfg(test)]
mod tests;

pub use fault::{ApplyError, ServerFault};
pub use headcount_core::secret::Secret;
pub use link::is_address;
pub use reader::Reader;
pub use rows::{INSERT_BYTES_MAX, INSERT_ROW_BYTES, INSERT_ROWS_MAX};
pub use writer::Writer;

/// The oldest server that knows every setting the protocol needs.
pub const SERVER_VERSION_MIN: &str = "25.8";

/// Where the server is, and who asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://host:8123` or `https://host:8443`.
    pub url: String,
    /// The database; it must exist.
    pub database: String,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The cluster's name, where tables are replicated; its servers must have the macros that
    /// `default_replica_path` and `default_replica_name` use. None: one server.
    pub cluster: Option<String>,
}
