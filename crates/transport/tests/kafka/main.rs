//! Publisher, subscriber and topic against a real broker.
//!
//! What it is not: the whole pipe; `tests/` of the workspace has that.
//!
//! What surprises: there is no emulation to fall back on. Without Java or Maven these tests fail
//! and say what to install.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(clippy::panic, reason = "likewise")]

#[path = "../../../../tests/services/kafka.rs"]
mod broker;
#[path = "../../../../tests/services/ports.rs"]
mod ports;

// Records to send, as an outbox keeps them, and a reader of everything.
mod outbox;

// What a publisher promises, with brokers that die.
mod publishing;
// What a subscriber promises: groups, positions, losses.
mod subscribing;
// Topics, logins, brokers that are not there; `cat`.
mod reaching;
