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
    /// All of it came, not only its beginning.
    pub(super) is_whole: bool,
}

impl Reply {
    /// The names of its headers, in lower case.
    pub(super) fn header_names(&self) -> Vec<String> {
        let head = self.head();
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    fn head(&self) -> String {
        let head = self.bytes.get(..self.head_bytes()).unwrap_or_default();
        String::from_utf8_lossy(head).into_owned()
    }

    fn head_bytes(&self) -> usize {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        end.unwrap_or(self.bytes.len())
    }

    /// Whether as much came as the head says; `None` if it does not.
    fn has_its_length(&self) -> Option<bool> {
        let head = self.head();
        let header = |wanted: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim())
        };
        if header("transfer-encoding").is_some() {
            return Some(self.bytes.ends_with(b"\r\n0\r\n\r\n"));
        }
        let length = header("content-length")?.parse().unwrap_or(usize::MAX);
        Some(self.bytes.len().saturating_sub(self.head_bytes() + 4) >= length)
    }

    /// Whether it is as long as an answer may be: there was more.
    fn is_cut(&self) -> bool {
        self.bytes.len() as u64 >= ANSWER_BYTES_MAX
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
    let ended = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).is_ok();
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(64))?).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut reply = Reply { status, bytes, is_whole: false };
    reply.is_whole = reply.has_its_length().unwrap_or(ended && !reply.is_cut());
    Some(reply)
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

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};

    use super::*;

    fn answered(answer: &'static [u8]) -> Option<Reply> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(answer).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // Until the other side has read it: a close would take the answer back.
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let reply = send(&address, b"x");
        server.join().unwrap();
        reply
    }

    #[test]
    fn an_answer_that_breaks_off_is_not_whole() {
        let whole = |answer| answered(answer).unwrap().is_whole;
        assert!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"));
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\nabc"));
        assert!(whole(b"HTTP/1.1 204 No Content\r\n\r\n"));
        assert!(!whole(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc"));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert!(whole(chunked) && !whole(&chunked[..chunked.len() - 5]));
        assert!(answered(b"").is_none());
    }
}
