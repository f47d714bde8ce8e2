//! Matomo's trackers: `GET` or `POST /matomo.php`, in the query, in a form, or many in one JSON.
//!
//! What it is not: a reader of visitor ids, user ids, titles, variables, dimensions, times,
//! addresses or orders.
//!
//! What surprises: an element of a batch may be an object in place of a query, as in Matomo's own
//! `BulkTracking`; one that is neither is one invalid request, and the others count. `ua` is read: who tracks on a server relays its visitor's `User-Agent` there.
//! Events are declared as `category:action`; their name is skipped, since it is free text.

mod batch;

use std::borrow::Cow;

use serde::Deserialize;

use self::batch::Elements;
use super::{Name, Reading, Said, event_name, pairs};
use crate::beacon::{Beacon, Text, decoded, is_object};
use crate::rejection::Rejection;

/// Bytes of a body at most: a full batch of long requests. Its tracker for Node and its log importer
/// send many at once, and a batch that is refused is lost whole.
pub(crate) const BODY_BYTES_MAX: u64 = 128 * 1024;
/// Requests in one body at most.
pub(crate) const REQUESTS_MAX: usize = 100;

/// Fields that are read.
const KEYS: [&str; 14] = [
    "rec", "idsite", "url", "urlref", "ua", "link", "download", "e_c", "e_a", "ping", "ca",
    "idgoal", "c_n", "ec_id",
];

/// What a request holds.
pub(crate) enum Requests<'a> {
    /// One hit, as a query.
    One(Cow<'a, str>),
    /// Many, each as a query; empty is what can be none.
    Many(Vec<Text<'a>>),
    /// So many, which are too many.
    TooMany(usize),
}

#[derive(Deserialize)]
struct Bulk<'a> {
    #[serde(borrow)]
    requests: Elements<'a>,
}

/// Takes query and body apart.
///
/// # Errors
/// [`Rejection`] for a body that is neither form nor batch.
pub(crate) fn requests<'a>(query: &'a str, body: &'a [u8]) -> Result<Requests<'a>, Rejection> {
    if is_object(body) {
        let Bulk { requests } = serde_json::from_slice(body).map_err(|_| Rejection::NotMatomo)?;
        let Elements { queries, count } = requests;
        let is_over = count > REQUESTS_MAX;
        return Ok(if is_over { Requests::TooMany(count) } else { Requests::Many(queries) });
    }
    let form = std::str::from_utf8(body).map_err(|_| Rejection::NotMatomo)?.trim();
    Ok(Requests::One(match (query, form) {
        (query, "") => query.into(),
        ("", form) => form.into(),
        (query, form) => format!("{query}&{form}").into(),
    }))
}

/// Whether a picture is wanted.
pub(crate) fn wants_image(query: &str) -> bool {
    !pairs(query).any(|pair| pair == ("send_image", "0"))
}

/// What is read of a query. Of what else may be a hit it is only seen that it is there.
#[derive(Default)]
struct Fields<'a> {
    rec: bool,
    idsite: Option<u32>,
    url: Option<Cow<'a, str>>,
    urlref: Option<Cow<'a, str>>,
    ua: Option<Cow<'a, str>>,
    link: Option<Cow<'a, str>>,
    category: Option<Cow<'a, str>>,
    action: Option<Cow<'a, str>>,
    /// Heartbeats, contents, goals, orders, media.
    is_no_view: bool,
}

impl<'a> Fields<'a> {
    fn of(query: &'a str) -> Self {
        let mut fields = Self::default();
        for (key, value) in pairs(query) {
            let field = match key {
                "url" => &mut fields.url,
                "urlref" => &mut fields.urlref,
                "ua" => &mut fields.ua,
                "link" | "download" => &mut fields.link,
                "e_c" => &mut fields.category,
                "e_a" => &mut fields.action,
                "rec" => {
                    fields.rec |= value == "1";
                    continue;
                }
                "idsite" => {
                    fields.idsite = fields.idsite.or_else(|| value.parse().ok());
                    continue;
                }
                "ping" | "ca" | "idgoal" | "c_n" | "ec_id" => {
                    fields.is_no_view = true;
                    continue;
                }
                _ => continue,
            };
            if field.is_none() && !value.is_empty() {
                *field = Some(decoded(value));
            }
        }
        fields
    }
}

/// Reads one hit, as a query with or without what stands before it; `None` if it is none of
/// Matomo's.
pub(crate) fn read(query: &str) -> Option<Reading<'_>> {
    let query = match query.split_once('?') {
        Some((before, query)) if !before.contains('=') => query,
        _ => query,
    };
    let fields = Fields::of(query);
    if !fields.rec {
        return None;
    }
    let mut beacon = Beacon {
        p: fields.url.map(Text),
        r: fields.urlref.map(Text),
        agent: fields.ua.map(Text),
        ..Beacon::default()
    };
    match (fields.link, fields.category, fields.action) {
        (Some(link), ..) => beacon.c = Some(Text(link)),
        (None, Some(category), Some(action)) => {
            let name = format!("{}:{}", event_name(&category), event_name(&action));
            beacon.e = Some(Text(name.into()));
        }
        _ if fields.is_no_view => return Some(Reading::Ping),
        _ => {}
    }
    let site = fields.idsite.map_or(Name::Unnamed, Name::Matomo);
    Some(Reading::Hit(Said { beacon, site, host: None }))
}
