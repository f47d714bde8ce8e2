//! The `by` of exports and of the command line: one word for one kind of list.
//!
//! What it is not: the API's dimensions, which can be combined. A list is about one thing.
//!
//! What surprises: `refused` is a list too, though the store answers it by another function.

use headcount_core::cell::Attribute;
use headcount_core::site::SiteHost;
use headcount_store::question::{By, Metric, Order, OrderKey, Question, TimeBucket};
use headcount_store::zone::Zone;

use crate::query::BadQuery;
use crate::query::date::Range;

/// Rows of a whole list; the store refuses more than a million groups.
pub(crate) const ROWS_MAX: u32 = 200_000;

/// One kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakdown {
    /// The site as a whole, in one row.
    Total,
    /// Pages.
    Page,
    /// Click targets.
    Target,
    /// Click targets of each page.
    PageAndTarget,
    /// Values of one attribute.
    Attribute(Attribute),
    /// The site as a whole over time.
    Time(TimeBucket),
    /// Beacons that were not counted, by reason.
    Refused,
}

impl Breakdown {
    /// Every list.
    pub const ALL: [Self; 17] = [
        Self::Total,
        Self::Page,
        Self::Target,
        Self::PageAndTarget,
        Self::Attribute(Attribute::Source),
        Self::Attribute(Attribute::Country),
        Self::Attribute(Attribute::Device),
        Self::Attribute(Attribute::Browser),
        Self::Attribute(Attribute::Os),
        Self::Attribute(Attribute::UtmSource),
        Self::Attribute(Attribute::UtmMedium),
        Self::Attribute(Attribute::UtmCampaign),
        Self::Time(TimeBucket::Hour),
        Self::Time(TimeBucket::Day),
        Self::Time(TimeBucket::Week),
        Self::Time(TimeBucket::Month),
        Self::Refused,
    ];

    /// The word of this list.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Page => "page",
            Self::Target => "target",
            Self::PageAndTarget => "page_target",
            Self::Attribute(attribute) => attribute.as_str(),
            Self::Time(TimeBucket::Hour) => "hour",
            Self::Time(TimeBucket::Day) => "day",
            Self::Time(TimeBucket::Week) => "week",
            Self::Time(TimeBucket::Month) => "month",
            Self::Refused => "refused",
        }
    }

    /// Reads a word.
    ///
    /// # Errors
    /// A word that is not one of [`Self::ALL`].
    pub fn parse(word: &str) -> Result<Self, BadQuery> {
        Self::ALL.into_iter().find(|known| known.as_str() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            BadQuery::new(format!("by is not known: use one of {words}"))
        })
    }

    /// The numbers that exist for this list, the one it is sorted by first.
    pub const fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Target | Self::PageAndTarget => &[Metric::Clicks],
            Self::Attribute(_) | Self::Page => &[Metric::Views, Metric::Visitors, Metric::Visits],
            Self::Total | Self::Time(_) => {
                &[Metric::Views, Metric::Visitors, Metric::Visits, Metric::Clicks]
            }
            Self::Refused => &[],
        }
    }

    /// Whether a page can be chosen for it.
    pub const fn is_per_page(self) -> bool {
        !matches!(self, Self::Attribute(_) | Self::Refused)
    }

    /// Whether it is a list of names, rather than a total, a time or the refusals.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Page | Self::Target | Self::Attribute(_))
    }

    /// The question of this list in UTC, of at most `limit` rows; `None` for [`Self::Refused`].
    pub fn question(self, site: &SiteHost, range: Range, k: u32, limit: u32) -> Option<Question> {
        let (by, time) = match self {
            Self::Total => (By::Total, None),
            Self::Page => (By::Page, None),
            Self::Target => (By::Target, None),
            Self::PageAndTarget => (By::PageAndTarget, None),
            Self::Attribute(attribute) => (By::Attribute(attribute), None),
            Self::Time(bucket) => (By::Total, Some(bucket)),
            Self::Refused => return None,
        };
        let by_time = time.map(|_| Order { key: OrderKey::Time, descending: false });
        let by_metric = self
            .metrics()
            .first()
            .map(|metric| Order { key: OrderKey::Metric(*metric), descending: true });
        Some(Question {
            site: site.clone(),
            zone: Zone::default(),
            from: range.from,
            to: range.to,
            metrics: self.metrics().to_vec(),
            by,
            time,
            pages: Vec::new(),
            order: by_time.into_iter().chain(by_metric).collect(),
            limit,
            offset: 0,
            k,
            open_k: None,
        })
    }
}
