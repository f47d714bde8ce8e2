//! The parsers of outside bytes, open to the fuzz targets.
//!
//! What it is not: of use to anybody else; nothing comes out.
//!
//! What surprises: it calls the very functions of the request path, which are private.

use crate::beacon::{Beacon, host_of};
use crate::compat::{Reading, goatcounter, matomo, plausible, umami};
use crate::log;

/// Reads a body as `POST /hit` does.
pub fn body(bytes: &[u8]) -> bool {
    Beacon::of_json(bytes).is_some_and(|beacon| beacon.p.is_some())
}

/// Reads a query as `GET /p.gif` does, and a host as of a `Referer`.
pub fn query(text: &str) -> bool {
    Beacon::of_query(text).p.is_some() || host_of(text).is_some()
}

/// Reads a body as `POST /api/event`, `/api/send` and `/matomo.php` do: which of them take it.
pub fn compat_bodies(bytes: &[u8]) -> [bool; 3] {
    let batch = match matomo::requests("", bytes) {
        Ok(matomo::Requests::Many(many)) => many.iter().any(|one| matomo::read(&one.0).is_some()),
        Ok(matomo::Requests::One(one)) => matomo::read(&one).is_some(),
        Ok(matomo::Requests::TooMany(_)) | Err(_) => false,
    };
    [plausible::read(bytes).is_some(), umami::read(bytes).is_some(), batch]
}

/// Reads a query as `/count` and `/matomo.php` do; the lengths of what is taken of it.
pub fn compat_queries(text: &str) -> [Vec<usize>; 2] {
    [Some(goatcounter::read(text)), matomo::read(text)].map(lengths)
}

fn lengths(reading: Option<Reading<'_>>) -> Vec<usize> {
    let Some(Reading::Hit(said)) = reading else { return Vec::new() };
    let Beacon { s, p, r, c, e, agent } = said.beacon;
    [s, p, r, c, e, agent, said.host].iter().flatten().map(|text| text.0.len()).collect()
}

/// Reads a line of an access log as an import does.
pub fn log_line(bytes: &[u8]) -> bool {
    log::read(bytes).is_some_and(|request| request.status == 200)
}
