//! Everything that one page of the dashboard asks of the store, as one blocking job.
//!
//! What it is not: formatting. It brings answers; [`super::view`] makes sentences of them.
//!
//! What surprises: with a page chosen, attributes and refusals are not asked for at all. They are
//! counted per site and never per page.

use headcount_core::cell::Attribute;
use headcount_core::site::SiteHost;
use headcount_core::time::{Day, Hour};
use headcount_store::question::{
    Answer, Books, By, Metric, Order, OrderKey, PageFilter, Question, Refused, TimeBucket,
};

use super::period::Period;
use super::widen::{self, OfAttribute, Widening};
use crate::backend::Unanswered;
use crate::query::date::Range;
use crate::queue::Reading;
use crate::time_zone::TimeZone;

/// Rows of each list.
pub(crate) const LIST_ROWS: u32 = 10;
/// The metrics of the headline, in its order.
pub(crate) const HEADLINE: [Metric; 4] =
    [Metric::Views, Metric::Visitors, Metric::Visits, Metric::Clicks];
/// Hours of two periods whose plots show no months, or days of two longer ones.
const HOURS_MAX: u32 = 2 * 401 * 24;

/// What a page is about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) site: SiteHost,
    pub(crate) time_zone: TimeZone,
    pub(crate) range: Range,
    /// The period before, if all of it is kept.
    pub(crate) before: Option<Range>,
    /// Wider periods that lists of attributes may show, shortest first.
    pub(crate) wider: Vec<Period>,
    /// What the plot shows.
    pub(crate) metric: Metric,
    pub(crate) page: Option<String>,
    pub(crate) k: u32,
    /// Rows of each list to ask for; [`LIST_ROWS`] of them are shown.
    pub(crate) rows_asked: u32,
    pub(crate) now: Hour,
    /// The threshold by which UTC days are closed.
    pub(crate) k_day: u32,
    /// Whether hours are told.
    pub(crate) hours: bool,
    /// Whether hits that were not counted are shown.
    pub(crate) refusals: bool,
    /// Whether numbers are shown as they are, and so what is missing may be spoken of.
    pub(crate) is_exact: bool,
}

impl Subject {
    /// The bucket of the plot.
    pub(crate) fn bucket(&self) -> TimeBucket {
        match self.range.bucket() {
            TimeBucket::Hour if !self.hours => TimeBucket::Day,
            bucket => bucket,
        }
    }
}

impl Subject {
    /// The days of which single hours matter: the running one, and the one that it is compared with.
    fn days_by_hour(&self) -> Vec<Day> {
        let zone = self.time_zone.zone();
        let [first, last] = [zone.first_hour(self.range.from), zone.last_hour(self.range.to)];
        let Some(before) = self.before.filter(|_| (first..=last).contains(&self.now)) else {
            return Vec::new();
        };
        let ended = self.now.0.saturating_sub(first.0);
        let then = Hour(zone.first_hour(before.from).0.saturating_add(ended));
        let mut days = vec![zone.day_of(self.now), zone.day_of(then)];
        days.dedup();
        days
    }
}

/// The answers.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// By hour or by day, of this period and the one before.
    pub(crate) over_time: Vec<Answer>,
    pub(crate) pages: Answer,
    pub(crate) targets: Answer,
    pub(crate) attributes: Vec<OfAttribute>,
    /// Whether nothing was ever counted of the site.
    pub(crate) is_new: bool,
    pub(crate) refused: Vec<Refused>,
    pub(crate) books: Option<Books>,
}

/// Asks for all of it.
pub(crate) fn gather(store: &Reading, subject: &Subject) -> Result<Gathered, Unanswered> {
    let ask = |question: Question| store.ask(&question);
    let mut found = Gathered {
        over_time: over_time(store, subject)?,
        targets: ask(question(subject, By::Target, &[Metric::Clicks]))?,
        books: store.books()?,
        ..Gathered::default()
    };
    if subject.page.is_some() {
        return Ok(found);
    }
    found.pages = ask(question(subject, By::Page, &[Metric::Views, Metric::Visitors]))?;
    let has_views = found.pages.rows_total > 0;
    found.is_new = subject.is_exact && !has_views && store.first_day(&subject.site)?.is_none();
    let mut widening = Widening { store, subject, has_views, wider: None };
    for attribute in Attribute::ALL {
        let mut asked = question(subject, By::Attribute(attribute), metrics(attribute));
        asked.limit = asked.limit.max(widen::ROWS);
        found.attributes.push(widening.ask(attribute, &asked)?);
    }
    if subject.refusals {
        found.refused = store.refused(&subject.site, subject.range.from, subject.range.to)?;
    }
    Ok(found)
}

/// Numbers by hour; where the plot shows months, by day, with the hours of the days that need them.
fn over_time(store: &Reading, subject: &Subject) -> Result<Vec<Answer>, Unanswered> {
    let ask = |from: Day, to: Day, time: TimeBucket| {
        let order = vec![Order { key: OrderKey::Time, descending: false }];
        let limit = HOURS_MAX;
        let asked = question(subject, By::Total, &HEADLINE);
        store.ask(&Question { from, to, time: Some(time), order, limit, ..asked })
    };
    let Subject { range, before, .. } = subject;
    let from = before.map_or(range.from, |before| before.from);
    if range.bucket() != TimeBucket::Month {
        return Ok(vec![ask(from, range.to, TimeBucket::Hour)?]);
    }
    let mut found = vec![ask(from, range.to, TimeBucket::Day)?];
    for day in subject.days_by_hour() {
        found.push(ask(day, day, TimeBucket::Hour)?);
    }
    Ok(found)
}

/// The numbers of an attribute's list, the one with the bar first.
pub(crate) fn metrics(attribute: Attribute) -> &'static [Metric] {
    match attribute {
        Attribute::Source => &[Metric::Visits, Metric::Visitors],
        _ => &[Metric::Views, Metric::Visitors],
    }
}

fn question(subject: &Subject, by: By, metrics: &[Metric]) -> Question {
    let first = metrics.first().copied().unwrap_or(Metric::Views);
    Question {
        site: subject.site.clone(),
        from: subject.range.from,
        to: subject.range.to,
        zone: subject.time_zone.zone().clone(),
        metrics: metrics.to_vec(),
        by,
        time: None,
        pages: subject.page.iter().map(|page| PageFilter::Is(vec![page.clone()])).collect(),
        order: vec![Order { key: OrderKey::Metric(first), descending: true }],
        limit: subject.rows_asked,
        offset: 0,
        k: subject.k,
        open_k: None,
    }
}
