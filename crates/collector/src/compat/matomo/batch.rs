//! The elements of a Matomo batch: queries, or objects that say the same.
//!
//! What it is not: a judge of them, and no keeper of more than [`REQUESTS_MAX`].
//!
//! What surprises: an object becomes a query again, of the fields that are read, so that there is
//! one reader for both. Other fields are skipped unread.

use std::fmt::{self, Write as _};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{KEYS, REQUESTS_MAX};
use crate::beacon::Text;

/// A batch: the first of its elements, and how many there are.
pub(super) struct Elements<'a> {
    pub(super) queries: Vec<Text<'a>>,
    pub(super) count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_seq(AnyElements)
    }
}

struct AnyElements;

impl<'a> Visitor<'a> for AnyElements {
    type Value = Elements<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of requests")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Elements<'a>, A::Error> {
        let mut queries = Vec::new();
        while queries.len() < REQUESTS_MAX
            && let Some(Element(query)) = list.next_element()?
        {
            queries.push(query);
        }
        let mut count = queries.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Elements { queries, count })
    }
}

/// One of them, as a query; empty if it is neither text nor object.
struct Element<'a>(Text<'a>);

impl<'a> Deserialize<'a> for Element<'a> {
    fn deserialize<D: Deserializer<'a>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(AnyText { opens_objects: true }).map(Self)
    }
}

/// The value of a field as a text; empty if it is neither text nor number, and `1` for `true`.
struct Value<'a>(Text<'a>);

impl<'a> Deserialize<'a> for Value<'a> {
    fn deserialize<D: Deserializer<'a>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(AnyText { opens_objects: false }).map(Self)
    }
}

struct AnyText {
    /// Whether an object becomes the query that says the same.
    opens_objects: bool,
}

fn nothing<'a>() -> Text<'a> {
    Text("".into())
}

impl<'a> Visitor<'a> for AnyText {
    type Value = Text<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Text<'a>, E> {
        Ok(Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
        Ok(Text(text.to_owned().into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Text<'a>, E> {
        let is_value = !self.opens_objects;
        Ok(if is_value { Text(number.to_string().into()) } else { nothing() })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Text<'a>, E> {
        Ok(nothing())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Text<'a>, E> {
        Ok(nothing())
    }

    fn visit_bool<E>(self, is: bool) -> Result<Text<'a>, E> {
        Ok(Text(if is && !self.opens_objects { "1" } else { "" }.into()))
    }

    fn visit_unit<E>(self) -> Result<Text<'a>, E> {
        Ok(nothing())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Text<'a>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(nothing())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Text<'a>, A::Error> {
        let mut query = String::new();
        while let Some(key) = map.next_key::<Text<'a>>()? {
            if !self.opens_objects || !KEYS.contains(&&*key.0) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Value(value) = map.next_value()?;
            let value = utf8_percent_encode(&value.0, NON_ALPHANUMERIC);
            write!(query, "{}={value}&", key.0).expect("writing to a text");
        }
        Ok(Text(query.into()))
    }
}
