//! The words of the API, and what they stand for here.
//!
//! What it is not: parsing. It only knows words; [`super::parse`] knows where they may stand.
//!
//! What surprises: words that Plausible knows and Headcount cannot answer have their reason here,
//! so that a client's author learns why, and not only that.

use headcount_core::cell::Attribute;
use headcount_store::question::{By, Metric, OrderKey, TimeBucket};

/// The metrics, for error texts.
pub(crate) const METRICS: &str = "pageviews, visitors, visits or clicks";
/// The dimensions, for error texts.
pub(crate) const DIMENSIONS: &str = "event:page, event:target, visit:source, visit:country, \
    visit:device, visit:browser, visit:os, visit:utm_source, visit:utm_medium, \
    visit:utm_campaign, time, time:hour, time:day, time:week or time:month";

/// What a column of an answer's `dimensions` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The page.
    Page,
    /// The click target or the name of a declared event.
    Target,
    /// A value of one attribute.
    Attribute(Attribute),
    /// A bucket of time.
    Time(TimeBucket),
}

impl Dimension {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "event:page",
            Self::Target => "event:target",
            Self::Attribute(attribute) => attribute_word(attribute),
            Self::Time(TimeBucket::Hour) => "time:hour",
            Self::Time(TimeBucket::Day) => "time:day",
            Self::Time(TimeBucket::Week) => "time:week",
            Self::Time(TimeBucket::Month) => "time:month",
        }
    }

    /// The word of our own tables, for CSV and terminal.
    pub fn column(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Target => "target",
            Self::Attribute(attribute) => attribute.as_str(),
            Self::Time(TimeBucket::Hour) => "hour",
            Self::Time(TimeBucket::Day) => "day",
            Self::Time(TimeBucket::Week) => "week",
            Self::Time(TimeBucket::Month) => "month",
        }
    }

    /// Reads the API's word, apart from plain `time`, whose bucket depends on the range.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "event:page" => Self::Page,
            "event:target" => Self::Target,
            "time:hour" => Self::Time(TimeBucket::Hour),
            "time:day" => Self::Time(TimeBucket::Day),
            "time:week" => Self::Time(TimeBucket::Week),
            "time:month" => Self::Time(TimeBucket::Month),
            _ => Self::Attribute(
                Attribute::ALL.into_iter().find(|known| attribute_word(*known) == word)?,
            ),
        })
    }

    /// The dimensions of a question in the order of its rows: time, then names.
    pub fn of(by: By, time: Option<TimeBucket>) -> Vec<Self> {
        let names: &[Self] = match by {
            By::Total => &[],
            By::Page => &[Self::Page],
            By::Target => &[Self::Target],
            By::PageAndTarget => &[Self::Page, Self::Target],
            By::Attribute(attribute) => &[Self::Attribute(attribute)],
        };
        time.map(Self::Time).into_iter().chain(names.iter().copied()).collect()
    }

    /// What sorting by this dimension sorts by.
    pub fn order_key(self) -> OrderKey {
        if matches!(self, Self::Time(_)) { OrderKey::Time } else { OrderKey::Name }
    }
}

fn attribute_word(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Source => "visit:source",
        Attribute::Country => "visit:country",
        Attribute::Device => "visit:device",
        Attribute::Browser => "visit:browser",
        Attribute::Os => "visit:os",
        Attribute::UtmSource => "visit:utm_source",
        Attribute::UtmMedium => "visit:utm_medium",
        Attribute::UtmCampaign => "visit:utm_campaign",
    }
}

/// The API's word of a metric.
pub fn metric_word(metric: Metric) -> &'static str {
    match metric {
        Metric::Views => "pageviews",
        Metric::Visitors => "visitors",
        Metric::Visits => "visits",
        Metric::Clicks => "clicks",
    }
}

/// Our own word of a metric, for CSV, terminal and dashboard.
pub fn metric_column(metric: Metric) -> &'static str {
    match metric {
        Metric::Views => "views",
        other => metric_word(other),
    }
}

/// Reads the API's word of a metric.
pub fn parse_metric(word: &str) -> Option<Metric> {
    [Metric::Views, Metric::Visitors, Metric::Visits, Metric::Clicks]
        .into_iter()
        .find(|metric| metric_word(*metric) == word)
}

/// Why a metric that Plausible knows is not counted.
pub(crate) fn metric_reason(word: &str) -> Option<&'static str> {
    Some(match word {
        "views_per_visit"
        | "bounce_rate"
        | "visit_duration"
        | "scroll_depth"
        | "time_on_page"
        | "exit_rate"
        | "conversion_rate"
        | "group_conversion_rate" => "it needs a record per visitor, which Headcount does not keep",
        "events" => "views and clicks are counted apart",
        "percentage" => "divide by the answer without dimensions",
        "average_revenue" | "total_revenue" => "money is not counted",
        _ => return None,
    })
}

/// Why a dimension that Plausible knows is not counted.
pub(crate) fn dimension_reason(word: &str) -> Option<&'static str> {
    Some(match word {
        "visit:city" | "visit:region" | "visit:city_name" | "visit:region_name" => {
            "the country is the finest place that is counted"
        }
        "visit:country_name" => "countries are counted by code, as visit:country",
        "visit:entry_page"
        | "visit:exit_page"
        | "visit:entry_page_hostname"
        | "visit:exit_page_hostname" => {
            "it needs a record per visitor, which Headcount does not keep"
        }
        "visit:referrer" | "visit:channel" => "the domain of the referrer is kept, as visit:source",
        "visit:browser_version" | "visit:os_version" => "families are counted, not versions",
        "visit:screen" => "the class of the device is kept, as visit:device",
        "visit:utm_content" | "visit:utm_term" => "this campaign key is dropped on arrival",
        "event:goal" | "event:name" => "clicks and declared events are event:target",
        "event:hostname" => "one site_id is one host",
        _ if word.starts_with("event:props:") => "free properties of events are not kept",
        _ => return None,
    })
}
