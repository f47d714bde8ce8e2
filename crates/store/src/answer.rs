//! What both stores do alike to answer a question: plan, fold, sort, cut.
//!
//! What it is not: a reader of any table.
//!
//! What surprises: rows carry their time as a number until they are known to be shown.

pub(crate) mod fold;
pub(crate) mod plan;

use std::cmp::Ordering;
use std::rc::Rc;

use headcount_core::cell::Counts;
use headcount_core::time::{Day, Hour};

use crate::error::StoreError;
use crate::question::{Answer, Metric, Order, OrderKey, Question, Row, TimeBucket};
use crate::zone::Zone;

/// Groups of one answer at most, before limit and offset: about 100 MB.
pub(crate) const GROUPS_MAX: usize = 1_000_000;
/// The value that small ones are folded into, and that the edge folds into at its limits.
pub(crate) const OTHER: &str = "(other)";

/// A row that is not yet cut: text of time is made for the few that are shown.
pub(crate) struct Draft {
    /// Hours or days since 1970; 0 where the question does not group by time.
    pub(crate) time: u32,
    pub(crate) names: Vec<Rc<str>>,
    pub(crate) metrics: Vec<u64>,
}

impl Draft {
    /// The row as it is shown.
    pub(crate) fn finish(self, question: &Question) -> Row {
        Row {
            time: question.time.map(|time| match time {
                TimeBucket::Hour => Hour(self.time).to_string(),
                TimeBucket::Day | TimeBucket::Week | TimeBucket::Month => {
                    Day(self.time).to_string()
                }
            }),
            names: self.names.iter().map(|name| name.to_string()).collect(),
            metrics: self.metrics,
        }
    }
}

/// The answer would not fit.
pub(crate) fn too_large() -> StoreError {
    StoreError::unanswerable(
        "the answer would have more than a million rows; ask for a shorter period or a coarser time",
    )
}

/// The first hour or day of the bucket that a cell lies in: its hour of a zone, or its day.
pub(crate) fn bucket_of(time: TimeBucket, bucket: u32, hourly: Option<&Zone>) -> u32 {
    let day = hourly.map_or(Day(bucket), |zone| zone.day_of(Hour(bucket)));
    match time {
        TimeBucket::Hour => bucket,
        TimeBucket::Day => day.0,
        TimeBucket::Week => day.monday().0,
        TimeBucket::Month => {
            let (_, _, of_month) = day.civil();
            day.minus(of_month.saturating_sub(1)).0
        }
    }
}

/// The numbers that are asked for, in their order.
pub(crate) fn metrics_of(question: &Question, counts: &Counts) -> Vec<u64> {
    question.metrics.iter().map(|metric| metric_of(counts, *metric)).collect()
}

fn metric_of(counts: &Counts, metric: Metric) -> u64 {
    match metric {
        Metric::Views => counts.views,
        Metric::Visitors => counts.visitors,
        Metric::Visits => counts.visits,
        Metric::Clicks => counts.clicks,
    }
}

/// The rows in the order that is asked for.
pub(crate) fn sorted(question: &Question, mut rows: Vec<Draft>) -> Vec<Draft> {
    let column = |metric| question.metrics.iter().position(|other| *other == metric);
    let steps: Vec<(Order, Option<usize>)> = question
        .order
        .iter()
        .map(|order| match order.key {
            OrderKey::Metric(metric) => (*order, column(metric)),
            OrderKey::Time | OrderKey::Name => (*order, None),
        })
        .collect();
    rows.sort_unstable_by(|a, b| {
        steps
            .iter()
            .map(|(order, column)| {
                let ordering = match order.key {
                    OrderKey::Metric(_) => {
                        let number =
                            |row: &Draft| column.and_then(|at| row.metrics.get(at).copied());
                        number(a).cmp(&number(b))
                    }
                    OrderKey::Time => a.time.cmp(&b.time),
                    OrderKey::Name => a.names.cmp(&b.names),
                };
                if order.descending { ordering.reverse() } else { ordering }
            })
            .find(|ordering| *ordering != Ordering::Equal)
            .unwrap_or_else(|| (a.time, &a.names).cmp(&(b.time, &b.names)))
    });
    rows
}

/// The rows that are asked for, with the text of their time.
pub(crate) fn cut(question: &Question, rows: Vec<Draft>, folded: u64) -> Answer {
    let rows_total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let whole = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let rows = rows.into_iter().skip(whole(question.offset)).take(whole(question.limit));
    Answer { rows: rows.map(|row| row.finish(question)).collect(), rows_total, folded }
}
