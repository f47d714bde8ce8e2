//! The demo page: the tracker at work, and what it has sent in words.
//!
//! What it is not: a file server. The page is in the binary and nothing is read at run time.
//!
//! What surprises: it shows the lines for a page's head as text and carries them too, so what a
//! newcomer copies is what has just worked.

use headcount_core::site::SiteHost;

use crate::tracker::{Tracker, escape};

const DEMO: &str = include_str!("../assets/demo.html");
/// Words that no script of ours may hold: each would store, make up or look at something.
#[cfg(test)]
pub(crate) const FORBIDDEN_IN_SCRIPTS: [&str; 19] = [
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
];

/// The demo page of one site; `origin` is where the collector is reached, such as
/// `http://127.0.0.1:8080`.
pub fn demo_page(site: &SiteHost, origin: &str) -> String {
    let snippet = Tracker::newest().snippet(site, origin).join("\n");
    DEMO.replace("{{site}}", site.as_str())
        .replace("{{snippet as text}}", &escape(&snippet))
        .replace("{{snippet}}", &snippet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_page_stores_nothing_and_makes_nothing_up() {
        for word in FORBIDDEN_IN_SCRIPTS {
            assert!(!DEMO.contains(word), "{word}");
        }
    }

    #[test]
    fn demo_page_is_filled_in_and_escaped() {
        let site = SiteHost::parse("example.org").unwrap();
        let page = demo_page(&site, "http://127.0.0.1:8080/\"><script>");
        assert!(!page.contains("{{"));
        assert!(page.contains("data-site=\"example.org\""));
        assert!(!page.contains("8080/\"><script>") && page.contains("&quot;&gt;&lt;script&gt;"));
        assert!(page.contains("&lt;script defer src=&quot;http"));
    }
}
