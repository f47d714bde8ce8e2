//! The parsers of outside bytes, open to the fuzz targets.
//!
//! What it is not: of use to anybody else; nothing comes out.
//!
//! What surprises: it calls the very functions of the request path, which are private.

use crate::beacon::{Beacon, host_of};
use crate::log;

/// Reads a body as `POST /hit` does.
pub fn body(bytes: &[u8]) -> bool {
    Beacon::of_json(bytes).is_some_and(|beacon| beacon.p.is_some())
}

/// Reads a query as `GET /p.gif` does, and a host as of a `Referer`.
pub fn query(text: &str) -> bool {
    Beacon::of_query(text).p.is_some() || host_of(text).is_some()
}

/// Reads a line of an access log as an import does.
pub fn log_line(bytes: &[u8]) -> bool {
    log::read(bytes).is_some_and(|request| request.status == 200)
}
