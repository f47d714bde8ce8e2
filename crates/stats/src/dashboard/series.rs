//! Numbers over time in the site's zone: the buckets of a period, and those of the one before.
//!
//! What it is not: drawing; see [`super::plot`].
//!
//! What surprises: everything is added up from hours. So a day that has not ended is compared with
//! as many hours of the day before, both without the running one, and a day of summer time may have 23.

use std::collections::HashMap;

use headcount_core::time::{Day, Hour};
use headcount_store::question::{Answer, Metric, TimeBucket};
use headcount_store::zone::Zone;

use super::gather::{HEADLINE, Subject};
use super::number::told;
use super::period;
use super::plot::Point;
use crate::query::date::{Range, month_start};
use crate::query::words::metric_column;
use crate::time_zone::TimeZone;
use crate::viewer::Viewer;

/// Views, visitors, visits and clicks.
pub(crate) type Numbers = [u64; 4];

/// One bucket of the period.
pub(crate) struct Bucket {
    /// Below the axis.
    label: String,
    /// In full.
    pub(crate) title: String,
    pub(crate) numbers: Numbers,
    /// The bucket in the same place of the period before.
    pub(crate) before: Option<Numbers>,
    /// Whether it is the running one.
    running: bool,
}

/// A period over time.
pub(crate) struct Series {
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) totals: Numbers,
    /// Whether the period before is kept.
    pub(crate) has_before: bool,
    /// This period up to its running hour, and as many hours of the one before; none in the first.
    pub(crate) compared: Option<[Numbers; 2]>,
}

impl Series {
    /// Adds up the hours and days of answers.
    pub(crate) fn of(subject: &Subject, answers: &[Answer], viewer: &Viewer) -> Self {
        let hours = hours_of(subject.time_zone.zone(), answers);
        let Subject { time_zone, range, before, now, .. } = subject;
        let bucket = subject.bucket();
        let mut totals = Numbers::default();
        let mut buckets = Vec::new();
        for group in groups(time_zone, *range, bucket) {
            let numbers = added(viewer, &mut totals, sum(&hours, &group));
            let (label, title) = names(time_zone, bucket, group.first);
            let running = (group.first..=group.last).contains(now);
            buckets.push(Bucket { label, title, numbers, before: None, running });
        }
        let shown = |numbers: Numbers| numbers.map(|number| viewer.number(number));
        let mut compared = None;
        if let Some(before) = before {
            let mut all = Numbers::default();
            let groups = groups(time_zone, *before, bucket);
            for (group, bucket) in groups.iter().zip(&mut buckets) {
                bucket.before = Some(added(viewer, &mut all, sum(&hours, group)));
            }
            // Where no hours are told, the period before is compared whole.
            let is_running = subject.hours && buckets.iter().any(|bucket| bucket.running);
            let ended = now.0.saturating_sub(first_hour(time_zone, *range).0);
            let both = [*range, *before].map(|range| {
                let (first, last) =
                    (first_hour(time_zone, range), time_zone.zone().last_hour(range.to));
                let end = if is_running { first.0.saturating_add(ended) } else { last.0 + 1 };
                shown(sum_before(&hours, first, Hour(end).min(Hour(last.0 + 1))))
            });
            compared = (!is_running || ended > 0).then_some(both);
        }
        Self { buckets, totals: shown(totals), has_before: before.is_some(), compared }
    }

    /// What is drawn of one metric.
    pub(crate) fn points(&self, viewer: &Viewer, metric: Metric) -> Vec<Point> {
        let at = place(metric);
        let number = |numbers: &Numbers| numbers.get(at).copied().unwrap_or(0);
        let point = |bucket: &Bucket| Point {
            label: bucket.label.clone(),
            title: sentence(viewer, bucket, metric),
            value: number(&bucket.numbers),
            before: bucket.before.as_ref().map(number),
            running: bucket.running,
        };
        self.buckets.iter().map(point).collect()
    }
}

/// The place of a metric among [`Numbers`].
pub(crate) fn place(metric: Metric) -> usize {
    HEADLINE.iter().position(|known| *known == metric).unwrap_or(0)
}

/// A bucket with all its numbers.
fn sentence(viewer: &Viewer, bucket: &Bucket, metric: Metric) -> String {
    let all: Vec<String> = HEADLINE
        .iter()
        .zip(bucket.numbers)
        .map(|(metric, number)| format!("{} {}", told(viewer, number), metric_column(*metric)))
        .collect();
    let before = bucket.before.and_then(|before| before.get(place(metric)).copied());
    let before =
        before.map_or_else(String::new, |before| format!("; before {}", told(viewer, before)));
    format!("{}: {}{before}", bucket.title, all.join(", "))
}

/// The hours of a bucket.
struct Group {
    first: Hour,
    last: Hour,
}

fn first_hour(time_zone: &TimeZone, range: Range) -> Hour {
    time_zone.zone().first_hour(range.from)
}

/// The buckets of a range, in order.
fn groups(time_zone: &TimeZone, range: Range, bucket: TimeBucket) -> Vec<Group> {
    let zone = time_zone.zone();
    if bucket == TimeBucket::Hour {
        let hours = first_hour(time_zone, range).0..=zone.last_hour(range.to).0;
        return hours.map(|hour| Group { first: Hour(hour), last: Hour(hour) }).collect();
    }
    let start = |day: Day| match bucket {
        TimeBucket::Hour | TimeBucket::Day => day,
        TimeBucket::Week => day.monday(),
        TimeBucket::Month => month_start(day, 0),
    };
    let mut days: Vec<Day> = (range.from.0..=range.to.0).map(Day).collect();
    days.dedup_by_key(|day| start(*day));
    let ends = days.iter().skip(1).copied().chain([range.to.plus(1)]);
    let group = |(from, next): (&Day, Day)| Group {
        first: zone.first_hour(*from),
        last: Hour(zone.first_hour(next).0.saturating_sub(1)),
    };
    days.iter().zip(ends).map(group).collect()
}

/// The hours of answers. A day of which there are no hours stands as its first one.
fn hours_of(zone: &Zone, answers: &[Answer]) -> HashMap<Hour, Numbers> {
    let (mut days, mut hours) = (HashMap::new(), HashMap::new());
    let rows = answers.iter().flat_map(|answer| &answer.rows);
    for row in rows {
        let mut numbers = Numbers::default();
        numbers.iter_mut().zip(&row.metrics).for_each(|(to, from)| *to = *from);
        let Some((day, of_day)) = row.time.as_deref().and_then(bucket_of) else { continue };
        match of_day {
            Some(of_day) => {
                let hour = Hour(day.first_hour().0.saturating_add(of_day));
                hours.insert(hour, numbers);
            }
            None => {
                days.insert(day, numbers);
            }
        }
    }
    for hour in hours.keys() {
        days.remove(&zone.day_of(*hour));
    }
    hours.extend(days.into_iter().map(|(day, numbers)| (zone.first_hour(day), numbers)));
    hours
}

/// The day of a label, and its UTC hour where it is one.
fn bucket_of(label: &str) -> Option<(Day, Option<u32>)> {
    let day = Day::parse(label.get(..10)?)?;
    match label.get(11..13) {
        Some(hour) => Some((day, Some(hour.parse().ok()?))),
        None => Some((day, None)),
    }
}

fn sum(hours: &HashMap<Hour, Numbers>, group: &Group) -> Numbers {
    sum_before(hours, group.first, Hour(group.last.0.saturating_add(1)))
}

/// The hours from `first` on that begin before `end`.
fn sum_before(hours: &HashMap<Hour, Numbers>, first: Hour, end: Hour) -> Numbers {
    let mut sum = Numbers::default();
    for numbers in (first.0..end.0).filter_map(|hour| hours.get(&Hour(hour))) {
        add(&mut sum, *numbers);
    }
    sum
}

/// What a bucket adds to the sum of those before it, as the viewer may see it; and adds it.
fn added(viewer: &Viewer, sum: &mut Numbers, numbers: Numbers) -> Numbers {
    let mut shown = numbers;
    shown.iter_mut().zip(*sum).for_each(|(number, sum)| *number = viewer.added(sum, *number));
    add(sum, numbers);
    shown
}

fn add(sum: &mut Numbers, numbers: Numbers) {
    sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum = sum.saturating_add(number));
}

/// A bucket for people: short, and in full.
fn names(time_zone: &TimeZone, bucket: TimeBucket, first: Hour) -> (String, String) {
    let day = time_zone.zone().day_of(first);
    let (year, _, number) = day.civil();
    let month = period::month(day);
    match bucket {
        TimeBucket::Hour => {
            let clock = time_zone.clock(first);
            let title = format!("{} {clock}", period::long(day));
            (clock, title)
        }
        TimeBucket::Day => (format!("{number} {month}"), period::long(day)),
        TimeBucket::Week => (format!("{number} {month}"), format!("week of {}", period::long(day))),
        TimeBucket::Month => (month.to_owned(), format!("{month} {year}")),
    }
}
