//! Lines of an access log, judged as hits are: the same sanitiser, robots, addresses and names.
//!
//! What it is not: a reader of files. Lines come in, batches go out; who applied which is kept
//! elsewhere.
//!
//! What surprises: a line of the past is counted in its own hour, and marked apart from those of other
//! days, because a log need not be in order. The visitors' key is that of the day on which the line
//! is read: it ends at UTC midnight as the edge's does, whatever is read.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use headcount_core::batch::{BATCH_CELLS_MAX, Batch};
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::tally::Tally;
use headcount_core::time::{Clock, Day, Hour};
use prometheus_client::registry::Registry;

use crate::client::{ClientFamily, ClientRules, Clients};
use crate::country::Countries;
use crate::judge::{Hit, Judge, Shared, Visitor, refusal};
use crate::locked::LooseKey;
use crate::log::{self, Request};
use crate::metrics::Metrics;
use crate::names::{NameId, NameLimits, Names, OTHER, SiteId};
use crate::peer::AddressSource;
use crate::rate::RateLimit;
use crate::release::{ADMISSION_VISITORS, EdgeCell, ReleaseRule};
use crate::server::{CollectorError, random};
use crate::sites::{SiteEntry, SiteSetting, SiteTable};
use crate::visitors::{FILTER_BYTES_PER_MARK, Visitors};

/// Longest line that is read, in bytes: servers take requests of 8 KiB, and three such fields fit.
pub const LINE_BYTES_MAX: usize = 32 * 1024;
/// A line may be this much ahead of the clock, in seconds: clocks differ.
const AHEAD_SECONDS_MAX: u64 = 3_600;
/// The one site of an import.
const SITE: SiteId = SiteId(0);

/// Which lines are views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRules {
    /// Methods that count, in upper case.
    pub methods: Vec<String>,
    /// Statuses that count.
    pub statuses: Vec<u16>,
    /// Endings that a page's path may have, in lower case without the dot. A path without an
    /// ending is a page.
    pub endings: Vec<String>,
    /// Beginnings of paths that are no pages.
    pub without: Vec<String>,
}

impl Default for LineRules {
    fn default() -> Self {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            methods: own(&["GET"]),
            statuses: vec![200, 304],
            endings: own(&[
                "html", "htm", "xhtml", "shtml", "php", "asp", "aspx", "jsp", "jspx", "cgi", "cfm",
                "do", "pl", "md",
            ]),
            without: Vec::new(),
        }
    }
}

/// Why a line is not a view: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skipped {
    /// None of the known formats, or too long.
    Unreadable,
    /// Of another host.
    Host,
    /// Another method, or no request at all.
    Method,
    /// Another status.
    Status,
    /// Not a page: an ending that pages do not have.
    NoPage,
    /// Older than counts are kept.
    Retention,
    /// Of a time that has not come.
    Future,
    /// Refused as a beacon would be.
    Refused(RefusalReason),
}

impl Skipped {
    /// Every reason, in the order of the judgement.
    pub const ALL: [Self; 11] = [
        Self::Unreadable,
        Self::Host,
        Self::Method,
        Self::Status,
        Self::NoPage,
        Self::Retention,
        Self::Future,
        Self::Refused(RefusalReason::Gpc),
        Self::Refused(RefusalReason::Dnt),
        Self::Refused(RefusalReason::Prefetch),
        Self::Refused(RefusalReason::Robot),
    ];

    /// The word of the summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Host => "another host",
            Self::Method => "another method",
            Self::Status => "another status",
            Self::NoPage => "not a page",
            Self::Retention => "older than retention_days",
            Self::Future => "in the future",
            Self::Refused(reason) => reason.as_str(),
        }
    }
}

/// What of a line is still to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing: it was counted. Its visitor is remembered.
    Nothing,
    /// Its attributes: the page was counted, and they waited for a crowd.
    Attributes,
    /// Everything.
    Everything,
}

/// What an import is made with.
pub struct LogSetting {
    /// The site.
    pub site: SiteSetting,
    /// Networks of proxies, whose addresses say nothing of a visitor.
    pub addresses: AddressSource,
    /// Networks to countries.
    pub countries: Countries,
    /// Whether visitors are counted, and MiB of their filter.
    pub visitors: Option<usize>,
    /// When cells may leave.
    pub release: ReleaseRule,
    /// Bounds of names.
    pub names: NameLimits,
    /// Days before this one are refused.
    pub oldest: Day,
    /// Which lines are views.
    pub rules: LineRules,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The judge of logs.
pub struct LogJudge {
    judge: Judge,
    shared: Arc<Shared>,
    site: Arc<SiteEntry>,
    sites: SiteTable,
    release: ReleaseRule,
    oldest: Day,
    rules: LineRules,
    texts: HashMap<NameId, (Day, Box<str>), RandomState>,
    /// The number of the running visitors' key.
    turn: u64,
    /// First views since that key was drawn, of the site and of pages: the filter's marks.
    marks: u64,
    marks_max: u64,
    cells: Vec<EdgeCell>,
    /// Visitors of each page of this run, where names wait for some.
    admitting: HashMap<NameId, u64, RandomState>,
}

/// Ends the days of a [`LogJudge`], whose own thread may wait for a line or for the store.
pub struct DayKeeper(Arc<Shared>);

impl DayKeeper {
    /// Replaces the keys and wipes the marks of a day that is over. Call it twice a second.
    pub fn keep(&self) {
        self.0.keep_day();
    }
}

/// What was counted of one log and has not left.
pub struct Pending {
    pages: Tally<SiteId, NameId>,
    /// Attributes of days that were over before the first of a running day came.
    past: Tally<SiteId, NameId>,
    attributes: Tally<SiteId, NameId>,
    /// Whether the attributes hold a day that was not over.
    runs: bool,
    /// The latest day of a cell, whether it was added or had been counted before.
    last_day: Day,
}

impl Default for Pending {
    fn default() -> Self {
        let [pages, past, attributes] = [Tally::default(), Tally::default(), Tally::default()];
        Self { pages, past, attributes, runs: false, last_day: Day(0) }
    }
}

impl Pending {
    /// Cells held.
    pub fn len(&self) -> usize {
        self.pages.len() + self.past.len() + self.attributes.len()
    }

    /// Cells of pages among them, which need not wait.
    pub fn pages_len(&self) -> usize {
        self.pages.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The latest day of a line that made a cell, be it of a view or of a refusal, and whether it
    /// was added or had been counted before. The first of all days if none did.
    pub fn last_day(&self) -> Day {
        self.last_day
    }

    /// Whether the last line began a day that is not over, so that what came before it may leave
    /// alone: see [`LogJudge::past_attributes`].
    pub fn has_past(&self) -> bool {
        !self.past.is_empty()
    }

    fn add(&mut self, cell: &EdgeCell, (part, today): (Part, Day)) {
        let (site, key, counts) = cell;
        self.last_day = self.last_day.max(key.day());
        if !matches!(key, CellKey::Attribute { .. }) {
            if part == Part::Everything {
                self.pages.add(*site, *key, counts);
            }
            return;
        }
        if part == Part::Nothing {
            return;
        }
        if key.day() >= today && !self.runs {
            self.runs = true;
            self.past.merge(std::mem::take(&mut self.attributes));
        }
        self.attributes.add(*site, *key, counts);
    }
}

impl LogJudge {
    /// Makes a judge with a fresh key.
    ///
    /// # Errors
    /// [`CollectorError`] if there is no randomness or no lockable memory, or a list that came
    /// with the binary is broken.
    pub fn start(setting: LogSetting) -> Result<Self, CollectorError> {
        let host = setting.site.host.clone();
        let sites = SiteTable::new([(SITE, setting.site)]);
        let site = Arc::clone(sites.by_host(host.as_str()).ok_or(CollectorError::Stopped)?);
        let day = setting.clock.hour().day();
        let visitors = setting.visitors.map(|mib| Visitors::new(mib, day)).transpose()?;
        let filter_bytes = setting.visitors.unwrap_or(1).max(1) * 1024 * 1024;
        let marks_max = u64::try_from(filter_bytes / FILTER_BYTES_PER_MARK).unwrap_or(u64::MAX);
        let shared = Arc::new(Shared {
            addresses: setting.addresses,
            countries: setting.countries,
            visitors,
            images_need_a_page: false,
            rate: RateLimit::new(0, random()?),
            agents: Arc::new(LooseKey::new(&random()?)),
            day: day.0.into(),
            names: Arc::new(Names::new(setting.names, [])),
            clock: setting.clock,
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
        });
        let rules = Arc::new(ClientRules::load()?);
        let clients = Clients::sharing(rules, Arc::clone(&shared.agents));
        Ok(Self {
            judge: Judge::new(Arc::clone(&shared), clients),
            site,
            sites,
            release: setting.release,
            oldest: setting.oldest,
            rules: setting.rules,
            texts: HashMap::default(),
            turn: shared.visitors.as_ref().map_or(0, Visitors::turn),
            shared,
            marks: 0,
            marks_max,
            cells: Vec::new(),
            admitting: HashMap::default(),
        })
    }

    /// Judges a line, without its end, and adds up what `part` says. Gives the day of the view.
    ///
    /// # Errors
    /// Why it is not a view; it may have been counted as refused.
    pub fn take(&mut self, line: &[u8], part: Part, pending: &mut Pending) -> Result<Day, Skipped> {
        let request = Some(line).filter(|line| line.len() <= LINE_BYTES_MAX).and_then(log::read);
        let request = request.ok_or(Skipped::Unreadable)?;
        let now = self.shared.clock.unix_seconds();
        let today = Hour::of_unix(now).day();
        self.judge.begin(today);
        // Decided by the lines of the day alone, so that reading them again turns the key at the same.
        if let Some(visitors) =
            self.shared.visitors.as_ref().filter(|_| self.marks >= self.marks_max)
        {
            visitors.replace_full();
        }
        let hour = self.hour(&request, now)?;
        self.cells.clear();
        let outcome = match self.visitor(&request) {
            Ok(visitor) => {
                let marks = (today, hour.day().0);
                let hit = Hit { site: &self.site, hour, page: &request.target, marks };
                self.judge.view(&hit, &request.referrer, &visitor, &mut self.cells);
                Ok(hour.day())
            }
            Err(reason) => {
                self.cells.push(refusal(&self.site, hour, reason));
                Err(Skipped::Refused(reason))
            }
        };
        self.notice_key();
        for cell in &self.cells {
            match cell.1 {
                CellKey::Site { .. } => self.marks += cell.2.visitors,
                CellKey::Page { page, .. } => {
                    self.marks += cell.2.visitors;
                    if self.release.admission {
                        *self.admitting.entry(page).or_default() += cell.2.visitors;
                    }
                }
                _ => {}
            }
            pending.add(cell, (part, today));
        }
        outcome
    }

    /// Begins to count anew what was counted under one key. Who was marked under the last one is
    /// nobody that is known: they may all be the same visitor now.
    fn notice_key(&mut self) {
        let turn = self.shared.visitors.as_ref().map_or(0, Visitors::turn);
        if self.turn == turn {
            return;
        }
        (self.turn, self.marks) = (turn, 0);
        let waiting = self.admitting.values_mut().filter(|seen| **seen < ADMISSION_VISITORS);
        waiting.for_each(|seen| *seen = (*seen).min(1));
    }

    /// Who ends the days of this judge, from another thread.
    pub fn keeper(&self) -> DayKeeper {
        DayKeeper(Arc::clone(&self.shared))
    }

    /// The UTC hour of a line that may be a view.
    fn hour(&self, request: &Request<'_>, now: u64) -> Result<Hour, Skipped> {
        let of_site = |host: &str| {
            let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
            self.sites.by_host(&host).is_some()
        };
        let hour = Hour::of_unix(request.unix_seconds);
        let is_one_of = |words: &[String], word: &str| words.iter().any(|one| one == word);
        if request.host.as_deref().is_some_and(|host| !of_site(host)) {
            Err(Skipped::Host)
        } else if !is_one_of(&self.rules.methods, &request.method) {
            Err(Skipped::Method)
        } else if !self.rules.statuses.contains(&request.status) {
            Err(Skipped::Status)
        } else if !self.rules.is_page(&request.target) {
            Err(Skipped::NoPage)
        } else if hour.day() < self.oldest {
            Err(Skipped::Retention)
        } else if request.unix_seconds > now + AHEAD_SECONDS_MAX {
            Err(Skipped::Future)
        } else {
            Ok(hour)
        }
    }

    /// Who asked, if that is a person who has no wish against being counted.
    fn visitor(&self, request: &Request<'_>) -> Result<Visitor, RefusalReason> {
        if let Some(reason) = request.refusal {
            return Err(reason);
        }
        let prefix = self.shared.addresses.logged(&request.address);
        let Some(agent) = &request.agent else {
            return Ok(Visitor { family: ClientFamily::UNKNOWN, prefix, agent: [0; 16] });
        };
        let (client, agent) = self.judge.client(agent);
        if client.robot {
            return Err(RefusalReason::Robot);
        }
        Ok(Visitor { family: client.family, prefix, agent })
    }

    /// Whether the attributes may leave: those of every day that is not over have a crowd.
    pub fn has_crowd(&self, pending: &Pending) -> bool {
        let today = self.today();
        let mut crowds: HashMap<Day, u64> = HashMap::new();
        for (_, key, counts) in pending.attributes.iter() {
            match key {
                CellKey::Attribute { day, attribute: Attribute::Device, .. } if *day >= today => {
                    *crowds.entry(*day).or_default() += counts.visitors;
                }
                _ => {}
            }
        }
        crowds.values().all(|visitors| *visitors >= self.release.crowd)
    }

    /// Batches of the site's and the pages' cells; nothing of them stays.
    pub fn pages(&mut self, pending: &mut Pending) -> Vec<Batch> {
        self.learn();
        let cells = std::mem::take(&mut pending.pages).into_sorted();
        let admits = |page: &NameId| {
            !self.release.admission
                || self.admitting.get(page).is_some_and(|seen| *seen >= ADMISSION_VISITORS)
                || self.texts.get(page).is_some_and(|(_, text)| self.site.rules.lists(text))
        };
        let fold = |key| match key {
            CellKey::Page { hour, page } if !admits(&page) => {
                CellKey::Page { hour, page: NameId::OTHER }
            }
            key => key,
        };
        self.batches(cells.into_iter().map(|(_, key, counts)| (fold(key), counts)))
    }

    /// Batches of the attributes from before the first line of a running day.
    pub fn past_attributes(&mut self, pending: &mut Pending) -> Vec<Batch> {
        self.learn();
        let cells = std::mem::take(&mut pending.past).into_sorted();
        self.batches(cells.into_iter().map(|(_, key, counts)| (key, counts)))
    }

    /// Batches of all attributes; nothing of them stays. Ask [`LogJudge::has_crowd`] before.
    pub fn attributes(&mut self, pending: &mut Pending) -> Vec<Batch> {
        self.learn();
        pending.runs = false;
        let past = std::mem::take(&mut pending.past);
        pending.attributes.merge(past);
        let cells = std::mem::take(&mut pending.attributes).into_sorted();
        self.batches(cells.into_iter().map(|(_, key, counts)| (key, counts)))
    }

    /// Forgets names of days before `day`. Call it when nothing is pending.
    pub fn tidy(&mut self, day: Day) {
        self.shared.names.forget_before(day);
        self.judge.forget_names();
        self.learn();
        self.texts.retain(|_, (of, _)| *of >= day);
        let texts = &self.texts;
        self.admitting.retain(|page, _| texts.contains_key(page));
    }

    fn learn(&mut self) {
        for name in self.shared.names.take_unsaved() {
            self.texts.insert(name.id, (name.day, name.text));
        }
    }

    fn batches(&self, cells: impl Iterator<Item = (CellKey<NameId>, Counts)>) -> Vec<Batch> {
        let site = self.site.rules.host().as_str();
        let text = |id: NameId| match self.texts.get(&id) {
            Some((_, text)) => &**text,
            None => OTHER,
        };
        let named = |key: CellKey<NameId>| {
            key.try_map(|id| Ok::<_, std::convert::Infallible>(text(id)))
                .unwrap_or_else(|never| match never {})
        };
        let cells: Vec<_> = cells.map(|(key, counts)| (site, named(key), counts)).collect();
        cells
            .chunks(BATCH_CELLS_MAX)
            .map(|chunk| Batch::new(chunk.iter().copied()).expect("cut to BATCH_CELLS_MAX"))
            .collect()
    }

    fn today(&self) -> Day {
        self.shared.clock.hour().day()
    }
}

/// The UTC hour of a line, whatever else it says.
pub fn hour_of(line: &[u8]) -> Option<Hour> {
    log::read(line).map(|request| Hour::of_unix(request.unix_seconds))
}

impl LineRules {
    /// Whether a request's target is a page.
    fn is_page(&self, target: &str) -> bool {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        if self.without.iter().any(|beginning| path.starts_with(beginning.as_str())) {
            return false;
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        let Some((_, ending)) = last.rsplit_once('.') else { return true };
        // "v1.2" and "What is new. And old" have no ending.
        let is_ending = (1..=8).contains(&ending.len())
            && ending.bytes().all(|b| b.is_ascii_alphanumeric())
            && ending.bytes().any(|b| b.is_ascii_alphabetic());
        !is_ending || self.endings.iter().any(|page| page.eq_ignore_ascii_case(ending))
    }
}

#[cfg(test)]
mod tests;
