//! The channels: every way by which something of a visitor reaches the listener.
//!
//! What it is not: a request. Which request carries which channel is the binary's.
//!
//! What surprises: only [`Nature::Read`] channels can be found by the positive control. What is
//! never read cannot be kept by a build without a sanitiser either.

/// What the listener does with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Its text is read and made clean; a build without the sanitiser keeps it.
    Read,
    /// Never read, or to a family at most.
    Unread,
    /// A client's address: shortened, then used for the country and the visitor's mark.
    Address,
}

/// The natural form of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Sixteen letters and digits, mixed: a token, a session, a part of an e-mail address.
    Word,
    /// Twelve digits: an account, a telephone number.
    Digits,
    /// A client in 198.51.100.0/24 (RFC 5737).
    V4,
    /// A client in 2001:db8::/32 (RFC 3849).
    V6,
    /// The connection's own address, in 127.0.0.0/8.
    Peer,
}

/// One channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name in reports.
    pub name: &'static str,
    /// What becomes of it.
    pub nature: Nature,
    /// How its marker looks.
    pub shape: Shape,
}

const fn read(name: &'static str, shape: Shape) -> Channel {
    Channel { name, nature: Nature::Read, shape }
}

const fn unread(name: &'static str) -> Channel {
    Channel { name, nature: Nature::Unread, shape: Shape::Word }
}

const fn address(name: &'static str, shape: Shape) -> Channel {
    Channel { name, nature: Nature::Address, shape }
}

/// Every channel, in the order of reports.
pub const CHANNELS: [Channel; 55] = [
    read("page: number", Shape::Digits),
    read("page: e-mail address", Shape::Word),
    read("page: token", Shape::Word),
    read("page: matrix parameter", Shape::Word),
    read("page: percent-encoded", Shape::Word),
    read("page: percent-encoded twice", Shape::Word),
    read("page: digits of another script", Shape::Digits),
    read("page: query", Shape::Word),
    read("page: fragment", Shape::Word),
    read("page: of the pixel", Shape::Word),
    read("page: Referer of the pixel", Shape::Word),
    read("referrer: path", Shape::Word),
    read("referrer: query", Shape::Word),
    read("referrer: subdomain", Shape::Word),
    read("referrer: user", Shape::Word),
    read("utm_source", Shape::Word),
    read("utm_medium", Shape::Word),
    read("utm_campaign", Shape::Word),
    read("utm_term", Shape::Word),
    read("utm_content", Shape::Word),
    read("click ids", Shape::Word),
    read("click: e-mail", Shape::Word),
    read("click: telephone", Shape::Digits),
    read("click: signed address", Shape::Word),
    read("click: path within", Shape::Word),
    read("event name", Shape::Word),
    address("address: IPv4 in headers", Shape::V4),
    address("address: IPv6 in headers", Shape::V6),
    address("address: of the connection", Shape::Peer),
    unread("Cookie"),
    unread("User-Agent"),
    unread("Accept"),
    unread("Accept-Language"),
    unread("Authorization"),
    unread("If-None-Match"),
    unread("If-Modified-Since"),
    unread("client hints"),
    unread("Host"),
    unread("X-Forwarded-Host"),
    unread("X-Request-Id"),
    unread("traceparent"),
    unread("Via"),
    unread("From"),
    unread("Content-Type"),
    unread("another header"),
    unread("body: another field"),
    unread("body: title"),
    unread("body: nested field"),
    unread("body: key twice"),
    unread("pixel: another key"),
    unread("pixel: key twice"),
    unread("unknown site"),
    unread("unknown path"),
    unread("foreign Origin"),
    unread("log: user"),
];

/// The place of a channel in [`CHANNELS`].
pub fn index(name: &str) -> Option<usize> {
    CHANNELS.iter().position(|channel| channel.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<_> = CHANNELS.iter().map(|channel| channel.name).collect();
        assert_eq!(names.len(), CHANNELS.len());
        assert_eq!(index("Cookie").map(|at| CHANNELS[at].nature), Some(Nature::Unread));
    }
}
