//! Plausible's trackers: `POST /api/event`, JSON of any content type.
//!
//! What it is not: a reader of properties, revenue, screen widths or scroll depths.
//!
//! What surprises: clicked links and downloads are events with names of Plausible's own, whose
//! property `url` is the click target; an engagement is a ping about a page that was counted.

use serde::Deserialize;

use super::props::Props;
use super::{Name, Reading, Said, event};
use crate::beacon::{Beacon, Text, is_object};

/// Events that are clicks.
const LINKS: [&str; 3] = ["Outbound Link: Click", "File Download", "Cloaked Link: Click"];

/// What is read of the body, under both spellings.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, alias = "name")]
    n: Text<'a>,
    #[serde(borrow, default, alias = "url")]
    u: Option<Text<'a>>,
    #[serde(borrow, default, alias = "domain")]
    d: Option<Text<'a>>,
    #[serde(borrow, default, alias = "referrer")]
    r: Option<Text<'a>>,
    #[serde(default, alias = "props", alias = "m", alias = "meta")]
    p: Props,
}

/// Reads a body; `None` if it is none of Plausible's.
pub(crate) fn read(body: &[u8]) -> Option<Reading<'_>> {
    let Event { n, u, d, r, p } =
        is_object(body).then(|| serde_json::from_slice(body).ok()).flatten()?;
    let mut beacon = Beacon { p: u, r, ..Beacon::default() };
    match (&*n.0, p.0) {
        ("pageview", _) => {}
        ("engagement", _) => return Some(Reading::Ping),
        (link, Some(target)) if LINKS.contains(&link) => beacon.c = Some(Text(target.into())),
        _ => beacon.e = Some(event(n)),
    }
    let site = d.map_or(Name::Unnamed, Name::Hosts);
    Some(Reading::Hit(Said { beacon, site, host: None }))
}
