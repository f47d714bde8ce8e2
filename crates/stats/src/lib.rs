//! The analyst's side of Headcount: API, dashboard, export, and the same for the terminal.
//!
//! What it is not: near a visitor. It reads counts and writes nothing.
//!
//! What surprises: there is no way to ask for two attributes at once, because no such count exists.
//! Such a question is answered with 400 and the reason.

pub mod backend;
pub mod breakdown;
pub mod noise;
pub mod pool;
pub mod published;
pub mod query;
pub mod queue;
pub mod session;
pub mod sheet;
pub mod terminal;
pub mod time_zone;

mod access;
mod assets;
mod clickhouse;
mod dashboard;
mod embedded;
mod export;
mod reply;
mod router;
mod signin;
mod state;
mod text;
mod tries;
mod viewer;

#[cfg(test)]
mod tests;

pub use router::router;
pub use state::{Parts, Snippet, Stats, check_time};
pub use tries::Asker;
