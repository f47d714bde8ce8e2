//! Requests as bytes, so that broken ones can be sent, too.
//!
//! What it is not: a browser, or a client for TLS: it speaks to the listener itself, behind the
//! proxy.
//!
//! What surprises: every request has a connection of its own, as a visitor's first has.

#![expect(clippy::disallowed_types, reason = "the address of the audit's own socket")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take: a commit, and a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// What came back, as it came.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) bytes: Vec<u8>,
}

impl Reply {
    /// The names of its headers, in lower case.
    pub(super) fn header_names(&self) -> Vec<String> {
        let head = self.head();
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    fn head(&self) -> String {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let head = self.bytes.get(..end.unwrap_or(self.bytes.len())).unwrap_or_default();
        String::from_utf8_lossy(head).into_owned()
    }
}

/// Sends a request and reads the whole answer; `None` if there is none.
pub(super) fn send(address: &str, request: &[u8]) -> Option<Reply> {
    read(&mut connected(address)?, request)
}

/// [`send`] from another address of this machine.
pub(super) fn send_from(from: &str, address: &str, request: &[u8]) -> Option<Reply> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).ok()?;
    let (from, to): (SocketAddr, SocketAddr) =
        (format!("{from}:0").parse().ok()?, address.parse().ok()?);
    socket.bind(&from.into()).ok()?;
    socket.connect_timeout(&to.into(), PATIENCE).ok()?;
    read(&mut limited(socket.into())?, request)
}

/// Sends bytes, and leaves without an answer. Whether they could be sent.
pub(super) fn leave(address: &str, request: &[u8]) -> bool {
    connected(address).is_some_and(|mut stream| stream.write_all(request).is_ok())
}

fn connected(address: &str) -> Option<TcpStream> {
    limited(TcpStream::connect(address).ok()?)
}

fn limited(stream: TcpStream) -> Option<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

fn read(stream: &mut TcpStream, request: &[u8]) -> Option<Reply> {
    // A listener that has heard enough answers, and closes.
    stream.write_all(request).ok();
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).ok();
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(64))?).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, bytes })
}

/// Whether a visitor of this machine can have another address there.
pub(super) fn is_loopback(address: &str) -> bool {
    address
        .parse::<SocketAddr>()
        .is_ok_and(|address| address.is_ipv4() && address.ip().is_loopback())
}

/// A request of lines, each header ending in CR LF.
pub(super) fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}
