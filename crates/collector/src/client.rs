//! Who asks, as coarsely as it is counted: browser, system and device from closed lists, or robot.
//!
//! What it is not: a store of agent strings. Text comes in, three names come out; the cache knows
//! a text only by a keyed digest, and no version number survives.
//!
//! What surprises: the parser costs as much as the rest of a hit, so each worker remembers what it
//! has seen. Strings that never repeat (an attack) cost the parser each time, but no memory.

mod cache;
mod device;
mod families;
mod robots;
mod rules;

pub use self::cache::{CLIENTS_CACHED_MAX, Clients};
pub use self::families::{Device, OTHER, browsers, systems};
pub use self::rules::{ClientRules, RulesError};

/// What is looked at of an agent string; the longest of real browsers, in apps, stay under 400.
pub const AGENT_BYTES_MAX: usize = 512;

/// A keyed digest of an agent string. Without the key, which dies with the process, it tells
/// nothing of the string.
pub type UaDigest = [u8; 16];

/// The names under which a client is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientFamily {
    /// Family of the browser, one of [`browsers`].
    pub browser: &'static str,
    /// Family of the operating system, one of [`systems`].
    pub os: &'static str,
    /// Form factor.
    pub device: Device,
}

/// What an agent string says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// The names; of a robot, [`ClientFamily::UNKNOWN`].
    pub family: ClientFamily,
    /// Whether it is a robot by the kept list or by its own word. No agent string at all counts as
    /// one: every browser sends one.
    pub robot: bool,
}

#[cfg(test)]
mod tests;
