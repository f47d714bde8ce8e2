//! The one property that is read of an event: the address of a link.
//!
//! What it is not: a map. Every other property is skipped without being looked at.
//!
//! What surprises: some clients send properties as an object, some as a text that holds one.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The `url` among an event's properties.
#[derive(Default)]
pub(super) struct Props(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Props {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PropsVisitor)
    }
}

struct PropsVisitor;

/// Takes anything; what holds no `url` has none.
impl<'de> Visitor<'de> for PropsVisitor {
    type Value = Props;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("properties")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Props, A::Error> {
        let mut props = Props::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Url => props.0 = map.next_value::<Link>()?.0,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(props)
    }

    fn visit_str<E>(self, text: &str) -> Result<Props, E> {
        let is_object = text.trim_start().starts_with('{');
        Ok(is_object.then(|| serde_json::from_str(text).ok()).flatten().unwrap_or_default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Props, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Props::default())
    }

    fn visit_unit<E>(self) -> Result<Props, E> {
        Ok(Props::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Props, E> {
        Ok(Props::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Props, E> {
        Ok(Props::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Props, E> {
        Ok(Props::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Props, E> {
        Ok(Props::default())
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Url,
    #[serde(other)]
    Other,
}

/// A text, or something else that is no link.
struct Link(Option<String>);

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Other(IgnoredAny),
        }
        Ok(Self(match Either::deserialize(from)? {
            Either::Text(text) => Some(text),
            Either::Other(IgnoredAny) => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_link_is_read() {
        let check = |json: &str, expect: Option<&str>| {
            assert_eq!(serde_json::from_str::<Props>(json).unwrap().0.as_deref(), expect, "{json}");
        };
        check(r#"{"a":{"url":"/x"},"url":"https://a.b/c","z":[1]}"#, Some("https://a.b/c"));
        check(r#""{\"url\":\"https://a.b\",\"plan\":\"x\"}""#, Some("https://a.b"));
        for nothing in ["null", "1", "-1", "1.5", "true", "[1,2]", "\"x\"", "\"\\\"{}\\\"\"", "{}"]
        {
            check(nothing, None);
        }
        check(r#"{"url":7}"#, None);
        check(r#"{"url":null}"#, None);
    }
}
