//! The tracker: every version that was released, and the lines that bring it into a page.
//!
//! What it is not: the tracker's code. That is `assets/tracker/headcount.src.js`; `make.mjs` beside
//! it makes what is served, and the table of versions.
//!
//! What surprises: a version's name is its content's hash, and is served for ever, because pages
//! carry it together with an integrity hash. The name without a hash is always the newest.

use headcount_core::site::SiteHost;
use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

/// One version, as it was served from its first day.
#[derive(Clone, Copy, Debug)]
pub struct Tracker {
    /// The version of this program that brought it.
    pub since: &'static str,
    /// The hash in its name: 12 hex digits of its SHA-384.
    pub name: &'static str,
    /// The value of `integrity` in a page.
    pub integrity: &'static str,
    /// As it is.
    pub plain: &'static [u8],
    /// The same as Brotli of the highest quality.
    pub brotli: &'static [u8],
}

macro_rules! row {
    ($since:literal, $name:literal, $integrity:literal) => {
        Tracker {
            since: $since,
            name: $name,
            integrity: $integrity,
            plain: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/assets/tracker/",
                $name,
                ".js"
            )),
            brotli: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/assets/tracker/",
                $name,
                ".js.br"
            )),
        }
    };
}

/// All versions, the newest last.
pub const VERSIONS: &[Tracker] = include!("../assets/tracker/versions.in");

/// The path without a hash.
const NEWEST: &str = "/headcount.js";

impl Tracker {
    /// The version that is made from the source as it is.
    pub const fn newest() -> &'static Self {
        VERSIONS.last().expect("make.mjs writes a row")
    }

    /// The path under which this version is served.
    pub fn path(&self) -> String {
        format!("/headcount.{}.js", self.name)
    }

    /// The lines for the pages of a site, as HTML; `origin` is where the collector is reached. The bare
    /// `crossorigin` asks for the script without credentials, which integrity needs.
    pub fn snippet(&self, site: &SiteHost, origin: &str) -> [String; 2] {
        let origin = escape(origin);
        let (path, integrity) = (self.path(), self.integrity);
        [
            format!(
                "<script defer src=\"{origin}{path}\" data-site=\"{site}\" \
                 integrity=\"{integrity}\" crossorigin></script>"
            ),
            format!(
                "<noscript><img src=\"{origin}/p.gif?s={site}\" alt=\"\" \
                 referrerpolicy=\"no-referrer-when-downgrade\"></noscript>"
            ),
        ]
    }
}

/// What a path asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// This version.
    Version(&'static Tracker),
    /// A version that this build does not have.
    Unknown,
    /// Nothing of the tracker's.
    Nothing,
}

/// The tracker that a path names.
pub(crate) fn asked(path: &str) -> Asked {
    if path == NEWEST {
        return Asked::Version(Tracker::newest());
    }
    let name = path.strip_prefix("/headcount.").and_then(|rest| rest.strip_suffix(".js"));
    let Some(name) = name else { return Asked::Nothing };
    VERSIONS.iter().find(|version| version.name == name).map_or(Asked::Unknown, Asked::Version)
}

/// Whether a browser unpacks Brotli: it names it, and not with the weight zero.
pub(crate) fn takes_brotli(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_brotli = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("br"));
        is_brotli && parts.next().is_none_or(|weight| !is_zero(weight))
    })
}

/// Whether a weight such as `q=0.5` is zero.
fn is_zero(weight: &str) -> bool {
    let number = weight.split_once('=').map(|(_, number)| number.trim());
    number.and_then(|number| number.parse::<f32>().ok()) == Some(0.0)
}

/// Text for HTML, in elements and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const SOURCE: &str = include_str!("../assets/tracker/headcount.src.js");
    const RAW_BYTES_MAX: usize = 900;
    const BROTLI_BYTES_MAX: usize = 500;

    fn served() -> &'static str {
        std::str::from_utf8(Tracker::newest().plain).unwrap()
    }

    #[test]
    fn tracker_is_small() {
        let Tracker { plain, brotli, .. } = Tracker::newest();
        assert!(plain.len() <= RAW_BYTES_MAX, "{} bytes", plain.len());
        assert!(brotli.len() <= BROTLI_BYTES_MAX, "{} bytes as Brotli", brotli.len());
    }

    #[test]
    fn tracker_stores_nothing_and_makes_nothing_up() {
        let code: String = SOURCE.lines().filter(|line| !line.trim().starts_with("//")).collect();
        for script in [served(), &code] {
            for word in crate::assets::FORBIDDEN_IN_SCRIPTS {
                assert!(!script.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn each_version_is_found_by_its_name_and_no_other() {
        for version in VERSIONS {
            assert!(
                matches!(asked(&version.path()), Asked::Version(of) if of.name == version.name)
            );
        }
        let newest = Tracker::newest().name;
        assert!(matches!(asked("/headcount.js"), Asked::Version(of) if of.name == newest));
        let cut = newest.split_at(11).0;
        for unknown in ["000000000000", "", cut, "../x", &newest.to_uppercase()] {
            assert!(
                matches!(asked(&format!("/headcount.{unknown}.js")), Asked::Unknown),
                "{unknown}"
            );
        }
        for other in ["/", "/headcount", "/headcount.css", "/x/headcount.js", "/headcount.js.br"] {
            assert!(matches!(asked(other), Asked::Nothing), "{other}");
        }
    }

    #[test]
    fn brotli_is_for_those_who_name_it() {
        for (accepts, expect) in [
            ("gzip, deflate, br, zstd", true),
            ("BR", true),
            ("br;q=1.0", true),
            ("gzip;q=1, br ; q=0.001", true),
            ("br;q=0", false),
            ("br; q=0.000", false),
            ("gzip, deflate", false),
            ("brotli", false),
            ("*", false),
            ("", false),
            (";;,,=", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepts));
            assert_eq!(takes_brotli(&headers), expect, "{accepts}");
        }
        assert!(!takes_brotli(&HeaderMap::new()));
    }

    #[test]
    fn the_snippet_names_the_version_and_escapes_the_origin() {
        let site = SiteHost::parse("example.org").unwrap();
        let [script, pixel] = Tracker::newest().snippet(&site, "https://c.example/\"><b>");
        let Tracker { name, integrity, .. } = Tracker::newest();
        assert_eq!(
            script,
            format!(
                "<script defer src=\"https://c.example/&quot;&gt;&lt;b&gt;/headcount.{name}.js\" \
                 data-site=\"example.org\" integrity=\"{integrity}\" \
                 crossorigin></script>"
            )
        );
        assert!(pixel.contains("/p.gif?s=example.org\"") && pixel.contains("referrerpolicy="));
    }
    proptest! {
        #[test]
        fn brotli_is_found_in_any_list(
            list in prop::collection::vec(
                ("br|BR|gzip|x-br|\\*", prop::option::of(0u16..=1000)), 0..6),
            space in " {0,2}",
        ) {
            let written = list.iter().map(|(name, weight)| match weight {
                Some(weight) => format!("{space}{name};{space}q={}", f32::from(*weight) / 1000.0),
                None => format!("{space}{name}"),
            });
            let line = written.collect::<Vec<_>>().join(",");
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(&line).unwrap());
            let expect = list.iter().any(|(name, weight)| {
                name.eq_ignore_ascii_case("br") && *weight != Some(0)
            });
            prop_assert_eq!(takes_brotli(&headers), expect, "{}", line);
        }

        #[test]
        fn any_bytes_have_an_answer(bytes: Vec<u8>, path: String) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(ACCEPT_ENCODING, value);
                let names_it = bytes.to_ascii_lowercase().windows(2).any(|two| two == b"br");
                prop_assert!(names_it || !takes_brotli(&headers));
            }
            let is_version = matches!(asked(&path), Asked::Version(_));
            prop_assert!(!is_version || path.starts_with("/headcount."));
        }
    }
}
