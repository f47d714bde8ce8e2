//! The running house: which sites it counts, and whether its rooms are well.
//!
//! What it is not: on a hit's way.
//!
//! What surprises: sites change while it runs, and so does what was published of them. Commands write
//! both into the control file; twice a second this looks whether it changed. An erasure that waits for the other side is asked after
//! then, and keeps nobody waiting: the operator's questions need the rooms alone, and who looks
//! after the sites only shares them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use anyhow::Context;
use headcount_aggregator::Aggregator;
use headcount_collector::metrics::Metrics;
use headcount_collector::{Collector, Erasing, Fallback};
use headcount_core::failpoint;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Day};
use headcount_store::control::Control;

use super::{DEMO_ALIASES, DEMO_HOST, Rooms, is_demo};
use crate::config::{Config, RawSite, site_setting};
use crate::notice::page::Known;
use crate::notice::published;
use crate::ops::Health;
use crate::{audit, folder, process};

/// How long a core may still work with a table of sites that was replaced.
const TABLE_GRACE: Duration = Duration::from_millis(50);
/// How long one look at an erasure waits: long enough for one that has nothing to wait for.
const ERASE_LOOK: Duration = Duration::from_millis(100);

/// What runs, and what it runs for.
pub(crate) struct House {
    /// Written at the start and at the stop only. Lock it after `sites`.
    rooms: RwLock<Option<Rooms>>,
    sites: Mutex<Sites>,
    hosts: Mutex<Vec<SiteHost>>,
    published: Mutex<published::All>,
    configured: Vec<RawSite>,
    data_dir: PathBuf,
    metrics: Arc<Metrics>,
    visitors: bool,
    retention_days: u32,
    started_day: Day,
    clock: Arc<dyn Clock>,
}

/// The control file, and what of it has been done.
struct Sites {
    control: Control,
    version: Option<i64>,
    /// The day of the last look after tokens and admin log.
    looked_after: Day,
    /// Erasures that the collector is at.
    erasing: BTreeMap<SiteHost, Erasing>,
}

impl House {
    pub(crate) fn new(
        config: &Config,
        rooms: Rooms,
        control: Control,
        (metrics, clock): (Arc<Metrics>, Arc<dyn Clock>),
    ) -> anyhow::Result<Self> {
        Ok(Self {
            rooms: RwLock::new(Some(rooms)),
            sites: Mutex::new(Sites {
                control,
                version: None,
                looked_after: clock.hour().day(),
                erasing: BTreeMap::new(),
            }),
            hosts: Mutex::default(),
            published: Mutex::default(),
            configured: config.sites.clone(),
            data_dir: config.data_dir.clone(),
            metrics,
            visitors: config.visitors,
            retention_days: config.retention_days,
            started_day: clock.hour().day(),
            clock,
        })
    }

    pub(crate) fn listen(
        &self,
        listeners: Vec<std::net::TcpListener>,
        fallback: &Fallback,
    ) -> anyhow::Result<()> {
        match &mut *self.rooms.write().unwrap_or_else(PoisonError::into_inner) {
            Some(rooms) => Ok(rooms.collector.listen(listeners, Some(fallback))?),
            None => Ok(()),
        }
    }

    /// The sites that are counted now.
    pub(crate) fn hosts(&self) -> Vec<SiteHost> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was published, as the control file said when it last changed.
    pub(crate) fn published(house: &Arc<Self>) -> Known {
        let house = Arc::clone(house);
        Arc::new(move || {
            Arc::clone(&house.published.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Whether the demo site is among them.
    pub(crate) fn has_demo(&self) -> bool {
        self.hosts().iter().any(is_demo)
    }

    /// Reads the sites again, if they changed.
    pub(crate) fn renew_sites(&self, always: bool) -> anyhow::Result<()> {
        let mut known = self.sites();
        let version = known.control.version()?;
        if !always && known.version == Some(version) {
            return Ok(());
        }
        let added = known.control.site_list()?;
        let gone = known.control.tombstones()?;
        let mut sites = self.configured.clone();
        for host in added {
            if !sites.iter().any(|site| site.host == host.as_str()) {
                sites.push(RawSite { host: host.to_string(), ..RawSite::default() });
            }
        }
        // An audit's site takes the place of nobody.
        if sites.iter().all(|site| site.host == audit::SITE) {
            sites.push(demo());
        }
        let mut settings =
            sites.iter().map(site_setting).collect::<Result<Vec<_>, _>>().context("sites")?;
        settings.retain(|setting| !gone.contains(&setting.host));
        if always {
            self.warn_of_erased(&gone);
        }
        let hosts: Vec<SiteHost> = settings.iter().map(|setting| setting.host.clone()).collect();
        if let Some(rooms) = &*self.rooms() {
            rooms.collector.set_sites(settings)?;
        }
        folder::note_sites(&self.data_dir, &hosts).context("the list of sites")?;
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner) = hosts;
        self.renew_published(&known.control)?;
        known.version = Some(version);
        Ok(())
    }

    fn renew_published(&self, control: &Control) -> anyhow::Result<()> {
        let found = published::all(control)?;
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// Says which configured sites are not counted, because they were erased.
    fn warn_of_erased(&self, gone: &[SiteHost]) {
        for host in gone {
            if self.configured.iter().any(|site| site.host == host.as_str()) {
                tracing::warn!(
                    "{host} is configured, but was erased, and is not counted; to count it again: \
                     headcount site add {host}"
                );
            }
        }
    }

    /// Twice a second: new sites, erasures; once a day: tokens, and the admin log.
    pub(crate) fn keep(&self) {
        #[cfg(feature = "planted-leaks")]
        crate::leaks::keep(&self.data_dir);
        failpoint::hit("house-kept");
        let kept = self.renew_sites(false).and_then(|()| self.erase_asked());
        // Tokens end whether or not a site can be erased.
        for failed in [kept, self.look_after()].into_iter().filter_map(Result::err) {
            tracing::warn!(error = %format!("{failed:#}"), "sites cannot be brought up to date");
        }
    }

    fn look_after(&self) -> anyhow::Result<()> {
        let (mut sites, today) = (self.sites(), self.clock.hour().day());
        if sites.looked_after != today {
            let now = self.clock.unix_seconds();
            process::look_after(&mut sites.control, self.retention_days, now)?;
            // What this connection forgets itself is no change to it.
            self.renew_published(&sites.control)?;
            sites.looked_after = today;
        }
        Ok(())
    }

    fn erase_asked(&self) -> anyhow::Result<()> {
        let mut sites = self.sites();
        let rooms = self.rooms();
        let Some(rooms) = &*rooms else { return Ok(()) };
        for host in sites.control.erasures_open()? {
            let erasing = match sites.erasing.remove(&host) {
                Some(erasing) => erasing,
                None => {
                    // A core that took the old table adds its hit within microseconds.
                    std::thread::sleep(TABLE_GRACE);
                    rooms.collector.begin_erasing(&host)?
                }
            };
            if !erasing.is_done_within(ERASE_LOOK)? {
                sites.erasing.insert(host, erasing);
                continue;
            }
            if let Some(aggregator) = &rooms.aggregator {
                let _lock = folder::lock_erasing(&self.data_dir)?;
                aggregator.erase(&host)?;
            }
            failpoint::hit("erase-done");
            sites.control.erasure_done(&host)?;
            tracing::info!(site = %host, "every count of a site was erased");
        }
        Ok(())
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.rooms().as_ref().is_some_and(|rooms| {
            let aggregates = rooms.aggregator.as_ref().is_none_or(Aggregator::is_alive);
            rooms.collector.is_alive() && aggregates
        })
    }

    /// What the dashboard says beside the number of visitors.
    pub(crate) fn visitors_note(&self) -> String {
        if !self.visitors {
            return "visitors are not counted (visitors = \"off\")".to_owned();
        }
        let rate = self.with_collector(Collector::miss_rate).flatten().unwrap_or(0.0);
        let restarted = if self.clock.hour().day() == self.started_day {
            "started today, so who came before and after the start is counted twice"
        } else {
            "not restarted today"
        };
        format!("at most {:.2} % too low; {restarted}", (rate * 100.0).max(0.01))
    }

    /// The way forwards to the end: no hit that was answered stays behind.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        let rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner).take();
        rooms.map_or(Ok(()), Rooms::stop)
    }

    fn with_collector<T>(&self, look: impl FnOnce(&Collector) -> T) -> Option<T> {
        self.rooms().as_ref().map(|rooms| look(&rooms.collector))
    }

    fn rooms(&self) -> RwLockReadGuard<'_, Option<Rooms>> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sites(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for House {
    fn missing(&self) -> Option<String> {
        let rooms = self.rooms();
        let Some(rooms) = &*rooms else { return Some("stopping".to_owned()) };
        if !rooms.collector.is_alive() {
            return Some("the edge file takes nothing".to_owned());
        }
        let Some(aggregator) = &rooms.aggregator else { return None };
        let status = aggregator.status();
        if status.alarm.is_some() || !aggregator.is_alive() {
            return Some("the aggregator has stopped; its batches wait in the outbox".to_owned());
        }
        let unbalanced = status.books.is_some_and(|books| !books.balanced());
        unbalanced.then(|| "the books do not balance".to_owned())
    }

    fn refresh(&self) {
        if let Some(rate) = self.with_collector(Collector::miss_rate).flatten() {
            self.metrics.miss_rate(rate);
        }
        if let Some((day, drawn)) = self.with_collector(Collector::key_day).flatten() {
            self.metrics.key(day, drawn);
        }
        let rooms = self.rooms();
        let aggregator = rooms.as_ref().and_then(|rooms| rooms.aggregator.as_ref());
        let books = aggregator.and_then(|aggregator| aggregator.status().books);
        if let Some(books) = books {
            self.metrics.audit_delta(books.audit_delta);
        }
    }
}

/// The site of a folder that has no other: this machine.
fn demo() -> RawSite {
    RawSite {
        host: DEMO_HOST.to_owned(),
        aliases: DEMO_ALIASES.map(str::to_owned).to_vec(),
        events: vec!["signup".to_owned()],
        ..RawSite::default()
    }
}

#[cfg(test)]
mod tests;
