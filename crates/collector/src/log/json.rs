//! JSON lines: those of Caddy, and those that nginx writes with names as its variables have them.
//!
//! What it is not: a reader of any JSON. Names that are not listed here are skipped unread.
//!
//! What surprises: one reader serves both, because their names do not meet, but for `request`,
//! which is a line in nginx and an object in Caddy.

use std::borrow::Cow;
use std::fmt;

use headcount_core::refusal::RefusalReason;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Request, or_nothing, request_line, time};
use crate::judge::is_ahead;

/// What Caddy writes in place of a value that it was told to hide.
const REDACTED: &str = "REDACTED";

/// Names that are read.
#[derive(Deserialize)]
#[serde(field_identifier)]
enum Key {
    /// The proxy's word on the visitor, which Caddy has judged.
    #[serde(rename = "client_ip")]
    Client,
    #[serde(rename = "remote_addr", alias = "remote_ip", alias = "realip_remote_addr")]
    Address,
    #[serde(rename = "request")]
    Request,
    #[serde(rename = "request_method", alias = "method")]
    Method,
    #[serde(rename = "request_uri")]
    Target,
    /// nginx's is without the query, and rewritten.
    #[serde(rename = "uri")]
    Uri,
    #[serde(rename = "status")]
    Status,
    #[serde(rename = "http_referer", alias = "http_referrer", alias = "referer")]
    Referrer,
    #[serde(rename = "http_user_agent", alias = "user_agent")]
    Agent,
    #[serde(rename = "host", alias = "http_host")]
    Host,
    /// What nginx's settings call the server that answered, which may be `_` or a pattern.
    #[serde(rename = "server_name")]
    Server,
    #[serde(
        rename = "time_iso8601",
        alias = "time_local",
        alias = "msec",
        alias = "time",
        alias = "timestamp",
        alias = "@timestamp",
        alias = "ts"
    )]
    Time,
    #[serde(rename = "headers")]
    Headers,
    #[serde(rename = "http_dnt")]
    Dnt,
    #[serde(rename = "http_sec_gpc")]
    Gpc,
    #[serde(other)]
    Other,
}

/// Headers that are read, as Caddy spells them.
#[derive(Deserialize)]
#[serde(field_identifier)]
enum Header {
    #[serde(rename = "Referer")]
    Referrer,
    #[serde(rename = "User-Agent")]
    Agent,
    #[serde(rename = "Dnt", alias = "DNT")]
    Dnt,
    #[serde(rename = "Sec-Gpc", alias = "Sec-GPC")]
    Gpc,
    #[serde(rename = "Sec-Purpose", alias = "Purpose", alias = "X-Purpose", alias = "X-Moz")]
    Purpose,
    #[serde(other)]
    Other,
}

/// What was found so far.
#[derive(Default)]
struct Found<'a> {
    client: Option<Cow<'a, str>>,
    address: Option<Cow<'a, str>>,
    line: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    uri: Option<Cow<'a, str>>,
    status: Option<u16>,
    referrer: Option<Cow<'a, str>>,
    agent: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    server: Option<Cow<'a, str>>,
    unix_seconds: Option<u64>,
    refusal: Option<RefusalReason>,
}

/// Reads a line.
pub(super) fn read(line: &[u8]) -> Option<Request<'_>> {
    let mut found = Found::default();
    let mut reader = serde_json::Deserializer::from_slice(line);
    reader.deserialize_map(Fields(&mut found)).ok()?;
    reader.end().ok()?;
    let of_line = found.line.as_ref().and_then(request_line);
    let (method, target) = of_line.unwrap_or_default();
    Some(Request {
        address: found.client.or(found.address).unwrap_or_default(),
        unix_seconds: found.unix_seconds?,
        method: found.method.unwrap_or(method),
        target: found.target.or(found.uri).unwrap_or(target),
        status: found.status?,
        referrer: or_nothing(found.referrer.unwrap_or_default()),
        agent: found.agent.map(|agent| match or_nothing(agent) {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }),
        host: found.host.or(found.server.filter(|name| is_host(name))),
        refusal: found.refusal,
    })
}

/// Whether the name of a server is that of a host: not nginx's `_`, and no pattern.
fn is_host(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'))
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

impl Found<'_> {
    fn refuse(&mut self, reason: RefusalReason) {
        self.refusal = Some(self.refusal.map_or(reason, |before| before.min(reason)));
    }
}

/// An object whose fields go into what was found.
struct Fields<'f, 'a>(&'f mut Found<'a>);

impl<'a> Visitor<'a> for Fields<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let found = self.0;
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Client => found.client = map.next_value::<Scalar<'a>>()?.text(),
                Key::Address => found.address = map.next_value::<Scalar<'a>>()?.text(),
                Key::Method => found.method = map.next_value::<Scalar<'a>>()?.text(),
                Key::Target => found.target = map.next_value::<Scalar<'a>>()?.text(),
                Key::Uri => found.uri = map.next_value::<Scalar<'a>>()?.text(),
                Key::Referrer => found.referrer = map.next_value::<Scalar<'a>>()?.text(),
                Key::Agent => found.agent = map.next_value::<Scalar<'a>>()?.text(),
                Key::Host => found.host = map.next_value::<Scalar<'a>>()?.text(),
                Key::Server => found.server = map.next_value::<Scalar<'a>>()?.text(),
                Key::Status => found.status = map.next_value::<Scalar<'a>>()?.status(),
                Key::Time => {
                    let time = map.next_value::<Scalar<'a>>()?.time();
                    found.unix_seconds = found.unix_seconds.or(time);
                }
                Key::Request => match map.next_value_seed(Asked(found))? {
                    Scalar::Text(line) => found.line = Some(line),
                    Scalar::Number(_) | Scalar::Other => {}
                },
                Key::Headers => map.next_value_seed(Headers(found))?,
                Key::Dnt if map.next_value::<Scalar<'a>>()?.is_one() => {
                    found.refuse(RefusalReason::Dnt);
                }
                Key::Gpc if map.next_value::<Scalar<'a>>()?.is_one() => {
                    found.refuse(RefusalReason::Gpc);
                }
                Key::Dnt | Key::Gpc => {}
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// `request`: a line, or an object with fields of its own.
struct Asked<'f, 'a>(&'f mut Found<'a>);

impl<'a> serde::de::DeserializeSeed<'a> for Asked<'_, 'a> {
    type Value = Scalar<'a>;

    fn deserialize<D: Deserializer<'a>>(self, value: D) -> Result<Scalar<'a>, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Asked<'_, 'a> {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(text.to_owned().into()))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Scalar<'a>, A::Error> {
        Fields(self.0).visit_map(map)?;
        Ok(Scalar::Other)
    }
}

/// Caddy's `headers`: lists of texts. Its filters may put a text or nothing in place of a list, and
/// of all of them.
struct Headers<'f, 'a>(&'f mut Found<'a>);

impl<'a> serde::de::DeserializeSeed<'a> for Headers<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Headers<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let found = self.0;
        // Caddy's own lines always have the headers, so a missing agent is one that was not sent.
        found.agent.get_or_insert_default();
        while let Some(header) = map.next_key::<Header>()? {
            if matches!(header, Header::Other) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let First(Scalar::Text(value)) = map.next_value::<First<'a>>()? else { continue };
            match header {
                Header::Referrer => found.referrer = Some(value),
                // It was sent, and what it was is not known.
                Header::Agent => found.agent = Some(value).filter(|value| value != REDACTED),
                Header::Dnt if value == "1" => found.refuse(RefusalReason::Dnt),
                Header::Gpc if value == "1" => found.refuse(RefusalReason::Gpc),
                Header::Purpose if is_ahead(value.as_bytes()) => {
                    found.refuse(RefusalReason::Prefetch);
                }
                Header::Dnt | Header::Gpc | Header::Purpose | Header::Other => {}
            }
        }
        Ok(())
    }
}

/// A text, a number, or something that is not looked at.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Other,
}

impl<'a> Scalar<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Other => None,
        }
    }

    fn time(&self) -> Option<u64> {
        match self {
            Self::Text(text) => time::of_text(text),
            Self::Number(number) => time::of_number(*number),
            Self::Other => None,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a status"
    )]
    fn status(&self) -> Option<u16> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => (0.0..1_000.0).contains(number).then_some(*number as u16),
            Self::Other => None,
        }
    }

    fn is_one(&self) -> bool {
        matches!(self, Self::Text(text) if text == "1")
    }
}

impl<'a> Deserialize<'a> for Scalar<'a> {
    fn deserialize<D: Deserializer<'a>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(AnyScalar { opens_lists: false })
    }
}

struct AnyScalar {
    /// Whether the first of a list is taken for it.
    opens_lists: bool,
}

impl<'a> Visitor<'a> for AnyScalar {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(text.to_owned().into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "times and statuses fit")]
    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "times and statuses fit")]
    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Scalar<'a>, A::Error> {
        let first = if self.opens_lists { list.next_element()? } else { None };
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.unwrap_or(Scalar::Other))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Scalar<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// The first of a list, or what stands there without one.
struct First<'a>(Scalar<'a>);

impl<'a> Deserialize<'a> for First<'a> {
    fn deserialize<D: Deserializer<'a>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(AnyScalar { opens_lists: true }).map(Self)
    }
}
