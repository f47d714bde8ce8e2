//! The combined format of Apache and nginx, and the common format, which ends before `Referer`.
//!
//! What it is not: configurable. A log in another order is written as JSON lines.
//!
//! What surprises: the user's name may hold blanks, so the time is looked for, not counted to.
//! Apache writes the virtual host first where it is told to (`vhost_combined`).

use std::borrow::Cow;

use super::{Request, or_nothing, request_line, time};

/// Bytes of the time between its brackets.
const TIME_BYTES: usize = 26;

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Option<Request<'_>> {
    let at = memchr::memmem::find(line, b" [")?;
    let (before, rest) = line.split_at(at);
    let rest = rest.get(2..)?;
    let unix_seconds = time::of_apache(rest.get(..TIME_BYTES)?)?;
    let rest = rest.get(TIME_BYTES..)?.strip_prefix(b"] \"")?;
    let (asked, rest) = quoted(rest)?;
    let rest = rest.strip_prefix(b" ")?;
    let status = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
    let rest = rest.get(3..)?.strip_prefix(b" ")?;
    let (_size, rest) = rest.split_at(memchr::memchr(b' ', rest).unwrap_or(rest.len()));
    let (referrer, agent) = match rest.strip_prefix(b" \"") {
        Some(rest) => {
            let (referrer, rest) = quoted(rest)?;
            let (agent, _) = quoted(rest.strip_prefix(b" \"")?)?;
            (or_nothing(text(referrer)), Some(agent))
        }
        None => ("".into(), None),
    };
    // What is no request line (a TLS greeting on a plain port) has no method.
    let asked = text(asked);
    let (method, target) = request_line(&asked).unwrap_or_default();
    let (host, address) = who(before)?;
    let agent =
        agent.map(|agent| if agent == b"-" { Cow::Borrowed(&b""[..]) } else { plain(agent) });
    Some(Request {
        address: address.into(),
        unix_seconds,
        method,
        target,
        status,
        referrer,
        agent,
        host: host.map(Cow::Borrowed),
        refusal: None,
    })
}

/// The virtual host, if the line has one, and the address.
fn who(before: &[u8]) -> Option<(Option<&str>, &str)> {
    let before = std::str::from_utf8(before.get(..before.len().min(1_024))?)
        .or_else(|error| std::str::from_utf8(before.get(..error.valid_up_to()).unwrap_or(&[])))
        .ok()?;
    let mut words = before.split(' ');
    let first = words.next().filter(|word| !word.is_empty())?;
    match words.next() {
        Some(second) if !is_address(first) && is_address(second) => Some((Some(first), second)),
        _ => Some((None, first)),
    }
}

/// Whether a word has the letters of an address.
fn is_address(word: &str) -> bool {
    let is_v4 = |word: &str| word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_v6 = |word: &str| {
        word.matches(':').count() >= 2
            && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
    };
    !word.is_empty() && (is_v4(word) || is_v6(word))
}

/// What stands before the next quotation mark that is not escaped, and what comes after it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        from = at + 2;
    }
}

fn text(field: &[u8]) -> Cow<'_, str> {
    match plain(field) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
    }
}

/// Takes back the escapes of both servers: `\"`, `\\`, `\xHH` and C's letters.
fn plain(field: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', field).is_none() {
        return field.into();
    }
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let (meant, left) = if *byte == b'\\' { escape(after) } else { (*byte, after) };
        out.push(meant);
        rest = left;
    }
    out.into()
}

fn escape(after: &[u8]) -> (u8, &[u8]) {
    match after {
        [b'x', high, low, rest @ ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, rest),
            _ => (b'\\', after),
        },
        [b't', rest @ ..] => (b'\t', rest),
        [b'n', rest @ ..] => (b'\n', rest),
        [b'r', rest @ ..] => (b'\r', rest),
        [byte @ (b'"' | b'\\'), rest @ ..] => (*byte, rest),
        _ => (b'\\', after),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
