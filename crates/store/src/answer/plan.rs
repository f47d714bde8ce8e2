//! The plan of an answer: which stretches of the table it needs, or why there is no answer.
//!
//! What it is not: a reader of the table. It looks at the question alone.
//!
//! What surprises: most refusals are a matter of design, not of effort, so they explain what is
//! not counted together and what to ask instead.

use headcount_core::cell::{Attribute, Counts};

use crate::error::StoreError;
use crate::kind as codes;
use crate::question::{By, Metric, Order, OrderKey, Question, TimeBucket};

/// One stretch of the table.
#[derive(Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) kind: i64,
    pub(crate) hourly: bool,
    /// Which of the numbers are taken from it.
    pub(crate) take: Take,
}

/// Which numbers of a cell count for a question.
#[derive(Clone, Copy)]
pub(crate) enum Take {
    All,
    AllButClicks,
    Clicks,
}

/// Which cells answer the question, or why none do.
pub(crate) fn plan(question: &Question) -> Result<Vec<Scan>, StoreError> {
    let wants = |metric| question.metrics.contains(&metric);
    let clicks = wants(Metric::Clicks);
    let others = wants(Metric::Views) || wants(Metric::Visitors) || wants(Metric::Visits);
    let asked_of = |order: &Order| match order.key {
        OrderKey::Metric(metric) => wants(metric),
        OrderKey::Time | OrderKey::Name => true,
    };
    if question.metrics.is_empty() {
        return Err(StoreError::unanswerable("ask for at least one metric"));
    }
    if !question.order.iter().all(asked_of) {
        return Err(StoreError::unanswerable(
            "rows can only be sorted by a metric that is asked for; add it to the metrics",
        ));
    }
    let page = Scan { kind: codes::PAGE, hourly: true, take: Take::AllButClicks };
    let click = Scan { kind: codes::CLICK, hourly: true, take: Take::Clicks };
    match question.by {
        By::Total if question.pages.is_empty() => {
            Ok(vec![Scan { kind: codes::SITE, hourly: true, take: Take::All }])
        }
        By::Total | By::Page => Ok([(others, page), (clicks, click)]
            .into_iter()
            .filter(|it| it.0)
            .map(|it| it.1)
            .collect()),
        By::Target | By::PageAndTarget if others => Err(StoreError::unanswerable(
            "click targets have clicks only; views, visitors and visits belong to pages",
        )),
        By::Target | By::PageAndTarget => Ok(vec![click]),
        By::Attribute(attribute) => plan_attribute(question, attribute, clicks),
    }
}

fn plan_attribute(
    question: &Question,
    attribute: Attribute,
    clicks: bool,
) -> Result<Vec<Scan>, StoreError> {
    let word = attribute.as_str();
    let why = if clicks {
        format!(
            "clicks are not counted by {word}: a click that carried it would be a row about one \
             visitor; ask for clicks by page or target, or for views, visitors or visits by {word}"
        )
    } else if !question.pages.is_empty() {
        format!(
            "{word} is counted for the whole site and never together with a page: both at once \
             would describe single visits; leave out the page filter"
        )
    } else if question.time == Some(TimeBucket::Hour) {
        format!(
            "{word} is counted per day: an hour of a small site is one visitor; \
             ask by day, week or month"
        )
    } else {
        let kind = codes::attribute_kind(attribute);
        return Ok(vec![Scan { kind, hourly: false, take: Take::All }]);
    };
    Err(StoreError::unanswerable(why))
}

impl Take {
    /// The numbers that are taken.
    pub(crate) fn of(self, counts: Counts) -> Counts {
        match self {
            Self::All => counts,
            Self::AllButClicks => Counts { clicks: 0, ..counts },
            Self::Clicks => Counts { clicks: counts.clicks, ..Counts::ZERO },
        }
    }
}
