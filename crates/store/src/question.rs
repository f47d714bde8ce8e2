//! What may be asked of the store, and what comes back: one dimension of attributes at most.
//!
//! What it is not: SQL, and not the HTTP API's JSON. The stats room turns requests into questions
//! and answers into pages; the store turns questions into SQL.
//!
//! What surprises: "two attributes at once" has no spelling here: [`By`] holds one.

use headcount_core::cell::Attribute;
use headcount_core::site::SiteHost;
use headcount_core::time::Day;

use crate::zone::Zone;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Page views.
    Views,
    /// Distinct visitors, added up over UTC days.
    Visitors,
    /// Views whose referrer is not the site itself.
    Visits,
    /// Clicks and declared events.
    Clicks,
}

/// A bucket of time to group by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeBucket {
    /// UTC hour, `2026-11-21T09:00:00Z`.
    Hour,
    /// Day of the question's zone, `2026-11-21`.
    Day,
    /// ISO week, named by its Monday.
    Week,
    /// Month, named by its first day.
    Month,
}

/// What the rows of an answer are about, apart from time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The site as a whole (and, with a page filter, the pages that pass it together).
    Total,
    /// Each page.
    Page,
    /// Each click target (clicks only).
    Target,
    /// Each page and click target (clicks only).
    PageAndTarget,
    /// Each value of one attribute. Days are its finest time, and no page filter applies.
    Attribute(Attribute),
}

/// Which pages count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFilter {
    /// One of these, exactly.
    Is(Vec<String>),
    /// None of these.
    IsNot(Vec<String>),
    /// Holds one of these texts.
    Contains(Vec<String>),
    /// Holds none of these texts.
    ContainsNot(Vec<String>),
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKey {
    /// A metric of the question.
    Metric(Metric),
    /// The time bucket.
    Time,
    /// The page, target or value as text.
    Name,
}

/// One step of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: OrderKey,
    /// Largest first.
    pub descending: bool,
}

/// A question about one site.
#[derive(Clone, Debug)]
pub struct Question {
    /// The site.
    pub site: SiteHost,
    /// First day, included: of the zone, or of UTC where an attribute is asked for.
    pub from: Day,
    /// Last day, included.
    pub to: Day,
    /// Where days, weeks and months begin. Attributes are kept by UTC day and do not follow it.
    pub zone: Zone,
    /// The numbers wanted, in this order; not empty.
    pub metrics: Vec<Metric>,
    /// What the rows are about.
    pub by: By,
    /// Group by time too.
    pub time: Option<TimeBucket>,
    /// All of these must hold.
    pub pages: Vec<PageFilter>,
    /// Sorting; ties are broken by time, then name.
    pub order: Vec<Order>,
    /// Rows at most.
    pub limit: u32,
    /// Rows to leave out first.
    pub offset: u32,
    /// Attribute values with fewer visitors than this in the asked period fold into `(other)`;
    /// if only one would, the next smallest goes with it. 0 and 1 fold nothing.
    pub k: u32,
    /// The threshold by which values of attributes on UTC days that are not closed are folded, day
    /// by day, as if each were asked for alone; none: all of their values are in `(other)`. Without
    /// effect where `k` is 0 or 1.
    pub open_k: Option<u32>,
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The bucket, where the question groups by time.
    pub time: Option<String>,
    /// Page, target or value; two for [`By::PageAndTarget`], none for [`By::Total`].
    pub names: Vec<String>,
    /// The numbers, in the order of the question's metrics.
    pub metrics: Vec<u64>,
}

/// The answer to a question. Rows whose numbers are all 0 are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The rows.
    pub rows: Vec<Row>,
    /// Rows there are without limit and offset.
    pub rows_total: u64,
    /// Attribute values that were folded into `(other)` because of `k`.
    pub folded: u64,
}

/// Refused beacons of a site by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The word of a [`headcount_core::refusal::RefusalReason`].
    pub reason: String,
    /// How many.
    pub refused: u64,
}

/// The state of the books: counts against ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// Σ counts − Σ ledger over all numbers, absolute values added up; 0 when balanced.
    pub audit_delta: u64,
    /// Whether the ranges of every source tile with no gap and no overlap.
    pub tiled: bool,
    /// When this was checked, in Unix seconds.
    pub checked_at: u64,
}

impl Books {
    /// Whether every answered hit is counted exactly once, as far as the ledger can tell.
    pub fn balanced(&self) -> bool {
        self.audit_delta == 0 && self.tiled
    }
}
