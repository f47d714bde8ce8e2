//! Network and hardware addresses inside a segment: S7 (policy, part C).
//!
//! What it is not: the place where a visitor's address is read; that is the collector's `peer`.
//! Nothing here keeps an address, it only answers whether there is one.
//!
//! What surprises: an IPv6 address is looked for in sequences of letters, digits and colons. A
//! label in front (`host:2001:db8::1`) is passed over, a word that runs into the colons is not an
//! address (`std::vec`). Six or more hexadecimal pairs are a MAC address.

use std::net::Ipv6Addr;

use super::text::{Run, digit_runs, maximal, runs};

/// Hexadecimal pairs of a MAC address.
pub(super) const MAC_PAIRS: usize = 6;
/// Parts of an IPv4 address.
const IPV4_PARTS: usize = 4;
/// Colons of an IPv6 address that leaves nothing out.
const IPV6_COLONS: usize = 7;

/// Whether the text holds an IPv4, IPv6 or MAC address.
pub(super) fn is_address(text: &[u8]) -> bool {
    has_ipv4(text) || has_ipv6(text) || has_mac(text)
}

fn has_ipv4(text: &[u8]) -> bool {
    if text.iter().filter(|byte| **byte == b'.').count() < IPV4_PARTS - 1 {
        return false;
    }
    let parts: Vec<_> = digit_runs(text).collect();
    parts.windows(IPV4_PARTS).any(|window| is_ipv4(text, window))
}

fn is_ipv4(text: &[u8], parts: &[Run<'_>]) -> bool {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    let byte = |run: &Run<'_>| {
        std::str::from_utf8(run.bytes)
            .is_ok_and(|digits| digits.len() <= 3 && digits.parse::<u8>().is_ok())
    };
    let dotted = parts.windows(2).all(|pair| match pair {
        [a, b] => text.get(a.range().end..b.start) == Some(b"."),
        _ => false,
    });
    let before = text.get(..first.start).and_then(<[u8]>::last);
    let after = text.get(last.range().end..).unwrap_or_default();
    let free_before = !before.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.');
    let free_after = match after {
        [b'.', digit, ..] => !digit.is_ascii_digit(),
        [next, ..] => !next.is_ascii_alphanumeric(),
        [] => true,
    };
    dotted && free_before && free_after && parts.iter().all(byte)
}

fn has_ipv6(text: &[u8]) -> bool {
    text.contains(&b':')
        && maximal(text, |byte| byte.is_ascii_alphanumeric() || *byte == b':')
            .filter_map(|sequence| std::str::from_utf8(sequence.bytes).ok())
            .any(|sequence| is_ipv6(without_labels(sequence)))
}

/// The sequence after leading labels (`host:`) and without one colon at either end.
fn without_labels(mut sequence: &str) -> &str {
    while let Some((label, rest)) = sequence.split_once(':')
        && !label.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        sequence = rest;
    }
    if !sequence.starts_with("::") {
        sequence = sequence.strip_prefix(':').unwrap_or(sequence);
    }
    if !sequence.ends_with("::") {
        sequence = sequence.strip_suffix(':').unwrap_or(sequence);
    }
    sequence
}

fn is_ipv6(text: &str) -> bool {
    let whole = text.contains("::") || text.matches(':').count() == IPV6_COLONS;
    whole && text.parse::<Ipv6Addr>().is_ok()
}

fn has_mac(text: &[u8]) -> bool {
    let mut pairs = 0;
    let mut end = 0;
    for run in runs(text) {
        let joined = matches!(text.get(end..run.start), Some([b'-' | b':']));
        let pair = run.len() == 2 && run.is_hex();
        pairs = usize::from(pair) * (1 + usize::from(joined) * pairs);
        end = run.range().end;
        if pairs == MAC_PAIRS {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_addresses() {
        for text in [
            "198.51.100.7",
            "x-198.51.100.7",
            "198.51.100.7.",
            "198.51.100.7.x",
            "_198.51.100.7_",
            "::ffff:198.51.100.7",
            "2001:db8::1",
            "[2001:db8::1]:80",
            "host:2001:db8::1",
            "::1",
            "fe80::1%eth0",
            "1:2:3:4:5:6:7:8",
            "x 2001:DB8::abcd:",
            "00:1a:2B:3c:4d:5e",
            "aa-bb-cc-dd-ee-ff",
            "x-aa-bb-cc-dd-ee-ff-00",
            "007.1.2.3",
        ] {
            assert!(is_address(text.as_bytes()), "{text}");
        }
        for text in [
            "198.51.100",
            "198.51.100.256",
            "v198.51.100.7",
            ".198.51.100.7",
            "198.51.100.7a",
            "198.51.100.7.8",
            "1.198.51.100.7",
            "0198.51.100.7",
            "1:2:3:4",
            "std::vec",
            "std::dec",
            "12:30",
            "a:b",
            "1:2:3:4:5:6:7:8:9",
            "1::2::3",
            "aa-bb-cc-dd-ee",
            "aa-bb-cc-dd-ee-fg",
            "xaa-bb-cc-dd-ee-ff",
            "aa-bb-cc--dd-ee-ff",
            "",
            ":",
            ":id",
            "x::id",
        ] {
            assert!(!is_address(text.as_bytes()), "{text}");
        }
    }
}
