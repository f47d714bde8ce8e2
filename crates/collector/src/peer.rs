//! The client's address: found, unwrapped, cut to /24 or /48, and gone.
//!
//! What it is not: a way to get an address out. `Address` has no method but `truncate`,
//! and what comes of it, [`Prefix`], can be asked for its country and hashed into a visitor mark,
//! and nothing else. Neither has `Debug`, `Display` or `Serialize`.
//!
//! What surprises: this is the one file of the workspace that may name an address (clippy refuses
//! the type elsewhere), and a connection keeps no full address either: the peer is cut, or found
//! to be a trusted proxy, in the moment it is accepted.

#![expect(clippy::disallowed_types, reason = "the one file where addresses may be named")]

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use ipnet::IpNet;
use thiserror::Error;

use crate::country::{Countries, CountryCode, Octets};

/// Entries of a forwarding header that are looked at; a longer chain tells nothing credible.
const FORWARDED_ENTRIES_MAX: usize = 16;
/// Leading bits kept of an IPv4 address.
const V4_PREFIX_BYTES: usize = 3;
/// Leading bytes kept of an IPv6 address.
const V6_PREFIX_BYTES: usize = 6;

/// Addresses of a network that are tried for one that is no proxy's.
const HOSTS_TRIED: usize = 256;

/// A whole address, for as long as one expression lasts.
struct Address(IpAddr);

/// The network an address lies in: /24 or /48.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Prefix(Octets);

/// Who holds the other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer {
    from: From,
    loopback: bool,
    /// Whether the address itself lies in a network that may ask.
    admitted: bool,
}

#[derive(Clone, Copy)]
enum From {
    /// A proxy of ours: the visitor is named in its header.
    TrustedProxy,
    /// A visitor, already cut.
    Visitor(Prefix),
}

/// Where a visitor's address is read from, and who may ask on the other sides.
#[derive(Clone, Default)]
pub struct AddressSource {
    trusted: Vec<IpNet>,
    header: Option<HeaderName>,
    admitted: Vec<IpNet>,
}

/// Who asks for what is not a visitor's: whether from a network that may, and which it is.
#[derive(Clone, Copy)]
pub struct Asker {
    admitted: bool,
    network: Option<Prefix>,
}

impl Asker {
    /// Whether the one who asks comes from a network that may.
    pub fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// A number for the network, which tells nothing to who does not have `state`.
    pub fn number(&self, state: &RandomState) -> u64 {
        state.hash_one(self.network.map(|network| network.hash_input()))
    }
}

/// Why an [`AddressSource`] cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressSourceError {
    /// Not a network in CIDR form.
    #[error("`{0}` is not a network; write it as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32")]
    Network(String),
    /// Not the name of a header.
    #[error("`{0}` is not a header name; the usual one is X-Forwarded-For")]
    Header(String),
}

impl AddressSource {
    /// Reads the configured networks of proxies and the header they write.
    ///
    /// # Errors
    /// [`AddressSourceError`], naming the entry that is wrong.
    pub fn new(trusted: &[String], header: Option<&str>) -> Result<Self, AddressSourceError> {
        let trusted = parsed(trusted)?;
        let header = header
            .map(|name| name.parse().map_err(|_| AddressSourceError::Header(name.to_owned())))
            .transpose()?;
        Ok(Self { trusted, header, admitted: Vec::new() })
    }

    /// Lets only these networks ask for what is not a visitor's; none: all may.
    ///
    /// # Errors
    /// [`AddressSourceError::Network`], naming the entry that is wrong.
    pub fn admitting(mut self, networks: &[String]) -> Result<Self, AddressSourceError> {
        self.admitted = parsed(networks)?;
        Ok(self)
    }

    /// Whether everybody may ask for what is not a visitor's: no network is listed, or all are.
    pub fn admits_all(&self) -> bool {
        self.admitted.is_empty() || self.admitted.iter().any(|network| network.prefix_len() == 0)
    }

    /// Who asks. Behind a proxy of ours that is who its header names; if it names nobody, it is
    /// nobody who may ask, unless all may. Where there are no proxies of ours and the header is there
    /// nevertheless, who asks is unknown, and may not.
    pub fn asker(&self, peer: Peer, headers: &HeaderMap) -> Asker {
        match peer.from {
            From::Visitor(network) => {
                let is_header_there =
                    self.header.as_ref().is_some_and(|it| headers.contains_key(it));
                let admitted = peer.admitted && (self.has_proxies() || !is_header_there);
                Asker { admitted, network: Some(network) }
            }
            From::TrustedProxy => {
                let named = self.named(headers);
                let admitted =
                    named.as_ref().map_or(self.admitted.is_empty(), |named| self.admits(named));
                Asker { admitted, network: named.map(Address::truncate) }
            }
        }
    }

    fn admits(&self, address: &Address) -> bool {
        let holds = |network: &IpNet| network.contains(&address.0);
        self.admitted.is_empty() || self.admitted.iter().any(holds)
    }

    /// The header by which proxies of ours name who asks.
    pub fn header_name(&self) -> Option<&str> {
        self.header.as_ref().map(HeaderName::as_str)
    }

    /// What that header says of somebody who may ask: an address of a listed network that is no proxy
    /// of ours. For who tries a listener as a proxy would; `None` where no network is listed, no header
    /// is read, or no such address is near.
    pub fn admitted_value(&self) -> Option<String> {
        let name = self.header.as_ref()?;
        let mut near = self.admitted.iter().flat_map(|network| network.hosts().take(HOSTS_TRIED));
        let address = near.find(|address| !self.trusts(&Address(*address)))?;
        Some(match (name.as_str(), address) {
            ("forwarded", IpAddr::V6(address)) => format!("for=\"[{address}]\""),
            ("forwarded", address) => format!("for={address}"),
            (_, address) => address.to_string(),
        })
    }

    /// Whether visitors come through proxies of ours.
    pub fn has_proxies(&self) -> bool {
        !self.trusted.is_empty()
    }

    /// Judges the other end of a new connection and forgets its address.
    pub fn peer(&self, remote: SocketAddr) -> Peer {
        let address = Address(remote.ip().to_canonical());
        let (loopback, admitted) = (address.0.is_loopback(), self.admits(&address));
        let from = if self.trusts(&address) {
            From::TrustedProxy
        } else {
            From::Visitor(address.truncate())
        };
        Peer { from, loopback, admitted }
    }

    /// The visitor's network, or `None` where a trusted proxy tells no address.
    pub(crate) fn prefix(&self, peer: Peer, headers: &HeaderMap) -> Option<Prefix> {
        match peer.from {
            From::Visitor(prefix) => Some(prefix),
            From::TrustedProxy => self.named(headers).map(Address::truncate),
        }
    }

    /// Whom the proxies' header names.
    fn named(&self, headers: &HeaderMap) -> Option<Address> {
        let name = self.header.as_ref()?;
        let lines: Vec<&str> =
            headers.get_all(name).iter().map(|v| v.to_str().unwrap_or("")).collect();
        self.forwarded(&lines, name.as_str() == "forwarded")
    }

    /// The network of an address in a log; `None` for a proxy of ours, and for what is no address.
    pub(crate) fn logged(&self, text: &str) -> Option<Prefix> {
        let address = Address::parse(text)?;
        (!self.trusts(&address)).then(|| address.truncate())
    }

    /// The right-most entry that is not one of our proxies.
    fn forwarded(&self, lines: &[&str], is_rfc7239: bool) -> Option<Address> {
        let mut left = FORWARDED_ENTRIES_MAX;
        for line in lines.iter().rev() {
            let entries =
                if is_rfc7239 { unquoted(line, b',')? } else { line.split(',').collect() };
            for entry in entries.into_iter().rev() {
                left = left.checked_sub(1)?;
                let text = if is_rfc7239 { forwarded_for(entry)? } else { entry };
                let address = Address::parse(text)?;
                if !self.trusts(&address) {
                    return Some(address);
                }
            }
        }
        None
    }

    fn trusts(&self, address: &Address) -> bool {
        self.trusted.iter().any(|network| network.contains(&address.0))
    }
}

impl Peer {
    /// Whether this end may ask for what is not a visitor's, or is a proxy of ours, whose header then
    /// says who does.
    pub fn may_ask(self) -> bool {
        self.admitted || matches!(self.from, From::TrustedProxy)
    }

    /// Whether the other end is this machine: a proxy beside us, or a person trying it out.
    pub(crate) fn is_loopback(self) -> bool {
        self.loopback
    }

    /// The visitor's network, unless the other end is a proxy that carries many.
    pub(crate) fn direct(self) -> Option<Prefix> {
        match self.from {
            From::Visitor(prefix) => Some(prefix),
            From::TrustedProxy => None,
        }
    }
}

impl Address {
    /// Reads an address as proxies write it: brackets, quotes, port and zone are dropped.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('"').trim();
        let host = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?.0,
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => host,
                _ => text,
            },
        };
        let host = host.split_once('%').map_or(host, |(address, _zone)| address);
        host.parse::<IpAddr>().ok().map(|ip| Self(ip.to_canonical()))
    }

    /// Cuts to /24 or /48, after unwrapping an IPv4 address that travels inside an IPv6 one.
    fn truncate(self) -> Prefix {
        match self.unwrapped() {
            IpAddr::V4(v4) => {
                let mut octets = v4.octets();
                octets.iter_mut().skip(V4_PREFIX_BYTES).for_each(|octet| *octet = 0);
                Prefix(Octets::V4(octets))
            }
            IpAddr::V6(v6) => {
                let mut octets = v6.octets();
                octets.iter_mut().skip(V6_PREFIX_BYTES).for_each(|octet| *octet = 0);
                Prefix(Octets::V6(octets))
            }
        }
    }

    /// IPv4-mapped (RFC 4291), 6to4 (RFC 3056) and NAT64 (RFC 6052) addresses hold an IPv4
    /// address; cut at /48, the first would keep none of it and the second all of it.
    fn unwrapped(&self) -> IpAddr {
        let IpAddr::V6(v6) = self.0 else { return self.0 };
        match v6.octets() {
            [0x20, 0x02, a, b, c, d, ..]
            | [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            _ => v6.to_canonical(),
        }
    }
}

impl Prefix {
    /// The country of the network.
    pub(crate) fn country(&self, countries: &Countries) -> CountryCode {
        countries.lookup(self.0)
    }

    /// What a keyed hash takes of it: nothing else may.
    pub(crate) fn hash_input(&self) -> [u8; V6_PREFIX_BYTES + 1] {
        match self.0 {
            Octets::V4([a, b, c, _]) => [4, a, b, c, 0, 0, 0],
            Octets::V6([a, b, c, d, e, f, ..]) => [6, a, b, c, d, e, f],
        }
    }

    /// For `headcount explain` alone: the text of a network that the asker typed.
    fn explained(self) -> String {
        match self.0 {
            Octets::V4(octets) => format!("{}/24", Ipv4Addr::from(octets)),
            Octets::V6(octets) => format!("{}/48", Ipv6Addr::from(octets)),
        }
    }
}

/// What would be kept of an address: `headcount explain ip`.
pub fn explain_ip(text: &str) -> String {
    Address::parse(text).map_or_else(|| "(none)".to_owned(), |a| a.truncate().explained())
}

/// What would be kept of a request's addresses: `headcount explain client`, in the form
/// `peer=127.0.0.1 | trusted=127.0.0.0/8 | xff=198.51.100.200` (`forwarded=` likewise).
pub fn explain_client(text: &str) -> String {
    let none = || "(none)".to_owned();
    let mut peer = None;
    let mut trusted = Vec::new();
    let mut header = None;
    for part in text.split(" | ") {
        match part.trim().split_once('=') {
            Some(("peer", value)) => peer = Address::parse(value),
            Some(("trusted", value)) => {
                trusted.extend(value.split([',', ' ']).filter_map(network));
            }
            Some(("xff" | "x-forwarded-for", value)) => header = Some((value, false)),
            Some(("forwarded", value)) => header = Some((value, true)),
            _ => {}
        }
    }
    let source = AddressSource { trusted, ..AddressSource::default() };
    let Some(peer) = peer else { return none() };
    if !source.trusts(&peer) {
        return peer.truncate().explained();
    }
    header
        .and_then(|(line, is_rfc7239)| source.forwarded(&[line], is_rfc7239))
        .map_or_else(none, |address| address.truncate().explained())
}

fn parsed(networks: &[String]) -> Result<Vec<IpNet>, AddressSourceError> {
    let parse =
        |text: &String| network(text).ok_or_else(|| AddressSourceError::Network(text.clone()));
    networks.iter().map(parse).collect()
}

/// A network in CIDR form, or a single address.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The `for=` of one element of RFC 7239's header. One with two of them names nobody: proxies write
/// one, so somebody else wrote the other.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut named = unquoted(element, b';')?.into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    });
    let value = named.next()?;
    named.next().is_none().then_some(value)
}

/// What lies between separators that stand outside of quotes, in which a backslash takes its meaning
/// from the next character; `None` if a quote has no end. What a visitor sends as `Host` stands in
/// quotes here.
fn unquoted(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if byte == separator && !is_quoted => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: &str) {
        assert_eq!(explain_ip(input), expect, "{input}");
    }

    #[test]
    fn cuts_and_unwraps() {
        check("198.51.100.200", "198.51.100.0/24");
        check("198.51.100.200:4711", "198.51.100.0/24");
        check("::ffff:198.51.100.200", "198.51.100.0/24");
        check("2002:c633:64c8::", "198.51.100.0/24");
        check("64:ff9b::198.51.100.200", "198.51.100.0/24");
        check("64:ff9b:1::198.51.100.200", "64:ff9b:1::/48");
        check("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48");
        check("[2001:db8:aaaa:bbbb::1]:443", "2001:db8:aaaa::/48");
        check("\"[2001:db8:aaaa:bbbb::1]\"", "2001:db8:aaaa::/48");
        check("fe80::1%eth0", "fe80::/48");
        check("unknown", "(none)");
        check("", "(none)");
        check("198.51.100.300", "(none)");
    }

    #[test]
    fn believes_headers_of_trusted_peers_only() {
        let check = |input, expect: &str| assert_eq!(explain_client(input), expect, "{input}");
        check("peer=127.0.0.1 | trusted=127.0.0.0/8 | xff=198.51.100.200", "198.51.100.0/24");
        check("peer=203.0.113.9 | trusted=127.0.0.0/8 | xff=198.51.100.200", "203.0.113.0/24");
        check("peer=127.0.0.1 | xff=198.51.100.200", "127.0.0.0/24");
        check(
            "peer=10.0.0.1 | trusted=10.0.0.0/8 | xff=192.0.2.1, 198.51.100.7, 10.0.0.2",
            "198.51.100.0/24",
        );
        check("peer=10.0.0.1 | trusted=10.0.0.0/8 | xff=198.51.100.7, rubbish", "(none)");
        check("peer=10.0.0.1 | trusted=10.0.0.0/8 | xff=10.0.0.3", "(none)");
        check("peer=10.0.0.1 | trusted=10.0.0.0/8", "(none)");
        check(
            "peer=::ffff:10.0.0.1 | trusted=10.0.0.0/8 | forwarded=for=\"[2001:db8:1::7]:99\";proto=https",
            "2001:db8:1::/48",
        );
        check("peer=10.0.0.1 | trusted=10.0.0.0/8 | forwarded=for=_hidden", "(none)");
        check("rubbish", "(none)");
    }

    #[test]
    fn what_stands_in_quotes_of_forwarded_names_nobody() {
        for (line, expect) in [
            ("proto=http;host=\"x;for=192.0.2.9\";for=203.0.113.5", "203.0.113.0/24"),
            ("proto=http;host=\"x,for=192.0.2.9\";for=203.0.113.5", "203.0.113.0/24"),
            ("for=203.0.113.5;host=\"x,for=192.0.2.9\"", "203.0.113.0/24"),
            ("for=203.0.113.5;host=\"x, for=192.0.2.9;y=\"", "203.0.113.0/24"),
            ("for=203.0.113.5;host=\"x\\\",for=192.0.2.9\"", "203.0.113.0/24"),
            ("for=203.0.113.5;host=\"x\\\\\",for=192.0.2.9", "192.0.2.0/24"),
            ("for=192.0.2.9, for=\"203.0.113.5:80\"", "203.0.113.0/24"),
            ("FOR=203.0.113.5 ; by=\"10.0.0.3\"", "203.0.113.0/24"),
            // Two of them, or a quote without an end: nobody.
            ("for=192.0.2.9;for=203.0.113.5", "(none)"),
            ("for=\"192.0.2.9\";host=x;For=203.0.113.5", "(none)"),
            ("for=203.0.113.5;host=\"x", "(none)"),
            ("host=\"x\\\";for=203.0.113.5", "(none)"),
            ("for=\"x, for=203.0.113.5", "(none)"),
            ("host=\"for=192.0.2.9\"", "(none)"),
        ] {
            let client = format!("peer=10.0.0.1 | trusted=10.0.0.0/8 | forwarded={line}");
            assert_eq!(explain_client(&client), expect, "{line}");
        }
    }

    #[test]
    fn a_line_of_a_header_ends_where_it_ends() {
        let source = AddressSource::new(&["10.0.0.0/8".into()], Some("Forwarded")).unwrap();
        let peer = source.peer("10.0.0.1:1".parse().unwrap());
        for (lines, expect) in [
            (["for=\"x", "for=203.0.113.5;host=\"y\""], Some("203.0.113.0/24")),
            (["for=192.0.2.9", "for=203.0.113.5"], Some("203.0.113.0/24")),
            (["for=203.0.113.5", "for=10.0.0.2"], Some("203.0.113.0/24")),
            (["for=\"x", "for=10.0.0.2"], None),
            (["for=192.0.2.9", "for=\"x"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("forwarded", line.parse().unwrap());
            }
            let found = source.prefix(peer, &headers).map(Prefix::explained);
            assert_eq!(found.as_deref(), expect, "{lines:?}");
        }
    }

    #[test]
    fn only_admitted_networks_may_ask() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let source = |networks: &str| {
            let of_proxies =
                AddressSource::new(&list("10.0.0.1 10.0.0.2"), Some("x-forwarded-for")).unwrap();
            of_proxies.admitting(&list(networks)).unwrap()
        };
        let asks = |networks: &str, remote: &str, header: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(line) = header {
                headers.insert("x-forwarded-for", line.parse().unwrap());
            }
            let source = source(networks);
            source.asker(source.peer(remote.parse().unwrap()), &headers).is_admitted()
        };
        let some = "192.0.2.0/24 2001:db8::/32 127.0.0.2";
        assert!(!source(some).admits_all() && source("192.0.2.0/24 ::/0").admits_all());
        assert!(AddressSource::default().admits_all());
        for (remote, header, expect) in [
            ("192.0.2.9:1", None, true),
            ("192.0.3.9:1", None, false),
            ("127.0.0.2:1", None, true),
            ("127.0.0.1:1", None, false),
            ("[::ffff:192.0.2.9]:1", None, true),
            ("[2001:db8:7::1]:1", None, true),
            ("[2001:db9::1]:1", None, false),
            // A header of who is no proxy says nothing.
            ("192.0.3.9:1", Some("192.0.2.9"), false),
            ("192.0.2.9:1", Some("192.0.3.9"), true),
            // A proxy's is believed, from the right.
            ("10.0.0.1:1", Some("192.0.2.9"), true),
            ("10.0.0.1:1", Some("192.0.2.9, 10.0.0.2"), true),
            ("10.0.0.1:1", Some("192.0.2.9, 192.0.3.9"), false),
            ("10.0.0.1:1", Some("rubbish"), false),
            ("10.0.0.1:1", None, false),
        ] {
            assert_eq!(asks(some, remote, header), expect, "{remote} {header:?}");
            let open = AddressSource::default().admitting(&[]).unwrap();
            assert!(
                open.asker(open.peer(remote.parse().unwrap()), &HeaderMap::new()).is_admitted()
            );
        }
        assert!(AddressSource::default().admitting(&["x".to_owned()]).is_err());
    }

    #[test]
    fn an_admitted_value_is_admitted() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (trusted, admitted, name, expect) in [
            ("127.0.0.1", "192.0.2.0/24", "x-forwarded-for", Some("192.0.2.1")),
            ("127.0.0.1", "127.0.0.1 2001:db8::7", "x-forwarded-for", Some("2001:db8::7")),
            ("127.0.0.1", "2001:db8::7", "forwarded", Some("for=\"[2001:db8::7]\"")),
            ("127.0.0.1", "192.0.2.7", "forwarded", Some("for=192.0.2.7")),
            ("127.0.0.1", "0.0.0.0/0", "x-real-ip", Some("0.0.0.1")),
            ("10.0.0.0/29", "10.0.0.0/24", "x-real-ip", Some("10.0.0.8")),
            ("127.0.0.0/8", "127.0.0.1", "x-forwarded-for", None),
            ("127.0.0.1", "", "x-forwarded-for", None),
        ] {
            let source = AddressSource::new(&list(trusted), Some(name)).unwrap();
            let source = source.admitting(&list(admitted)).unwrap();
            let value = source.admitted_value();
            assert_eq!(value.as_deref(), expect, "{admitted}");
            let peer = source.peer(
                trusted
                    .replace("/29", "")
                    .replace("/8", "")
                    .parse::<IpAddr>()
                    .map(|address| SocketAddr::new(address, 1))
                    .unwrap(),
            );
            if let Some(value) = value {
                let mut headers = HeaderMap::new();
                headers.insert(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
                assert!(source.asker(peer, &headers).is_admitted(), "{value}");
            }
        }
        assert_eq!(AddressSource::default().admitted_value(), None);
    }

    #[test]
    fn where_no_proxy_is_expected_who_comes_through_one_may_not_ask() {
        for networks in [&[][..], &["192.0.2.9".to_owned()]] {
            let source = AddressSource::new(&[], Some("X-Forwarded-For")).unwrap();
            let source = source.admitting(networks).unwrap();
            let peer = source.peer("192.0.2.9:1".parse().unwrap());
            let mut headers = HeaderMap::new();
            assert!(source.asker(peer, &headers).is_admitted());
            headers.insert("x-forwarded-for", "".parse().unwrap());
            assert!(!source.asker(peer, &headers).is_admitted());
        }
    }

    #[test]
    fn askers_of_one_network_have_one_number() {
        let (source, state) = (AddressSource::default(), RandomState::new());
        let number = |remote: &str, state| {
            source.asker(source.peer(remote.parse().unwrap()), &HeaderMap::new()).number(state)
        };
        assert_eq!(number("192.0.2.9:1", &state), number("192.0.2.200:2", &state));
        assert_ne!(number("192.0.2.9:1", &state), number("192.0.3.9:1", &state));
        assert_ne!(number("192.0.2.9:1", &state), number("192.0.2.9:1", &RandomState::new()));
    }

    proptest! {
        #[test]
        fn an_untrusted_peer_makes_the_header_mean_nothing(line in ".{0,80}") {
            let source = AddressSource::new(&["10.0.0.0/8".into()], Some("x-forwarded-for")).unwrap();
            let peer = source.peer("203.0.113.9:1".parse().unwrap());
            let mut headers = HeaderMap::new();
            if let Ok(value) = line.parse() {
                headers.insert("x-forwarded-for", value);
            }
            prop_assert_eq!(source.prefix(peer, &headers).unwrap().explained(), "203.0.113.0/24");
        }

        #[test]
        fn nothing_below_the_prefix_survives(a: u8, b: u8, c: u8, d: u8, e: u8) {
            let cut = |last| Address(IpAddr::from([a, b, c, last])).truncate().hash_input();
            prop_assert_eq!(cut(d), cut(e));
        }

        #[test]
        fn any_text_gets_an_answer(text in "\\PC{0,60}") {
            prop_assert!(!explain_ip(&text).is_empty());
            prop_assert!(!explain_client(&text).is_empty());
        }
    }
}
