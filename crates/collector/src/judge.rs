//! From a beacon to cells: the rules of section 4 of the design, in their order.
//!
//! What it is not: I/O. It runs on one core, from the moment the body is whole to the moment the
//! cells are in the core's open group, without waiting.
//!
//! What surprises: a refused beacon goes the same way as a counted one, as a cell of its own, and
//! waits for the same commit, so that neither answer nor time tells a visitor which it was.

pub(crate) mod preview;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use headcount_core::campaign::Campaign;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::source::Source;
use headcount_core::time::{Clock, Day, Hour};
use hyper::HeaderMap;
use hyper::header;

use crate::beacon::{Beacon, host_of, lower};
use crate::client::{Client, ClientFamily, Clients, UaDigest};
use crate::country::{Countries, CountryCode};
use crate::locked::LooseKey;
use crate::metrics::Metrics;
use crate::names::{KnownNames, NameId, NameKind, Names};
use crate::peer::{AddressSource, Peer, Prefix};
use crate::rate::RateLimit;
use crate::rejection::Rejection;
use crate::release::EdgeCell;
use crate::sites::{SiteEntry, SiteTable};
use crate::visitors::Visitors;

/// What all cores share.
pub(crate) struct Shared {
    pub(crate) addresses: AddressSource,
    pub(crate) countries: Countries,
    pub(crate) visitors: Option<Visitors>,
    /// An image that no page sent counts nothing: it may lie in a mail, with a name for each recipient.
    pub(crate) images_need_a_page: bool,
    pub(crate) rate: RateLimit,
    /// What agents are told apart by, on all cores alike.
    pub(crate) agents: Arc<LooseKey>,
    /// The day of the two keys before.
    pub(crate) day: AtomicU32,
    pub(crate) names: Arc<Names>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Shared {
    /// Ends a day that is over: its key and its marks are gone within a tick of midnight, whether
    /// or not anybody comes.
    pub(crate) fn keep_day(&self) -> Day {
        let now = self.clock.unix_seconds();
        let day = Hour::of_unix(now).day();
        if let Some(visitors) = &self.visitors {
            visitors.keep(day);
        }
        self.rate.sweep(now);
        if self.day.swap(day.0, Ordering::Relaxed) != day.0 {
            self.renew_keys();
        }
        day
    }

    fn renew_keys(&self) {
        let mut keys = [[0; 32]; 2];
        if keys.iter_mut().any(|key| getrandom::fill(key).is_err()) {
            tracing::error!("no randomness for a new day's keys");
        }
        let [rate, agents] = keys;
        self.rate.renew(&rate);
        self.agents.replace(&agents);
    }

    /// Wipes what no hit needs any more.
    pub(crate) fn end(&self) {
        if let Some(visitors) = &self.visitors {
            visitors.end();
        }
        self.rate.renew(&[0; 32]);
        self.agents.replace(&[0; 32]);
    }
}

/// What is read of a request's headers, found in one pass.
#[derive(Default)]
pub(crate) struct Signals<'a> {
    agent: &'a [u8],
    origin: Option<&'a str>,
    referer: Option<&'a str>,
    refusal: Option<RefusalReason>,
}

/// One core's judge.
pub(crate) struct Judge {
    shared: Arc<Shared>,
    clients: RefCell<Clients>,
    known: RefCell<KnownNames>,
    /// The day of the clients.
    day: Cell<Day>,
}

/// How a beacon came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `GET /p.gif`: without `p` the page is the `Referer`, and no site is no error.
    Pixel,
    /// `GET` of another tool's tracker: an image, too.
    Image,
    /// `POST /hit`, and what another tool's tracker posts.
    Hit,
}

/// What a beacon comes to.
pub(crate) enum Verdict {
    /// The cells are those of a hit.
    Counted,
    /// The one cell is that of a refusal.
    Refused(RefusalReason),
    /// Nothing of ours: answered and not counted.
    NotOurs,
    /// No beacon.
    Rejected(Rejection),
}

impl<'a> Signals<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut signals = Self::default();
        for (name, value) in headers {
            match *name {
                header::USER_AGENT => signals.agent = value.as_bytes(),
                header::ORIGIN => signals.origin = value.to_str().ok().filter(|o| *o != "null"),
                header::REFERER => signals.referer = value.to_str().ok(),
                header::DNT if value == "1" => signals.refuse(RefusalReason::Dnt),
                _ => match name.as_str() {
                    "sec-gpc" if value == "1" => signals.refuse(RefusalReason::Gpc),
                    "sec-purpose" | "purpose" | "x-purpose" | "x-moz"
                        if is_ahead(value.as_bytes()) =>
                    {
                        signals.refuse(RefusalReason::Prefetch);
                    }
                    _ => {}
                },
            }
        }
        signals
    }

    /// The first reason in the order of [`RefusalReason`] is the one that is counted.
    fn refuse(&mut self, reason: RefusalReason) {
        self.refusal = Some(self.refusal.map_or(reason, |before| before.min(reason)));
    }

    /// The host that sent the page; `Origin` is the more reliable.
    fn host(&self) -> Option<Cow<'a, str>> {
        self.origin.or(self.referer).and_then(host_of)
    }
}

/// Whether a browser says that it loads ahead of its person.
pub(crate) fn is_ahead(value: &[u8]) -> bool {
    ["prefetch", "prerender", "preview"].iter().any(|word| {
        value.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}

impl Judge {
    pub(crate) fn new(shared: Arc<Shared>, clients: Clients) -> Self {
        let day = Cell::new(shared.clock.hour().day());
        let known = RefCell::new(KnownNames::default());
        Self { shared, clients: RefCell::new(clients), known, day }
    }

    /// Ends a day that is over: what all cores share, and this one's clients.
    pub(crate) fn keep_day(&self) {
        let day = self.shared.keep_day();
        if self.day.replace(day) != day {
            self.clients.borrow_mut().forget();
            self.forget_names();
        }
    }

    /// [`Judge::keep_day`] where `day` is another one than that of the last hit.
    pub(crate) fn begin(&self, day: Day) {
        if self.day.get() != day {
            self.keep_day();
        }
    }

    /// The client of a `User-Agent` value and the digest of that value.
    pub(crate) fn client(&self, agent: &[u8]) -> (Client, UaDigest) {
        self.clients.borrow_mut().lookup(agent)
    }

    /// Judges a whole beacon. What is to be added up goes into `cells`, which are empty.
    pub(crate) fn judge(
        &self,
        sites: &SiteTable,
        beacon: &Beacon<'_>,
        (way, (headers, peer)): (Way, (&HeaderMap, Peer)),
        cells: &mut Vec<EdgeCell>,
    ) -> Verdict {
        let signals = Signals::of(headers);
        let from = signals.host();
        let Some(site) = site_of(sites, beacon, from.as_deref()) else {
            return match way {
                Way::Pixel => Verdict::NotOurs,
                Way::Image | Way::Hit => Verdict::Rejected(Rejection::UnknownSite),
            };
        };
        let hour = self.shared.clock.hour();
        self.begin(hour.day());
        let mut refuse = |reason| {
            cells.push(refusal(site, hour, reason));
            Verdict::Refused(reason)
        };
        if let Some(reason) = signals.refusal {
            return refuse(reason);
        }
        let agent = beacon.agent.as_ref().map_or(signals.agent, |agent| agent.0.as_bytes());
        let (client, agent) = self.client(agent);
        if client.robot {
            return refuse(RefusalReason::Robot);
        }
        let is_alone = from.is_none() && way != Way::Hit && self.shared.images_need_a_page;
        if is_alone || is_foreign(sites, site, from.as_deref()) {
            return refuse(RefusalReason::Origin);
        }
        let prefix = self.shared.addresses.prefix(peer, headers);
        let within = |p| self.shared.rate.allows(site.id.0, p, self.shared.clock.unix_seconds());
        if !prefix.is_none_or(within) {
            return refuse(RefusalReason::Rate);
        }
        let page = match (page_of(beacon, &signals), way) {
            (Some(page), _) => page,
            (None, Way::Pixel) => return refuse(RefusalReason::NoPage),
            (None, Way::Image | Way::Hit) => return Verdict::Rejected(Rejection::NoPage),
        };
        let hit = Hit { site, hour, page, marks: (hour.day(), site.id.0) };
        match self.target(site, beacon) {
            Some(target) => self.click(&hit, &target, cells),
            None => {
                let referrer = referrer_of(beacon);
                let visitor = Visitor { family: client.family, prefix, agent };
                self.view(&hit, referrer, &visitor, cells);
            }
        }
        Verdict::Counted
    }

    /// The clean target of a click or event; `None` makes it a view.
    fn target(&self, site: &SiteEntry, beacon: &Beacon<'_>) -> Option<String> {
        let event = beacon.e.as_ref().map(|event| site.rules.event(&event.0).as_str().to_owned());
        event.or_else(|| beacon.c.as_ref().map(|c| site.rules.target(&c.0).as_str().to_owned()))
    }

    fn click(&self, hit: &Hit<'_>, target: &str, cells: &mut Vec<EdgeCell>) {
        let page = self.page(hit);
        let target = self.name(hit, NameKind::Target, target);
        let one = Counts { clicks: 1, ..Counts::ZERO };
        let (site, hour) = (hit.site.id, hit.hour);
        cells.push((site, CellKey::Site { hour }, one));
        cells.push((site, CellKey::Click { hour, page, target }, one));
    }

    /// The cells of a view: the site's, the page's and one of each attribute.
    pub(crate) fn view(
        &self,
        hit: &Hit<'_>,
        referrer: &str,
        visitor: &Visitor,
        cells: &mut Vec<EdgeCell>,
    ) {
        let Visitor { family, prefix, agent } = visitor;
        let page = self.page(hit);
        let clean = self.clean(hit.site, (hit.page, referrer), (family, *prefix));
        let (new_on_site, new_on_page) = self.firsts(hit, *prefix, agent, page);
        let visits = u64::from(!clean.source.is_internal());
        let of_site = Counts { views: 1, visits, visitors: new_on_site, ..Counts::ZERO };
        let of_page = Counts { visitors: new_on_page, ..of_site };
        let (site, hour) = (hit.site.id, hit.hour);
        cells.push((site, CellKey::Site { hour }, of_site));
        cells.push((site, CellKey::Page { hour, page }, of_page));
        for attribute in Attribute::ALL {
            let value = self.name(hit, NameKind::Value(attribute), clean.value(attribute));
            cells.push((site, CellKey::Attribute { day: hour.day(), attribute, value }, of_site));
        }
    }

    /// What a view is counted under. Nothing is remembered here.
    fn clean<'a>(
        &self,
        site: &SiteEntry,
        (page, referrer): (&str, &str),
        (family, prefix): (&'a ClientFamily, Option<Prefix>),
    ) -> Clean<'a> {
        Clean {
            source: site.rules.source(referrer),
            country: prefix.map_or(CountryCode::UNKNOWN, |p| p.country(&self.shared.countries)),
            family,
            campaign: site.rules.campaign(page),
        }
    }

    /// 1 and 1 if this is the visitor's first view today of the site and of the page.
    fn firsts(
        &self,
        hit: &Hit<'_>,
        prefix: Option<Prefix>,
        agent: &[u8; 16],
        page: NameId,
    ) -> (u64, u64) {
        let (Some(visitors), Some(prefix)) = (&self.shared.visitors, prefix) else { return (0, 0) };
        let (day, among) = hit.marks;
        visitors.mark(day, among, prefix, agent).map_or((0, 0), |mark| {
            let first = u64::from(visitors.is_new(&mark));
            (first, u64::from(visitors.is_new_on(&mark, page.0)))
        })
    }

    /// Forgets the names it has met.
    pub(crate) fn forget_names(&self) {
        *self.known.borrow_mut() = KnownNames::default();
    }

    fn page(&self, hit: &Hit<'_>) -> NameId {
        self.name(hit, NameKind::Page, hit.site.rules.page(hit.page).as_str())
    }

    fn name(&self, hit: &Hit<'_>, kind: NameKind, text: &str) -> NameId {
        let at = (hit.site.id, hit.hour.day());
        self.known.borrow_mut().number(&self.shared.names, at, kind, text)
    }
}

/// A beacon that will be counted.
pub(crate) struct Hit<'a> {
    pub(crate) site: &'a SiteEntry,
    pub(crate) hour: Hour,
    /// Untrusted: the page as it came.
    pub(crate) page: &'a str,
    /// The day at which its visitor is marked, and the number of those among whom it is distinct.
    pub(crate) marks: (Day, u32),
}

/// Who asked, as far as it is counted.
pub(crate) struct Visitor {
    pub(crate) family: ClientFamily,
    pub(crate) prefix: Option<Prefix>,
    pub(crate) agent: UaDigest,
}

/// A view's attributes, clean.
struct Clean<'a> {
    source: Source,
    country: CountryCode,
    family: &'a ClientFamily,
    campaign: Campaign,
}

impl Clean<'_> {
    fn value(&self, attribute: Attribute) -> &str {
        match attribute {
            Attribute::Source => self.source.as_str(),
            Attribute::Country => self.country.as_str(),
            Attribute::Device => self.family.device.as_str(),
            Attribute::Browser => self.family.browser,
            Attribute::Os => self.family.os,
            Attribute::UtmSource => self.campaign.source.as_str(),
            Attribute::UtmMedium => self.campaign.medium.as_str(),
            Attribute::UtmCampaign => self.campaign.campaign.as_str(),
        }
    }
}

/// The site that a beacon is for: the one it names, else the one whose page sent it.
fn site_of<'t>(
    sites: &'t SiteTable,
    beacon: &Beacon<'_>,
    from: Option<&str>,
) -> Option<&'t Arc<SiteEntry>> {
    match &beacon.s {
        Some(s) => sites.by_host(&lower(s.0.trim())),
        None => from.and_then(|host| sites.by_host(host)),
    }
}

/// Whether the page that sent a beacon belongs to another site, or to none.
fn is_foreign(sites: &SiteTable, site: &SiteEntry, from: Option<&str>) -> bool {
    let belongs = |host: &str| sites.by_host(host).is_some_and(|of| of.id == site.id);
    from.is_some_and(|host| !belongs(host))
}

/// What led to the page, as it was said.
fn referrer_of<'a>(beacon: &'a Beacon<'_>) -> &'a str {
    beacon.r.as_ref().map_or("", |referrer| referrer.0.as_ref())
}

/// The page: as it was said, else the one that sent the beacon.
fn page_of<'a>(beacon: &'a Beacon<'_>, signals: &Signals<'a>) -> Option<&'a str> {
    beacon.p.as_ref().map(|page| page.0.as_ref()).or(signals.referer)
}

pub(crate) fn refusal(site: &SiteEntry, hour: Hour, reason: RefusalReason) -> EdgeCell {
    let key = CellKey::Refusal { day: hour.day(), reason };
    (site.id, key, Counts { refused: 1, ..Counts::ZERO })
}
