//! A store of two sites with made-up counts, for tests.
//!
//! What it is not: the store. It answers by the shape of a question and ignores most of it.
//!
//! What surprises: page names are set by the test, so that hostile ones can be shown.

use std::sync::Arc;

use headcount_core::site::SiteHost;
use headcount_core::time::{Day, ManualClock};
use headcount_store::StoreError;
use headcount_store::control::{Grant, Kind, Proof, Role};
use headcount_store::question::{Answer, Books, By, Question, Refused, Row};

use crate::backend::{Backend, Doors, Said};
use crate::time_zone::TimeZone;
use crate::{Parts, Snippet, Stats};

/// 2026-11-21T12:03:00Z.
pub(crate) const NOW: u64 = 1_795_262_580;
/// A token of `example.org`.
pub(crate) const TOKEN: &str = "0123456789abcdef";
/// A token of `other.example`.
pub(crate) const OTHER_TOKEN: &str = "fedcba9876543210";
/// The token of a shared link to `example.org`.
pub(crate) const SHARE: &str = "hc_5ha4e";
/// A viewer's token of `example.org`.
pub(crate) const VIEWER: &str = "77e3";
/// A link that signs in once; the fake does not count how often.
pub(crate) const LINK: &str = "hc_1111111111111111111111111111111111111111111111111111111111111111";
/// A token that signs in, and is revoked at once.
pub(crate) const GONE: &str = "90ne";
const GONE_ID: i64 = 6;
/// Text, number, site, kind and role of each.
const TOKENS: [(&str, i64, &str, Kind, Role); 6] = [
    (TOKEN, 1, "example.org", Kind::Api, Role::Owner),
    (OTHER_TOKEN, 2, "other.example", Kind::Api, Role::Owner),
    (SHARE, 3, "example.org", Kind::Share, Role::Viewer),
    (VIEWER, 4, "example.org", Kind::Api, Role::Viewer),
    (LINK, 5, "example.org", Kind::Link, Role::Viewer),
    (GONE, GONE_ID, "example.org", Kind::Api, Role::Owner),
];
/// The operator's code.
pub(crate) const CODE: &str = "c0de";

pub(crate) fn host(text: &str) -> SiteHost {
    SiteHost::parse(text).expect("a host")
}

/// What a test may change.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) names: Vec<String>,
    pub(crate) books: Option<Books>,
    pub(crate) fails: bool,
    pub(crate) https: bool,
    pub(crate) time_zone: &'static str,
    pub(crate) hours: bool,
    pub(crate) codes_until: Option<u64>,
}

impl Default for Fake {
    fn default() -> Self {
        let names = ["/", "/prices", "/blog/how-we-count", "/about", "(other)"];
        let books = Some(Books { audit_delta: 0, tiled: true, checked_at: NOW });
        let names = names.map(str::to_owned).to_vec();
        let (time_zone, codes_until) = ("UTC", None);
        Self { names, books, fails: false, https: false, time_zone, hours: true, codes_until }
    }
}

impl Fake {
    pub(crate) fn stats(&self) -> Stats {
        self.stats_over(self.backend())
    }

    pub(crate) fn stats_over(&self, backend: Backend) -> Stats {
        let sites = [host("example.org"), host("other.example")];
        let time_zone = self.time_zone;
        Stats::new(Parts {
            backend,
            readers: 2,
            clock: Arc::new(ManualClock::at(NOW)),
            sites: Arc::new(move || sites.to_vec()),
            time_zone: Arc::new(move |_| TimeZone::named(time_zone).expect("a zone")),
            snippet: Arc::new(|site| Snippet {
                lines: vec![format!("<script data-site=\"{site}\"></script>"), "<img>".to_owned()],
                origin: "https://count.example".to_owned(),
            }),
            visitors_note: Arc::new(|| "restarts today: 1; at most 0.4 % too low".to_owned()),
            k: 5,
            k_day: 3,
            hours: self.hours,
            retention_days: 365,
            https: self.https,
            signin_codes: vec![CODE.to_owned()],
            codes_until: self.codes_until,
        })
    }

    pub(crate) fn backend(&self) -> Backend {
        let (fake, books, fails) = (self.clone(), self.books, self.fails);
        let refused = |reason: &str, refused| Refused { reason: reason.to_owned(), refused };
        Backend {
            ask: Arc::new(move |question| fake.answer(question)),
            refused: Arc::new(move |_, _, _| {
                Ok(vec![refused("gpc", 41), refused("robot", 1_203), refused("prefetch", 17)])
            }),
            books: Arc::new(move || if fails { Err(broken()) } else { Ok(books) }),
            first_day: Arc::new(|_| Ok(Day::parse("2026-03-05"))),
            doors: Doors {
                grant: Arc::new(grant),
                standing: Arc::new(|id| Ok((*id != GONE_ID).then(|| of_id(*id)).flatten())),
                sign_in: Arc::new(sign_in),
            },
        }
    }

    fn answer(&self, question: &Question) -> Said<Answer> {
        if self.fails {
            return Err(broken());
        }
        if question.site.as_str() == "other.example" {
            let why = "that is not counted".to_owned();
            return Err(StoreError::Unanswerable { why });
        }
        let named = |names: &[&str]| names.iter().map(|name| vec![(*name).to_owned()]).collect();
        let names: Vec<Vec<String>> = match question.by {
            By::Total => return Ok(totals(question)),
            By::Page => self.names.iter().map(|name| vec![name.clone()]).collect(),
            By::Target => named(&["mailto", "ext:github.com", "signup"]),
            By::PageAndTarget => vec![vec!["/".to_owned(), "mailto".to_owned()]],
            By::Attribute(attribute) => match attribute.as_str() {
                "country" => named(&["SE", "DE", "GB", "JP", "(unknown)", "(other)"]),
                "device" => named(&["desktop", "mobile", "tablet"]),
                "source" if question.k > 5 => named(&["(direct)", "(other)"]),
                "source" => {
                    named(&["(direct)", "news.ycombinator.com", "duckduckgo.com", "(other)"])
                }
                "browser" => named(&["Firefox", "Chrome", "Safari"]),
                "os" => named(&["Linux", "Windows", "Android", "iOS"]),
                _ => Vec::new(),
            },
        };
        let folded = if matches!(question.by, By::Attribute(_)) { 3 } else { 0 };
        let is_short = question.limit == crate::dashboard::gather::LIST_ROWS;
        let rows_total = if is_short { 342 } else { names.len() as u64 };
        let row = |(at, names): (u64, Vec<String>)| Row {
            time: None,
            names,
            metrics: (1..)
                .zip(&question.metrics)
                .map(|(part, _)| 12_345 / (at * at * part))
                .collect(),
        };
        Ok(Answer { rows: (1..).zip(names).map(row).collect(), rows_total, folded })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of the store's function")]
pub(crate) fn grant(token: &str) -> Said<Option<Grant>> {
    let known = TOKENS.iter().find(|(text, ..)| *text == token && *text != LINK);
    Ok(known.and_then(|(_, id, ..)| of_id(*id)))
}

fn of_id(id: i64) -> Option<Grant> {
    let (_, id, site, kind, role) = TOKENS.into_iter().find(|known| known.1 == id)?;
    Some(Grant { id, site: Some(host(site)), kind, role })
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of the store's function")]
fn sign_in(proof: Proof<'_>) -> Said<Option<Grant>> {
    Ok(match proof {
        Proof::Code => Some(Grant { id: 0, site: None, kind: Kind::Link, role: Role::Owner }),
        Proof::Secret(text) => {
            let known = TOKENS.iter().find(|known| known.0 == text && known.3 != Kind::Share);
            known.and_then(|known| of_id(known.1))
        }
    })
}

fn broken() -> StoreError {
    StoreError::Damaged { path: "canary7".into(), why: "canary7".to_owned() }
}

fn totals(question: &Question) -> Answer {
    let Some(bucket) = question.time else {
        let row = Row { time: None, names: vec![], metrics: vec![18_204, 6_120, 7_411, 903] };
        return Answer { rows: vec![row], rows_total: 1, folded: 0 };
    };
    let range = crate::query::date::Range { from: question.from, to: question.to, narrowed: false };
    let row = |(at, label): (u64, String)| {
        let views = (at * 7 % 13) * (at * 3 % 7) * 9 + at;
        Row { time: Some(label), names: vec![], metrics: vec![views, views / 3, views / 2, 1] }
    };
    let rows: Vec<Row> = (0..)
        .zip(range.labels_in(bucket, &question.zone))
        .filter(|(at, _)| at % 5 != 4)
        .map(row)
        .collect();
    Answer { rows_total: u64::try_from(rows.len()).unwrap_or(0), rows, folded: 0 }
}
