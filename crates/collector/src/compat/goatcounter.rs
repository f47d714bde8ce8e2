//! GoatCounter's script and pixel: `GET` or `POST /count`, everything in the query.
//!
//! What it is not: a reader of bodies, titles or screen sizes. The script's word that it runs in a
//! robot is not read either.
//!
//! What surprises: `s` is a screen here, and the path of an event is its name. The page's query
//! comes apart from its path; it is put behind it again, for the three campaign keys.

use super::{Name, Reading, Said, event, pairs};
use crate::beacon::{Beacon, Text, decoded};

/// Reads a query; there is none that it could not read.
pub(crate) fn read(query: &str) -> Reading<'_> {
    let [mut path, mut referrer, mut campaign] = [None, None, None];
    let mut is_event = false;
    for (key, value) in pairs(query) {
        let field = match key {
            "p" => &mut path,
            "r" => &mut referrer,
            "q" => &mut campaign,
            "e" => {
                is_event = matches!(value, "true" | "1" | "t" | "on");
                continue;
            }
            _ => continue,
        };
        if field.is_none() {
            *field = Some(decoded(value));
        }
    }
    let mut beacon = Beacon { r: referrer.map(Text), ..Beacon::default() };
    if is_event {
        beacon.e = Some(event(Text(path.unwrap_or_default())));
    } else {
        beacon.p = match (path, campaign) {
            (Some(path), Some(query)) if query.starts_with('?') && !path.contains('?') => {
                Some(Text(format!("{path}{query}").into()))
            }
            (path, _) => path.map(Text),
        };
    }
    Reading::Hit(Said { beacon, site: Name::Unnamed, host: None })
}
