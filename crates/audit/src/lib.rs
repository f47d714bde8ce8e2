//! The canary audit's pure half: what is planted, in which forms it is looked for, and the report.
//!
//! What it is not: in touch with anything. Requests, files, Kafka and ClickHouse are the binary's
//! (`crates/headcount/src/audit`); tests use the same search.
//!
//! What surprises: a marker's text never enters a report. A report names its channel.

pub mod channel;
pub mod evidence;
pub mod forms;
pub mod html;
pub mod markdown;
pub mod marker;
pub mod report;
pub mod search;
pub mod unpack;
