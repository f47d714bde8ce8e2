//! Just enough of HTTP/1.1 to know that an answer is whole.
//!
//! What it is not: a parser. The servers measured are our own choice and speak `Content-Length`.
//!
//! What surprises: 204 has no length at all, and none is needed.

/// An answer that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header and body.
    pub(crate) bytes: usize,
    /// Whether the server ends the connection after it.
    pub(crate) closes: bool,
}

/// The first answer in `received`; `None` while something is missing.
pub(crate) fn first_answer(received: &[u8]) -> Option<Answer> {
    let head = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let status = number(received.get(9..12)?)?;
    let mut answer = Answer { status: u16::try_from(status).ok()?, bytes: head, closes: false };
    for line in received[..head].split(|byte| *byte == b'\n') {
        if let Some(length) = value(line, b"content-length:") {
            answer.bytes += number(length)?;
        } else if let Some(option) = value(line, b"connection:") {
            answer.closes = option.eq_ignore_ascii_case(b"close");
        }
    }
    (received.len() >= answer.bytes).then_some(answer)
}

fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, value) = line.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    str::from_utf8(digits).ok()?.parse().ok()
}
