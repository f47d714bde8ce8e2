//! The requests, as bytes made before the clock starts.
//!
//! What it is not: traffic of anybody. Hosts end in `.example`, pages are words put together.
//!
//! What surprises: 40 agents of real browsers and a browser's full header are sent, because
//! reading a header is most of what a web server does.

use std::fmt::Write;

/// Which pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// 50 pages of one site.
    Hot,
    /// 100,000 pages of 12 sites.
    Distinct,
}

/// How a view is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `POST /hit` as the tracker does.
    Post,
    /// `GET /p.gif` as the pixel does.
    Gif,
}

const AGENTS: &str = include_str!("agents.txt");
const SITES: usize = 12;
const HOT: usize = 50;
const DISTINCT: usize = 100_000;
/// So many that every page meets several agents and referrers.
const HOT_REQUESTS: usize = 4_000;
const WORDS: [&str; 48] = [
    "harbour", "winter", "library", "council", "budget", "school", "river", "bridge", "museum",
    "concert", "market", "village", "weather", "forest", "railway", "theatre", "kitchen", "garden",
    "history", "science", "health", "traffic", "housing", "energy", "island", "mountain", "summer",
    "autumn", "spring", "festival", "parish", "factory", "holiday", "journey", "letter", "measure",
    "morning", "evening", "opinion", "outlook", "pension", "quality", "report", "season", "signal",
    "station", "support", "visitor",
];
const REFERRERS: [&str; 10] = [
    "",
    "",
    "",
    "https://SITE/",
    "https://SITE/",
    "https://SITE/",
    "https://SITE/",
    "https://www.google.com/",
    "https://news.ycombinator.com/",
    "https://duckduckgo.com/",
];

/// The host of a site of the bench.
pub(crate) fn site(number: usize) -> String {
    if number == 0 { "bench.example".into() } else { format!("bench{number}.example") }
}

/// Every site that may be asked for.
pub(crate) fn sites() -> impl Iterator<Item = String> {
    (0..SITES).map(site)
}

/// All requests of a profile, in both forms.
pub(crate) struct Requests {
    posts: Vec<Vec<u8>>,
    gifs: Vec<Vec<u8>>,
}

impl Requests {
    pub(crate) fn new(profile: Profile) -> Self {
        let agents: Vec<&str> = AGENTS.lines().collect();
        let (requests, pages, sites) = match profile {
            Profile::Hot => (HOT_REQUESTS, HOT, 1),
            Profile::Distinct => (DISTINCT, DISTINCT, SITES),
        };
        let mut all =
            Self { posts: Vec::with_capacity(requests), gifs: Vec::with_capacity(requests) };
        for number in 0..requests {
            // Steps without a common factor, so that site, page, agent and referrer vary apart.
            let page = number * 7_919 % pages;
            let site = site(page % sites);
            let referrer = REFERRERS[number * 3 % REFERRERS.len()].replace("SITE", &site);
            let agent = agents[(number * 11 + number / pages) % agents.len()];
            let view = View { site: &site, page: &page_name(page), referrer: &referrer, agent };
            all.posts.push(view.post());
            all.gifs.push(view.gif());
        }
        all
    }

    pub(crate) fn of(&self, form: Form) -> &[Vec<u8>] {
        match form {
            Form::Post => &self.posts,
            Form::Gif => &self.gifs,
        }
    }
}

/// A page of three words; different for every number below 110,592.
fn page_name(number: usize) -> String {
    let word = |power: u32| WORDS[number / WORDS.len().pow(power) % WORDS.len()];
    format!("/news/{}-{}-{}", word(0), word(1), word(2))
}

struct View<'a> {
    site: &'a str,
    page: &'a str,
    referrer: &'a str,
    agent: &'a str,
}

impl View<'_> {
    fn post(&self) -> Vec<u8> {
        let Self { site, page, referrer, .. } = self;
        let body = format!(r#"{{"s":"{site}","p":"{page}","r":"{referrer}"}}"#);
        let length = body.len();
        let mut text = "POST /hit HTTP/1.1\r\n".to_owned();
        self.browser_header(&mut text, "*/*");
        text.extend([
            "Content-Type: text/plain;charset=UTF-8\r\n".to_owned(),
            format!("Origin: https://{site}\r\nContent-Length: {length}\r\n\r\n{body}"),
        ]);
        text.into_bytes()
    }

    fn gif(&self) -> Vec<u8> {
        let Self { site, page, referrer, .. } = self;
        let mut text = format!("GET /p.gif?s={site}&p={page}&r={referrer} HTTP/1.1\r\n");
        self.browser_header(&mut text, "image/avif,image/webp,image/*,*/*;q=0.8");
        text.push_str("\r\n");
        text.into_bytes()
    }

    fn browser_header(&self, text: &mut String, accept: &str) {
        let Self { site, agent, .. } = self;
        let written = write!(
            text,
            "Host: stats.example\r\nConnection: keep-alive\r\nUser-Agent: {agent}\r\n\
             Accept: {accept}\r\nReferer: https://{site}/\r\nAccept-Encoding: gzip, deflate, br\r\n\
             Accept-Language: sv-SE,sv;q=0.9,en;q=0.8\r\n"
        );
        debug_assert!(written.is_ok(), "a String takes all text");
    }
}
