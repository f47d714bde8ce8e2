//! The edge: HTTP in, counts out, and the only crate that meets a visitor.
//!
//! What it is not: aware of the store. Batches leave through the transport, and what becomes of
//! them there is not known here but for the acknowledgement.
//!
//! What surprises: the way of a hit has no queue. A core judges a beacon and adds it up; one
//! thread makes the sums of all cores durable; the answer follows.

pub mod assets;
pub mod beacon_fuzz;
pub mod client;
pub mod compat;
pub mod country;
pub mod edge_file;
pub mod import;
pub mod metrics;
pub mod names;
pub mod peer;
pub mod rate;
pub mod release;
pub mod room;
pub mod shipper;
pub mod sites;
pub mod totals;
pub mod tracker;
pub mod visitors;

mod beacon;
mod committer;
mod connection;
mod http;
mod judge;
mod locked;
mod log;
mod rejection;
mod server;
mod shard;
mod ticket;
mod worker;

pub use crate::committer::batches::partition_of;
pub use crate::connection::{REQUEST_DEADLINE, TICK};
pub use crate::http::{Answer, BODY_BYTES_MAX, Body, Fallback, URI_BYTES_MAX, plain};
pub use crate::judge::preview::{PREVIEW_PATH, Preview};
pub use crate::server::{
    Collector, CollectorError, EpochRule, Erasing, Limits, Parts, Setting, Waiting, waiting,
};
