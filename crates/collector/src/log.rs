//! One line of a server's access log, as the fields that may be read of it.
//!
//! What it is not: a judgement. Whether a line is a view is decided in `import`.
//!
//! What surprises: a line says itself which format it has: JSON begins with a brace. Nothing
//! beyond the fields of [`Request`] is looked at, and it has no `Debug`: a line is a visitor's.

mod combined;
mod json;
pub(crate) mod time;

use std::borrow::Cow;

use headcount_core::refusal::RefusalReason;

/// What is read of a line.
pub(crate) struct Request<'a> {
    /// The visitor's address, as it was written.
    pub(crate) address: Cow<'a, str>,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) unix_seconds: u64,
    /// The method.
    pub(crate) method: Cow<'a, str>,
    /// What was asked for: a path, with its query.
    pub(crate) target: Cow<'a, str>,
    /// The answer's status.
    pub(crate) status: u16,
    /// `Referer`; empty if there was none.
    pub(crate) referrer: Cow<'a, str>,
    /// `User-Agent`; `None` where the format does not have it (common), so that its absence says
    /// nothing.
    pub(crate) agent: Option<Cow<'a, [u8]>>,
    /// The site's host, where the format has it.
    pub(crate) host: Option<Cow<'a, str>>,
    /// A wish or a prefetch that the line tells of (Caddy writes headers down).
    pub(crate) refusal: Option<RefusalReason>,
}

/// Reads a line without its end; `None` if it has none of the known formats.
pub(crate) fn read(line: &[u8]) -> Option<Request<'_>> {
    let line = line.trim_ascii();
    if line.first() == Some(&b'{') { json::read(line) } else { combined::read(line) }
}

/// "-" is how servers write nothing.
fn or_nothing(text: Cow<'_, str>) -> Cow<'_, str> {
    if text == "-" { Cow::Borrowed("") } else { text }
}

/// Method and target of a request line such as `GET /a HTTP/1.1`.
fn request_line<'a>(line: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    match line {
        Cow::Borrowed(line) => {
            let line: &'a str = line;
            parts(line).map(|(method, target)| (method.into(), target.into()))
        }
        Cow::Owned(line) => {
            parts(line).map(|(method, target)| (method.to_owned().into(), target.to_owned().into()))
        }
    }
}

fn parts(line: &str) -> Option<(&str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    // HTTP/0.9 has no version.
    let (target, version) = rest.rsplit_once(' ').unwrap_or((rest, "HTTP/"));
    version.starts_with("HTTP/").then_some((method, target))
}

#[cfg(test)]
mod tests;
