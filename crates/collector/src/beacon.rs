//! A beacon as it arrives: untrusted text from a query or a JSON body.
//!
//! What it is not: logged, printed or kept. It has no `Debug`, and lives as long as its request.
//!
//! What surprises: fields that are not ours are skipped without being looked at, whatever is in
//! them. The first of two equal keys in a query counts; two equal keys in JSON are an error.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Text of a visitor.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// What a browser said.
#[derive(Default, Deserialize)]
pub(crate) struct Beacon<'a> {
    /// The site's host.
    #[serde(borrow, default)]
    pub(crate) s: Option<Text<'a>>,
    /// The page.
    #[serde(borrow, default)]
    pub(crate) p: Option<Text<'a>>,
    /// The referrer.
    #[serde(borrow, default)]
    pub(crate) r: Option<Text<'a>>,
    /// The click target.
    #[serde(borrow, default)]
    pub(crate) c: Option<Text<'a>>,
    /// The event's name.
    #[serde(borrow, default)]
    pub(crate) e: Option<Text<'a>>,
    /// Another agent than the header's: of a visitor whom a server relays.
    #[serde(skip)]
    pub(crate) agent: Option<Text<'a>>,
}

impl<'a> Beacon<'a> {
    /// Reads a JSON body of any content type.
    pub(crate) fn of_json(body: &'a [u8]) -> Option<Self> {
        is_object(body).then(|| serde_json::from_slice(body).ok()).flatten()
    }

    /// Reads the query of a pixel: `s`, `p`, `r`.
    pub(crate) fn of_query(query: &'a str) -> Self {
        let mut beacon = Self::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let field = match key {
                "s" => &mut beacon.s,
                "p" => &mut beacon.p,
                "r" => &mut beacon.r,
                _ => continue,
            };
            if field.is_none() {
                *field = Some(Text(decoded(value)));
            }
        }
        beacon
    }
}

/// Whether a body may be a JSON object. serde would read an array as a struct without names.
pub(crate) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Form decoding. What is not UTF-8 afterwards stays as it came, so that the policy sees it.
pub(crate) fn decoded(value: &str) -> Cow<'_, str> {
    let spaced: Cow<'_, str> =
        if value.contains('+') { value.replace('+', " ").into() } else { value.into() };
    if !spaced.contains('%') {
        return spaced;
    }
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(text) => text.into_owned().into(),
        Err(_) => value.into(),
    }
}

/// The host of a URL such as `Origin` and `Referer` hold, lower-cased, without port and userinfo.
pub(crate) fn host_of(url: &str) -> Option<Cow<'_, str>> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(inner) => host.get(..inner.find(']')? + 2)?,
        None => host.split(':').next()?,
    };
    let host = host.trim_end_matches('.');
    (!host.is_empty()).then(|| lower(host))
}

/// The text in lower case, copied only if it is not.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return text.to_ascii_lowercase().into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text<'a>(field: &'a Option<Text<'_>>) -> Option<&'a str> {
        field.as_ref().map(|text| &*text.0)
    }

    #[test]
    fn reads_what_is_ours() {
        let beacon =
            Beacon::of_json(br#"{"x":{"p":1},"s":"a.b","p":"/\u00e5","r":null,"e":"go"}"#).unwrap();
        assert_eq!(text(&beacon.s), Some("a.b"));
        assert_eq!(text(&beacon.p), Some("/å"));
        assert_eq!((text(&beacon.r), text(&beacon.e)), (None, Some("go")));
        let beacon = Beacon::of_query("s=a.b&p=%2Fx+y%3Fq%3D1&p=/second&z=%FF&r=");
        assert_eq!(text(&beacon.p), Some("/x y?q=1"));
        assert_eq!(text(&beacon.r), Some(""));
        assert_eq!(text(&Beacon::of_query("p=%2F%FF").p), Some("%2F%FF"));
    }

    #[test]
    fn other_bodies_are_no_beacons() {
        for body in ["", "[]", "{", "1", r#"{"p":1}"#, r#"{"p":"a","p":"b"}"#, "{\"p\":\"\u{1}\"}"]
        {
            assert!(Beacon::of_json(body.as_bytes()).is_none(), "{body}");
        }
        assert!(Beacon::of_json(b"{\"p\":\"\xff\"}").is_none());
    }

    #[test]
    fn finds_hosts() {
        let check = |url, expect| assert_eq!(host_of(url).as_deref(), expect, "{url}");
        check("https://Example.org:8443/x", Some("example.org"));
        check("http://u:p@a.b?x", Some("a.b"));
        check("http://[::1]:8080/", Some("[::1]"));
        check("http://a.b./", Some("a.b"));
        check("null", None);
        check("http://.", None);
        check("http://", None);
        check("http://[::1", None);
    }

    #[test]
    fn copies_only_what_is_not_in_lower_case() {
        assert!(matches!(lower("example.org"), Cow::Borrowed("example.org")));
        assert_eq!(lower("Example.ORG"), "example.org");
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes: Vec<u8>, query in "\\PC{0,60}") {
            std::hint::black_box(Beacon::of_json(&bytes).is_some());
            std::hint::black_box(Beacon::of_query(&query).p.is_some());
            std::hint::black_box(host_of(&query).is_some());
        }
    }
}
