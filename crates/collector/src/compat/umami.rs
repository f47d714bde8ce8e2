//! Umami's trackers: `POST /api/send`, JSON of any content type.
//!
//! What it is not: a keeper of sessions. Umami answers with a token that its script sends back;
//! here the answer is the same for everybody, and nothing of the kind is read.
//!
//! What surprises: a site is a UUID, which the owner sets as `umami_id`. The name
//! `outbound-link-click` is the one that Umami's own guide gives to links.

use serde::Deserialize;

use super::props::Props;
use super::{Name, Reading, Said, event};
use crate::beacon::{Beacon, Text, is_object};

/// The event that is a click.
const LINK: &str = "outbound-link-click";

/// What is read of the body.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    payload: Option<Payload<'a>>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    website: Option<Text<'a>>,
    #[serde(borrow, default)]
    hostname: Option<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
    #[serde(borrow, default)]
    referrer: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(default)]
    data: Props,
}

/// Reads a body; `None` if it is none of Umami's.
pub(crate) fn read(body: &[u8]) -> Option<Reading<'_>> {
    let Envelope { r#type, payload } =
        is_object(body).then(|| serde_json::from_slice(body).ok()).flatten()?;
    // Identities, performance: whatever is no event says nothing that is counted.
    if r#type.0 != "event" {
        return Some(Reading::Ping);
    }
    let Payload { website, hostname, url, referrer, name, data } = payload?;
    let mut beacon = Beacon { p: url, r: referrer, ..Beacon::default() };
    match (name.filter(|name| !name.0.is_empty()), data.0) {
        (Some(name), Some(target)) if name.0 == LINK => beacon.c = Some(Text(target.into())),
        (name, _) => beacon.e = name.map(event),
    }
    let site = website.map_or(Name::Unnamed, Name::Umami);
    let host = hostname.filter(|host| !host.0.is_empty());
    Some(Reading::Hit(Said { beacon, site, host }))
}
