//! Everything that one page of the dashboard asks of the store, as one blocking job.
//!
//! What it is not: formatting. It brings answers; [`super::view`] makes sentences of them.
//!
//! What surprises: with a page chosen, attributes and refusals are not asked for at all. They are
//! counted per site and never per page.

use headcount_core::cell::Attribute;
use headcount_core::site::SiteHost;
use headcount_core::time::Hour;
use headcount_store::question::{
    Answer, Books, By, Metric, Order, OrderKey, PageFilter, Question, Refused, TimeBucket,
};

use crate::backend::{Backend, Said};
use crate::query::date::Range;
use crate::time_zone::TimeZone;

/// Rows of each list.
pub(crate) const LIST_ROWS: u32 = 10;
/// The metrics of the headline, in its order.
pub(crate) const HEADLINE: [Metric; 4] =
    [Metric::Views, Metric::Visitors, Metric::Visits, Metric::Clicks];
/// Hours of two periods of 400 days at most.
const HOURS_MAX: u32 = 2 * 401 * 24;

/// What a page is about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) site: SiteHost,
    pub(crate) time_zone: TimeZone,
    pub(crate) range: Range,
    /// The period before, if all of it is kept.
    pub(crate) before: Option<Range>,
    /// What the plot shows.
    pub(crate) metric: Metric,
    pub(crate) page: Option<String>,
    pub(crate) k: u32,
    pub(crate) now: Hour,
    /// Whether hits that were not counted are shown.
    pub(crate) refusals: bool,
}

/// The answers.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// By hour, of this period and the one before.
    pub(crate) hours: Answer,
    pub(crate) pages: Answer,
    pub(crate) targets: Answer,
    pub(crate) attributes: Vec<(Attribute, Answer)>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) books: Option<Books>,
}

/// Asks for all of it.
pub(crate) fn gather(backend: &Backend, subject: &Subject) -> Said<Gathered> {
    let ask = |question: Question| (backend.ask)(&question);
    let mut hours = question(subject, By::Total, &HEADLINE);
    hours.from = subject.before.map_or(subject.range.from, |before| before.from);
    hours.time = Some(TimeBucket::Hour);
    hours.order = vec![Order { key: OrderKey::Time, descending: false }];
    hours.limit = HOURS_MAX;
    let mut found = Gathered {
        hours: ask(hours)?,
        targets: ask(question(subject, By::Target, &[Metric::Clicks]))?,
        books: (backend.books)()?,
        ..Gathered::default()
    };
    if subject.page.is_some() {
        return Ok(found);
    }
    found.pages = ask(question(subject, By::Page, &[Metric::Views, Metric::Visitors]))?;
    for attribute in Attribute::ALL {
        let answer = ask(question(subject, By::Attribute(attribute), metrics(attribute)))?;
        found.attributes.push((attribute, answer));
    }
    if subject.refusals {
        found.refused = (backend.refused)(&subject.site, subject.range.from, subject.range.to)?;
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
        limit: LIST_ROWS,
        offset: 0,
        k: subject.k,
    }
}
