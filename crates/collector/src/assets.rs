//! What the collector serves besides answers: the tracker and the demo page.
//!
//! What it is not: a file server. Both are in the binary and nothing is read at run time.
//!
//! What surprises: people edit `assets/headcount.src.js`; `assets/headcount.js` is made from it by
//! the command in its first lines, and only the made one is served.

use headcount_core::site::SiteHost;

/// The tracker, as served by `GET /headcount.js`.
pub const TRACKER: &str = include_str!("../assets/headcount.js");
const DEMO: &str = include_str!("../assets/demo.html");

/// The demo page of one site; `origin` is where the collector is reached, such as
/// `http://127.0.0.1:8080`.
pub fn demo_page(site: &SiteHost, origin: &str) -> String {
    DEMO.replace("{{site}}", site.as_str()).replace("{{origin}}", &escape(origin))
}

/// Text for HTML, in elements and in quoted attributes.
fn escape(text: &str) -> String {
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
    use super::*;

    const SOURCE: &str = include_str!("../assets/headcount.src.js");
    const SERVED_BYTES_MAX: usize = 900;

    #[test]
    fn tracker_is_small() {
        assert!(TRACKER.len() <= SERVED_BYTES_MAX, "{} bytes", TRACKER.len());
    }

    #[test]
    fn tracker_stores_nothing_and_makes_nothing_up() {
        let code: String = SOURCE.lines().filter(|line| !line.trim().starts_with("//")).collect();
        for script in [TRACKER, &code, DEMO] {
            for word in [
                "Math.random",
                "crypto",
                "localStorage",
                "sessionStorage",
                "indexedDB",
                "cookie",
                "eval(",
                "Function(",
                "innerHTML",
                "document.write",
                "screen",
                "userAgent",
                "plugins",
                "canvas",
                "timeZone",
                "language",
                "performance",
                "caches",
                "WebSocket",
            ] {
                assert!(!script.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn tracker_is_made_from_its_source() {
        for kept in [
            "/[?&](?!utm_(source|medium|campaign)=)[^&]*/g",
            "globalPrivacyControl",
            "doNotTrack",
            "prerenderingchange",
            "[data-headcount],a",
            "/mailto|tel|sms/",
            "pushState replaceState popstate pageshow prerenderingchange click auxclick",
        ] {
            assert!(TRACKER.contains(kept) && SOURCE.contains(kept), "{kept}");
        }
    }

    #[test]
    fn demo_page_is_filled_in_and_escaped() {
        let site = SiteHost::parse("example.org").unwrap();
        let page = demo_page(&site, "http://127.0.0.1:8080/\"><script>");
        assert!(!page.contains("{{"));
        assert!(page.contains("data-site=\"example.org\""));
        assert!(!page.contains("\"><script>alert") && page.contains("&quot;&gt;&lt;script&gt;"));
    }
}
