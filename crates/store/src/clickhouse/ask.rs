//! Answering a question: one statement of fixed pieces, with every value bound.
//!
//! What it is not: a builder of SQL from what was asked. Pieces come from closed lists; pages,
//! sites and texts are parameters, so a name is matched as it is written.
//!
//! What surprises: pages, targets and totals are grouped, sorted and cut by the server; attributes
//! come back by day, because folding small values looks at each day (`answer/fold.rs`), and there
//! are few of them: the edge bounds the values of a day.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use clickhouse::Row;
use clickhouse::query::Query;
use headcount_core::cell::{Attribute, Counts};
use headcount_core::time::Day;
use serde::Deserialize;

use super::link::Link;
use super::rows::{DAY_SECONDS, attribute_word};
use crate::answer::fold::{Strength, Value, folded};
use crate::answer::plan::{Scan, plan};
use crate::answer::{Draft, GROUPS_MAX, OTHER, bucket_of, cut, metrics_of, sorted};
use crate::error::StoreError;
use crate::kind;
use crate::question::{Answer, By, Metric, OrderKey, PageFilter, Question, TimeBucket};

const DOING: &str = "answer a question";
const HOUR_SECONDS: u64 = 3_600;

#[derive(Row, Deserialize)]
struct Group {
    time: u32,
    first: String,
    second: String,
    views_sum: i64,
    visitors_sum: i64,
    visits_sum: i64,
    clicks_sum: i64,
    rows_total: u64,
}

#[derive(Row, Deserialize)]
struct DayOfValue {
    day: u32,
    is_open: u8,
    name: String,
    views_sum: i64,
    visitors_sum: i64,
    visits_sum: i64,
}

/// First and last second of a period.
pub(super) fn seconds(from: Day, to: Day) -> (u32, u32) {
    let start = |day: Day| day.0.saturating_mul(DAY_SECONDS);
    (start(from), start(to).saturating_add(DAY_SECONDS - 1))
}

/// First and last second of the hours that a question is about.
fn seconds_of(question: &Question) -> (u32, u32) {
    let narrow = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
    let last = question.zone.last_hour(question.to).unix_seconds();
    (
        narrow(question.zone.first_hour(question.from).unix_seconds()),
        narrow(last + HOUR_SECONDS - 1),
    )
}

/// Asks the views.
pub(super) fn ask(
    link: &Link,
    timeout: Duration,
    question: &Question,
) -> Result<Answer, StoreError> {
    let scans = plan(question)?;
    match question.by {
        _ if question.from > question.to => Ok(Answer::default()),
        By::Attribute(attribute) => ask_values(link, timeout, (question, attribute)),
        _ => ask_groups(link, timeout, (question, &scans)),
    }
}

/// The statement with its period, site and limits.
fn bound(link: &Link, sql: &str, question: &Question) -> Query {
    let (from, to) = match question.by {
        By::Attribute(_) => seconds(question.from, question.to),
        _ => seconds_of(question),
    };
    link.client
        .query_raw(sql)
        .with_setting("max_rows_to_group_by", GROUPS_MAX.to_string())
        .with_setting("group_by_overflow_mode", "throw")
        .param("site", question.site.as_str())
        .param("from", from)
        .param("to", to)
}

fn ask_groups(
    link: &Link,
    timeout: Duration,
    (question, scans): (&Question, &[Scan]),
) -> Result<Answer, StoreError> {
    let sql = group_sql(question, scans);
    let fetch = |limit: u32, offset: u32| {
        let mut query = bound(link, &sql, question).param("limit", limit).param("offset", offset);
        if !question.zone.is_utc() && question.time.is_some() {
            let (shifts, offsets) = question.zone.table();
            query = query.param("shifts", shifts).param("offsets", offsets);
        }
        for (number, filter) in question.pages.iter().enumerate() {
            query = query.param(&format!("words_{number}"), words(filter));
        }
        link.rows::<Group>(DOING, timeout, query)
    };
    let groups = fetch(question.limit, question.offset)?;
    let rows_total = match groups.first() {
        Some(group) => group.rows_total,
        // Beyond the last row nothing tells how many there are.
        None if question.offset == 0 && question.limit > 0 => 0,
        None => fetch(1, 0)?.first().map_or(0, |group| group.rows_total),
    };
    let rows = groups.into_iter().map(|group| {
        let counts =
            counts([group.views_sum, group.visitors_sum, group.visits_sum, group.clicks_sum]);
        let names: Vec<Rc<str>> = match question.by {
            By::Total => Vec::new(),
            By::PageAndTarget => vec![group.first.into(), group.second.into()],
            By::Page | By::Target | By::Attribute(_) => vec![group.first.into()],
        };
        Draft { time: group.time, names, metrics: metrics_of(question, &counts) }.finish(question)
    });
    Ok(Answer { rows: rows.collect(), rows_total, folded: 0 })
}

fn counts([views, visitors, visits, clicks]: [i64; 4]) -> Counts {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    Counts {
        views: number(views),
        visitors: number(visitors),
        visits: number(visits),
        clicks: number(clicks),
        refused: 0,
    }
}

/// The statement for a question about totals, pages or targets.
fn group_sql(question: &Question, scans: &[Scan]) -> String {
    let (first, second) = match question.by {
        By::Total | By::Attribute(_) => ("''", "''"),
        By::Page => ("name", "''"),
        By::Target => ("target", "''"),
        By::PageAndTarget => ("name", "target"),
    };
    let kinds: Vec<&str> = scans
        .iter()
        .map(|scan| match scan.kind {
            kind::PAGE => "'page'",
            kind::CLICK => "'click'",
            _ => "'site'",
        })
        .collect();
    let pages: Vec<String> =
        question.pages.iter().enumerate().map(|(at, filter)| page_sql(at, filter)).collect();
    let wanted: Vec<String> =
        question.metrics.iter().map(|metric| format!("{} != 0", column(*metric))).collect();
    include_str!("sql/ask_groups.sql")
        .replace("<TIME>", time_sql(question))
        .replace("<FIRST>", first)
        .replace("<SECOND>", second)
        .replace("<KINDS>", &kinds.join(", "))
        .replace("<PAGES>", &if pages.is_empty() { "1".to_owned() } else { pages.join(" AND ") })
        .replace("<WANTED>", &wanted.join(" OR "))
        .replace("<ORDER>", &order_sql(question))
}

fn time_sql(question: &Question) -> &'static str {
    match question.time {
        None => "toUInt32(0)",
        Some(TimeBucket::Hour) => "toUInt32(intDiv(toUnixTimestamp(bucket), 3600))",
        Some(time) if !question.zone.is_utc() => local_sql(time),
        Some(TimeBucket::Day) => "toUInt32(toDate(bucket))",
        Some(TimeBucket::Week) => "toUInt32(toMonday(bucket))",
        Some(TimeBucket::Month) => "toUInt32(toStartOfMonth(bucket))",
    }
}

/// The same in the question's zone, whose offsets are the parameters `shifts` and `offsets`.
fn local_sql(time: TimeBucket) -> &'static str {
    macro_rules! day {
        () => {
            "toDate(toUInt16(intDiv(toInt64(toUnixTimestamp(bucket)) + {offsets:Array(Int32)}[\
             1 + arrayCount(at -> at <= toUnixTimestamp(bucket), {shifts:Array(UInt32)})], 86400)))"
        };
    }
    match time {
        TimeBucket::Hour | TimeBucket::Day => concat!("toUInt32(", day!(), ")"),
        TimeBucket::Week => concat!("toUInt32(toMonday(", day!(), "))"),
        TimeBucket::Month => concat!("toUInt32(toStartOfMonth(", day!(), "))"),
    }
}

fn column(metric: Metric) -> &'static str {
    match metric {
        Metric::Views => "views_sum",
        Metric::Visitors => "visitors_sum",
        Metric::Visits => "visits_sum",
        Metric::Clicks => "clicks_sum",
    }
}

/// A filter of pages; its texts are the parameter `words_` and its number.
fn page_sql(at: usize, filter: &PageFilter) -> String {
    let words = format!("{{words_{at}:Array(String)}}");
    match filter {
        PageFilter::Is(_) => format!("has({words}, name)"),
        PageFilter::IsNot(_) => format!("NOT has({words}, name)"),
        PageFilter::Contains(_) => format!("arrayExists(it -> position(name, it) > 0, {words})"),
        PageFilter::ContainsNot(_) => {
            format!("NOT arrayExists(it -> position(name, it) > 0, {words})")
        }
    }
}

fn words(filter: &PageFilter) -> &[String] {
    match filter {
        PageFilter::Is(words)
        | PageFilter::IsNot(words)
        | PageFilter::Contains(words)
        | PageFilter::ContainsNot(words) => words,
    }
}

fn order_sql(question: &Question) -> String {
    let steps = question.order.iter().flat_map(|order| {
        let columns: &[&str] = match order.key {
            OrderKey::Metric(Metric::Views) => &["views_sum"],
            OrderKey::Metric(Metric::Visitors) => &["visitors_sum"],
            OrderKey::Metric(Metric::Visits) => &["visits_sum"],
            OrderKey::Metric(Metric::Clicks) => &["clicks_sum"],
            OrderKey::Time => &["time"],
            OrderKey::Name => &["first", "second"],
        };
        let way = if order.descending { "DESC" } else { "ASC" };
        columns.iter().map(move |column| format!("{column} {way}"))
    });
    let ties = ["time ASC", "first ASC", "second ASC"].map(str::to_owned);
    steps.chain(ties).collect::<Vec<_>>().join(", ")
}

/// Values of an attribute: folded over the whole period, so that a value is hidden in every bucket
/// of time or in none.
fn ask_values(
    link: &Link,
    timeout: Duration,
    (question, attribute): (&Question, Attribute),
) -> Result<Answer, StoreError> {
    let query = bound(link, include_str!("sql/ask_days.sql"), question);
    let query = query.param("kind", attribute_word(attribute));
    let days: Vec<DayOfValue> = link.rows(DOING, timeout, query)?;
    let of_open_days = hidden_of_open_days(&days, question);
    let is_hidden = |day: &DayOfValue| of_open_days.contains(&(day.day, &*day.name));
    let mut strengths: HashMap<&str, Strength> = HashMap::new();
    for day in days.iter().filter(|day| day.name != OTHER && !is_hidden(day)) {
        let counts = day.counts();
        strengths.entry(&day.name).or_default().add_day(counts.visitors, counts.visits);
    }
    let values: Vec<(&str, Strength)> = strengths.into_iter().collect();
    let numbered = (0i64..).zip(&values);
    let numbered = numbered.map(|(id, (name, strength))| Value { id, name, strength: *strength });
    // Where a day tells nothing, it does not tell how many values it has either.
    let of_days = of_open_days.iter().filter(|_| question.open_k.is_some()).map(|it| it.1);
    let of_days: HashSet<&str> = of_days.collect();
    let hidden = folded(numbered.collect(), question.k, of_days.len());
    let hidden: HashSet<&str> =
        (0i64..).zip(&values).filter(|it| hidden.contains(&it.0)).map(|it| it.1.0).collect();
    let mut groups: HashMap<(u32, &str), Counts> = HashMap::new();
    for day in &days {
        let time = question.time.map_or(0, |time| bucket_of(time, day.day, None));
        let is_other = hidden.contains(&*day.name) || is_hidden(day);
        let name = if is_other { OTHER } else { &day.name };
        groups.entry((time, name)).or_default().add(&day.counts());
    }
    let rows = groups
        .into_iter()
        .map(|((time, name), counts)| Draft {
            time,
            names: vec![name.into()],
            metrics: metrics_of(question, &counts),
        })
        .filter(|row| row.metrics.iter().any(|number| *number != 0));
    let folded = u64::try_from(hidden.union(&of_days).count()).unwrap_or(u64::MAX);
    Ok(cut(question, sorted(question, rows.collect()), folded))
}

/// The values of days that are not closed which are hidden, as if each day alone had been asked for.
fn hidden_of_open_days<'a>(days: &'a [DayOfValue], question: &Question) -> HashSet<(u32, &'a str)> {
    let mut open_days: BTreeMap<u32, Vec<&'a DayOfValue>> = BTreeMap::new();
    for day in days.iter().filter(|day| question.k > 1 && day.is_open != 0 && day.name != OTHER) {
        open_days.entry(day.day).or_default().push(day);
    }
    let mut hidden = HashSet::new();
    for (day, values) in open_days {
        let numbered = (0i64..).zip(&values).map(|(id, value)| {
            let counts = value.counts();
            let strength = Strength::of_day(counts.visitors, counts.visits);
            Value { id, name: &value.name, strength }
        });
        let small = question.open_k.map(|k| folded(numbered.collect(), k, 0));
        let is_small = |id: i64| small.as_ref().is_none_or(|small| small.contains(&id));
        let gone = (0i64..).zip(&values).filter(|it| is_small(it.0));
        hidden.extend(gone.map(|(_, value)| (day, &*value.name)));
    }
    hidden
}

impl DayOfValue {
    fn counts(&self) -> Counts {
        counts([self.views_sum, self.visitors_sum, self.visits_sum, 0])
    }
}
