//! `GET /privacy` and `GET /.well-known/headcount.json`: what a visitor may read about the counting.
//!
//! What it is not: counted or logged. The collector has cleaned the request as it cleans a hit and
//! hands over what would be kept, for its sender alone.
//!
//! What surprises: only the site that the request names is named. Who else is counted here is
//! nobody's business.

use std::sync::Arc;

use askama::Template as _;
use headcount_collector::{Body, PREVIEW_PATH, Preview, plain};
use headcount_core::cell::Attribute;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::book::{Kind, words};
use super::document::{Document, languages};
use super::facts::{Facts, Lang, Mode};
use super::html::{CSS, Page, Shown};
use super::published;
use crate::config::Config;

/// The machine-readable summary.
const SUMMARY_PATH: &str = "/.well-known/headcount.json";
/// The page's style.
const CSS_PATH: &str = "/privacy.css";
/// Nothing but our own style: no script, no picture, no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What was published, as the running process knows it.
pub(crate) type Known = Arc<dyn Fn() -> published::All + Send + Sync>;

/// What is served of the configuration, which does not change while a process runs, and of what was
/// published, which does.
pub(crate) struct Privacy {
    facts: Facts,
    published: Known,
    /// What the site speaks.
    language: Lang,
    /// In which languages the notice can be made.
    made: Vec<Lang>,
    mode: Mode,
    retention_days: u32,
    visitors: bool,
    /// Whether a page's visitor sends what is counted. Of a request no log is known.
    previews: bool,
}

impl Privacy {
    /// For a room that counts.
    pub(crate) fn new(config: &Config, mode: Mode, published: Known) -> Self {
        let facts = Facts::new(config, mode, Vec::new());
        let language = Lang::parse(&config.notice.language).unwrap_or(Lang::En);
        let made = languages(&facts);
        if config.notice.is_begun()
            && let Err(missing) = Document::make(Kind::Notice, &facts, language)
        {
            let shown = made.first().map_or("none", |lang| lang.code());
            tracing::warn!(%missing, shown, "the notice cannot be made in notice.language");
        }
        Self {
            facts,
            published,
            language,
            made,
            mode,
            retention_days: config.retention_days,
            visitors: config.visitors,
            previews: !config.notice.is_log_alone(),
        }
    }

    /// Answers what is this module's; `None` for every other path.
    pub(crate) fn answer(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let path = request.uri().path();
        if ![PREVIEW_PATH, SUMMARY_PATH, CSS_PATH].contains(&path) {
            return None;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(answer);
        }
        Some(match path {
            CSS_PATH => typed("text/css; charset=utf-8", CSS.to_owned()),
            SUMMARY_PATH => typed("application/json; charset=utf-8", self.summary()),
            _ => {
                let preview = request.extensions().get::<Arc<Preview>>();
                let preview = preview.map_or(&Preview::NotOurs, |preview| preview.as_ref());
                self.page(request.uri().query().unwrap_or(""), preview)
            }
        })
    }

    /// The page for one request.
    fn page(&self, query: &str, preview: &Preview) -> Response<Body> {
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
        let site = preview.site().map(str::to_owned);
        let facts = self.facts.of_sites(site.into_iter().collect()).publishing((self.published)());
        // Whoever asks for none gets one that there is.
        let first = self.made.first().filter(|_| !self.made.contains(&self.language));
        let own = *first.unwrap_or(&self.language);
        let Some(lang) = asked.map_or(Some(own), Lang::parse) else {
            return plain(StatusCode::BAD_REQUEST, "lang is en or sv\n");
        };
        let document = Document::make(Kind::Notice, &facts, lang).ok();
        let footer = document
            .as_ref()
            .map_or_else(|| words(lang).preview("missing").to_owned(), Document::footer);
        let title = document.as_ref().map_or(words(lang).heading("notice"), |made| &made.title);
        let others = Lang::ALL.into_iter().filter(|other| *other != lang);
        let others = others.filter(|other| self.made.contains(other));
        let page = Page {
            lang: lang.code(),
            title,
            inline: false,
            css: CSS,
            links: others.map(|other| (other, address(other, preview))).collect(),
            preview: self.previews.then(|| shown(preview, lang)),
            sections: document.as_ref().map_or(&[], |made| &made.sections),
            footer: &footer,
        };
        match page.render() {
            Ok(text) => typed("text/html; charset=utf-8", text),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made\n"),
        }
    }

    /// What a program may read.
    fn summary(&self) -> String {
        let facts = self.facts.clone().publishing((self.published)());
        json!({
            "program": "headcount",
            "version": env!("CARGO_PKG_VERSION"),
            "notice": {
                "path": PREVIEW_PATH,
                "hash": facts.hash(),
                "languages": self.made.iter().map(|lang| lang.code()).collect::<Vec<_>>(),
            },
            "mode": if self.mode == Mode::Cluster { "cluster" } else { "embedded" },
            "visitors": if self.visitors { "daily" } else { "off" },
            "retention_days": self.retention_days,
        })
        .to_string()
    }
}

/// This page in another language. The clean page goes along: nothing else would say it again, for
/// the page's own links send no referrer.
fn address(lang: Lang, preview: &Preview) -> String {
    let coded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut address = format!("{PREVIEW_PATH}?lang={}", lang.code());
    if let Some(site) = preview.site() {
        address += &format!("&s={}", coded(site));
    }
    if let Preview::Counted { page, .. } = preview {
        address += &format!("&p={}", coded(page));
    }
    address
}

/// A request's outcome in words.
fn shown(preview: &Preview, lang: Lang) -> Shown {
    let words = words(lang);
    let mut rows = Vec::new();
    let said = match preview {
        Preview::NotOurs => words.preview("not_ours").to_owned(),
        Preview::Refused { reason, .. } => {
            words.preview(&format!("refused_{}", reason.as_str())).to_owned()
        }
        Preview::Counted { site, page, attributes } => {
            rows.push((words.preview("site"), site.clone()));
            rows.push((words.preview("page"), page.clone()));
            let named = |attribute: &Attribute| words.preview(attribute.as_str());
            rows.extend(attributes.iter().map(|(of, value)| (named(of), value.clone())));
            words.preview("counted").to_owned()
        }
    };
    let (heading, intro) = (words.preview("heading"), words.preview("intro"));
    Shown { heading, intro, said, rows, unread: words.preview("unread") }
}

/// An answer that nobody keeps and nothing may be loaded into.
fn typed(kind: &'static str, text: String) -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
