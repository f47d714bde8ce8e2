//! What every request of the stats room shares.
//!
//! What it is not: configuration as text. The binary reads that and fills [`Parts`].
//!
//! What surprises: a site that does not exist and one that the asker may not see are the same
//! `None`, here, once for all routes.

use std::sync::Arc;

use axum::response::Response;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Hour};
use headcount_store::question::{Question, TimeBucket};

use crate::backend::{Backend, Said, Unanswered};
use crate::query::BadQuery;
use crate::query::date::{Bounds, oldest_whole};
use crate::queue::{Queue, Reading};
use crate::reply::Trouble;
use crate::session::{Access, Codes, Sessions};
use crate::time_zone::TimeZone;
use crate::tries::Tries;
use crate::viewer::Viewer;

/// What the binary brings.
pub struct Parts {
    /// The store.
    pub backend: Backend,
    /// Questions that run at once: the number of the store's readers, 2 to 4.
    pub readers: usize,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The sites there are now.
    pub sites: Arc<dyn Fn() -> Vec<SiteHost> + Send + Sync>,
    /// The time zone of a site.
    pub time_zone: Arc<dyn Fn(&SiteHost) -> TimeZone + Send + Sync>,
    /// What to put into the pages of a site.
    pub snippet: Arc<dyn Fn(&SiteHost) -> Snippet + Send + Sync>,
    /// A sentence on the error of `visitors`, such as "restarts today: 1; at most 0.5 % too low".
    pub visitors_note: Arc<dyn Fn() -> String + Send + Sync>,
    /// Attribute values with fewer visitors than this fold into `(other)`.
    pub k: u32,
    /// The threshold by which UTC days are closed.
    pub k_day: u32,
    /// Whether hours are told; else days are the finest time, and of a day that is not closed no
    /// value of an attribute is told.
    pub hours: bool,
    /// Days that can be read, counted back from today.
    pub retention_days: u32,
    /// Whether the dashboard is reached over HTTPS: its cookie is then `Secure` and `__Host-`.
    pub https: bool,
    /// Codes that sign the operator in; make them with [`crate::session::new_secret`].
    pub signin_codes: Vec<String>,
    /// Until when they do, in Unix seconds; none: as long as the process runs.
    pub codes_until: Option<u64>,
}

/// What to put into the pages of a site so that they are counted.
#[derive(Clone, Debug)]
pub struct Snippet {
    /// Lines of HTML.
    pub lines: Vec<String>,
    /// The origin in them, under which visitors are taken to reach the collector.
    pub origin: String,
}

/// Refuses hours where none are told: the API, exports and the command line alike.
///
/// # Errors
/// With what to ask instead.
pub fn check_time(time: Option<TimeBucket>, hours: bool) -> Result<(), BadQuery> {
    if hours || time != Some(TimeBucket::Hour) {
        return Ok(());
    }
    Err(BadQuery::new(
        "hours are not told here (preset = \"strict\"): an hour of a small site is one visitor; ask \
         by day, week or month",
    ))
}

/// The shared state; cloning it is cheap.
#[derive(Clone)]
pub struct Stats(Arc<Inner>);

struct Inner {
    queue: Queue,
    sessions: Sessions,
    codes: Codes,
    tries: Tries,
    parts: Parts,
}

impl Stats {
    /// The state of one process.
    pub fn new(mut parts: Parts) -> Self {
        // Where no hours are told, a day that is not over is too fine as well.
        let open_k = parts.hours.then_some(parts.k_day);
        let ask = Arc::clone(&parts.backend.ask);
        parts.backend.ask = Arc::new(move |question| ask(&Question { open_k, ..question.clone() }));
        Self(Arc::new(Inner {
            queue: Queue::new(parts.backend.clone(), parts.readers),
            sessions: Sessions::default(),
            codes: Codes::new(&parts.signin_codes),
            tries: Tries::default(),
            parts,
        }))
    }

    /// The threshold for attribute values.
    pub(crate) fn k(&self) -> u32 {
        self.0.parts.k
    }

    /// The threshold by which UTC days are closed.
    pub(crate) fn k_day(&self) -> u32 {
        self.0.parts.k_day
    }

    /// Whether hours are told.
    pub(crate) fn hours(&self) -> bool {
        self.0.parts.hours
    }

    /// Refuses hours where none are told.
    ///
    /// # Errors
    /// With what to ask instead.
    pub(crate) fn check_time(&self, time: Option<TimeBucket>) -> Result<(), BadQuery> {
        check_time(time, self.hours())
    }

    pub(crate) fn https(&self) -> bool {
        self.0.parts.https
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.parts.clock.unix_seconds()
    }

    pub(crate) fn time_zone(&self, site: &SiteHost) -> TimeZone {
        (self.0.parts.time_zone)(site)
    }

    pub(crate) fn snippet(&self, site: &SiteHost) -> Snippet {
        (self.0.parts.snippet)(site)
    }

    pub(crate) fn visitors_note(&self) -> String {
        (self.0.parts.visitors_note)()
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Whether this is a code of the operator that signs in now.
    pub(crate) fn is_code(&self, secret: &str) -> bool {
        self.0.parts.codes_until.is_none_or(|until| self.now() < until)
            && self.0.codes.contains(secret)
    }

    pub(crate) fn tries(&self) -> &Tries {
        &self.0.tries
    }

    /// The sites that `access` may see.
    pub(crate) fn visible_sites(&self, access: &Access) -> Vec<SiteHost> {
        let mut sites = (self.0.parts.sites)();
        sites.retain(|site| access.allows(site));
        sites.sort();
        sites
    }

    /// The site, if it exists and `access` may see it.
    pub(crate) fn visible_site(&self, access: &Access, site: &SiteHost) -> Option<SiteHost> {
        self.visible_sites(access).into_iter().find(|known| known == site)
    }

    /// The days that can be asked about without knowing a site's first. Retention counts UTC days.
    pub(crate) fn kept(&self, time_zone: &TimeZone) -> Bounds {
        let utc_day = Hour::of_unix(self.now()).day();
        let zone = time_zone.zone().clone();
        let oldest = oldest_whole(utc_day.oldest_kept(self.0.parts.retention_days), &zone);
        let today = zone.day_at(self.now());
        Bounds { today, oldest: oldest.min(today), first: None, zone }
    }

    /// The days that can be asked about for this site.
    pub(crate) async fn bounds(&self, site: &SiteHost) -> Result<Bounds, Unanswered> {
        let (site, time_zone) = (site.clone(), self.time_zone(site));
        let first = self.0.queue.answer(None, move |store| store.first_day(&site)).await?;
        // West of UTC the first hours of a UTC day belong to the day before.
        let first = first.map(|day| time_zone.zone().day_of(day.first_hour()));
        Ok(Bounds { first, ..self.kept(&time_zone) })
    }

    /// Makes an answer where that may block and take its time: the job returns it finished.
    pub(crate) async fn answer(
        &self,
        viewer: &Viewer,
        job: impl FnOnce(&Reading) -> Result<Response, Trouble> + Send + 'static,
    ) -> Result<Response, Trouble> {
        self.0.queue.answer(viewer.link(), job).await
    }

    /// Looks up a token, or whatever else is as small, where that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Backend) -> Said<T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        self.0.queue.look_up(job).await
    }
}
