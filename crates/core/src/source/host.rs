//! The host of a URL's authority, as browsers read it, and its registrable domain.
//!
//! What it is not: a resolver. A host is a name or an address literal; nothing looks it up.
//!
//! What surprises: a name whose last label is a number is an address to a browser
//! (`2130706433`, `0x7f.1`), and to us whatever its value. A name that mixes both (`a.1`) is none.

use std::borrow::Cow;

use idna::AsciiDenyList;
use percent_encoding::percent_decode_str;
use psl::{Info, List, Psl, Type};

use crate::site::HOST_BYTES_MAX;

/// Longest label of a host name (RFC 1035, section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Longest name that is read at all: a host name in which every character is percent-encoded.
const RAW_NAME_BYTES_MAX: usize = 9 * HOST_BYTES_MAX;
/// Ends of names that exist in one network only.
const PRIVATE_ENDS: [&str; 9] =
    ["local", "localhost", "internal", "lan", "home", "corp", "intranet", "test", "home.arpa"];

/// A host in lower case, without user info, port and trailing dot.
#[derive(PartialEq, Eq)]
pub(super) enum Host {
    /// An address literal.
    Address(String),
    /// A name in its ASCII form.
    Name(String),
}

impl Host {
    /// The host of an authority (`user@host:port`); `None` if a browser would have none.
    pub(super) fn of_authority(authority: &str) -> Option<Self> {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.starts_with('[') {
            let (literal, _) = host.split_once(']')?;
            let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'[' | b':' | b'.' | b'%');
            let valid = literal.contains(':') && literal.bytes().all(inner);
            return valid.then(|| Self::Address(literal.to_ascii_lowercase() + "]"));
        }
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        Self::of_name(name)
    }

    fn of_name(name: &str) -> Option<Self> {
        if name.len() > RAW_NAME_BYTES_MAX {
            return None;
        }
        let decoded: Cow<'_, [u8]> = percent_decode_str(name).into();
        let ascii = idna::domain_to_ascii_cow(&decoded, AsciiDenyList::URL).ok()?;
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        if name.len() > HOST_BYTES_MAX || !name.split('.').all(is_label) {
            return None;
        }
        if !name.rsplit('.').next().is_some_and(is_number) {
            return Some(Self::Name(name.to_owned()));
        }
        name.split('.').all(is_number).then(|| Self::Address(name.to_owned()))
    }

    /// The host as text.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Address(text) | Self::Name(text) => text,
        }
    }
}

fn is_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(inner)
}

/// Whether a browser reads the label as a part of an address: decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Whether the name has no dot or a private end.
pub(super) fn is_private(name: &str) -> bool {
    let ends = |end: &str| {
        name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    !name.contains('.') || PRIVATE_ENDS.iter().any(|end| ends(end))
}

/// The registrable domain by the ICANN section; `None` for a public suffix.
pub(super) fn registrable(name: &str) -> Option<&str> {
    let subdomain_end = name.len().checked_sub(icann_suffix_bytes(name) + 1)?;
    let subdomain = name.get(..subdomain_end)?;
    let start = subdomain.rfind('.').map_or(0, |dot| dot + 1);
    name.get(start..)
}

/// Bytes of the longest suffix that a rule of the ICANN section, or the rule for unknown ends,
/// names. The list answers with its longest rule; where that is a private one, the ICANN rule is
/// found by asking for ever more labels from the right.
fn icann_suffix_bytes(name: &str) -> usize {
    let longest = suffix(name, usize::MAX);
    if longest.typ != Some(Type::Private) {
        return longest.len;
    }
    let icann = (1..name.split('.').count())
        .map(|labels| suffix(name, labels))
        .filter(|info| info.typ == Some(Type::Icann));
    icann.map(|info| info.len).max().unwrap_or_else(|| suffix(name, 1).len)
}

/// What the list says of the last labels of a name. The only call: the list is one huge function,
/// and each kind of iterator would compile it anew.
fn suffix(name: &str, labels: usize) -> Info {
    List.find(name.as_bytes().rsplit(|byte| *byte == b'.').take(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrable_by_the_icann_section() {
        for (name, domain) in [
            ("example.com", Some("example.com")),
            ("a.b.example.com", Some("example.com")),
            ("com", None),
            ("anna.blogspot.com", Some("blogspot.com")),
            ("blogspot.com", Some("blogspot.com")),
            ("a.b.co.uk", Some("b.co.uk")),
            ("co.uk", None),
            ("eva.github.io", Some("github.io")),
            ("bucket.s3.amazonaws.com", Some("amazonaws.com")),
            ("s3.amazonaws.com", Some("amazonaws.com")),
            ("x.compute.amazonaws.com.cn", Some("amazonaws.com.cn")),
            ("a.b.c.ck", Some("b.c.ck")),
            ("c.ck", None),
            ("www.ck", Some("www.ck")),
            ("a.www.ck", Some("www.ck")),
            ("a.city.kawasaki.jp", Some("city.kawasaki.jp")),
            ("a.b.kawasaki.jp", Some("a.b.kawasaki.jp")),
            ("a.blogspot.co.uk", Some("blogspot.co.uk")),
            ("a.b.unknown-end", Some("b.unknown-end")),
            ("a.xn--j1amh", Some("a.xn--j1amh")),
            ("b.a.xn--55qx5d.cn", Some("a.xn--55qx5d.cn")),
        ] {
            assert_eq!(registrable(name), domain, "{name}");
        }
    }

    #[test]
    fn hosts_as_browsers_read_them() {
        let host = |text: &str| {
            Host::of_authority(text).map(|host| match host {
                Host::Address(text) => format!("address {text}"),
                Host::Name(text) => text,
            })
        };
        for (authority, expect) in [
            ("Example.COM", Some("example.com")),
            ("u:p@x@example.com:80", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("ex%61mple.com", Some("example.com")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("b%C3%BCcher.example", Some("xn--bcher-kva.example")),
            ("１.2.3.4", Some("address 1.2.3.4")),
            ("2130706433", Some("address 2130706433")),
            ("0x7F.1", Some("address 0x7f.1")),
            ("[2001:DB8::1]:80", Some("address [2001:db8::1]")),
            ("[v1", None),
            ("[v1]", None),
            ("a.1", None),
            ("a..b", None),
            ("example.com..", None),
            ("", None),
            ("u@", None),
            ("a b.com", None),
            ("a%20b.com", None),
            ("a=b.com", None),
            ("a%2Fb.com", None),
            ("%ff.com", None),
            ("a_b.com", Some("a_b.com")),
        ] {
            assert_eq!(host(authority).as_deref(), expect, "{authority}");
        }
    }

    #[test]
    fn long_hosts_are_none() {
        let label = "a".repeat(63);
        let host = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(Host::of_authority(&host).is_some());
        for long in [format!("{host}a"), format!("{label}a.com"), "ä".repeat(2_000)] {
            assert!(Host::of_authority(&long).is_none());
        }
    }

    #[test]
    fn private_names() {
        for name in
            ["nas", "nas.lan", "a.b.home.arpa", "home.arpa", "x.localhost", "x.test", "a.corp"]
        {
            assert!(is_private(name), "{name}");
        }
        for name in ["alan.se", "x.home.arpa.se", "latest.com", "a.arpa"] {
            assert!(!is_private(name), "{name}");
        }
    }
}
