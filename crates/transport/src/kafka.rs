//! Batches over Kafka: collectors publish to a topic, aggregators read it as a group.
//!
//! What it is not: what exactly-once rests on. Kafka may deliver a record again, and a rebalance
//! may give a partition to two readers for a moment. Sequence numbers and the store's ledger settle
//! both, so neither transactions nor committed offsets are needed; an offset is committed only as
//! a hint for tools that show lag.
//!
//! What surprises: the producer has one request under way at a time. It is enough for batches, and
//! the order of the log then does not depend on what a broker remembers of its producers.

mod cat;
mod client;
pub mod neighbours;
mod publisher;
pub mod records;
mod settings;
mod subscriber;
pub mod topic;

use thiserror::Error;

pub use cat::cat;
pub use headcount_core::secret::Secret;
pub use publisher::KafkaPublisher;
pub use settings::{Login, Mechanism, PARTITIONS_MAX, Security, Settings, TOPIC_BYTES_MAX};
pub use subscriber::{Consumed, Heard, KafkaSubscriber, Loss};

/// What can go wrong with a cluster.
#[derive(Debug, Error)]
pub enum KafkaError {
    /// A setting that cannot be right.
    #[error("kafka {key} = {found:?}: expected {right}")]
    Setting {
        /// Its name.
        key: &'static str,
        /// What it is.
        found: String,
        /// What would be right.
        right: &'static str,
    },
    /// No answer in time.
    #[error(
        "no answer from kafka at {brokers} in {patience_seconds} s ({reason}): check the addresses, \
         the network and whether the listener expects TLS"
    )]
    Unreachable {
        /// Where it was looked for.
        brokers: String,
        /// How long it was waited for.
        patience_seconds: u64,
        /// The last thing the client library said.
        reason: String,
    },
    /// The broker does not accept who we are.
    #[error("kafka refused the login ({0}): check username, password and mechanism")]
    Login(String),
    /// No TLS connection could be made.
    #[error("no tls connection to kafka ({0}): check ca_file and the names in the certificate")]
    Tls(String),
    /// The broker knows us and says no.
    #[error(
        "kafka does not permit this ({0}): grant the user the right to the topic and the group"
    )]
    Forbidden(String),
    /// There is no such topic.
    #[error("topic {0} does not exist: create it, or let headcount create it")]
    MissingTopic(String),
    /// The topic is not fit for batches; one line for each reason.
    #[error("{}", .0.join("\n"))]
    Topic(Vec<String>),
    /// The client has given up for good: connect anew.
    #[error("kafka client ended ({0}): start it again")]
    Ended(String),
    /// Anything else that the client library says.
    #[error("kafka client failed")]
    Client(#[from] rdkafka::error::KafkaError),
}

impl KafkaError {
    /// Whether the same call may succeed later with nothing changed here.
    pub fn is_retryable(&self) -> bool {
        match self {
            // A broker that goes away in the middle of a handshake looks like a wrong certificate.
            Self::Unreachable { .. } | Self::Tls(_) | Self::Client(_) => true,
            Self::Setting { .. }
            | Self::Login(_)
            | Self::Forbidden(_)
            | Self::MissingTopic(_)
            | Self::Topic(_)
            | Self::Ended(_) => false,
        }
    }
}
