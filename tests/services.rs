//! The real servers that a cluster needs, as the tests start them.
//!
//! What it is not: only ours. The transport's and the store's own tests include the same files.
//!
//! What surprises: a server that cannot be started fails the test with the line that gets it.

#![expect(dead_code, reason = "the rooms' own tests use what these do not")]

pub(crate) mod clickhouse;
pub(crate) mod kafka;
pub(crate) mod ports;
