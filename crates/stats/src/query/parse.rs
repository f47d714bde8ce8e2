//! A body of `POST /api/v2/query` as a [`Plan`]: what to ask the store, and how to show it.
//!
//! What it is not: trusting. Every value is looked at; every refusal names the field, the position
//! and what would be right, and repeats nothing that was sent.
//!
//! What surprises: unknown fields are refused. A misspelt `filters` that is ignored would answer
//! another question with a straight face.

use headcount_core::site::SiteHost;
use headcount_store::question::{By, Metric, Order, OrderKey, Question, TimeBucket};
use serde_json::{Map, Value};

use super::date::{self, Bounds, Range};
use super::filter;
use super::words::{self, Dimension};
use super::{BadQuery, class};

/// Rows of one answer.
pub const LIMIT_MAX: u32 = 10_000;
/// Steps of `order_by`: one for each metric and dimension there can be.
const ORDERS_MAX: usize = 10;
/// The fields there are, for the error text.
const FIELDS: [&str; 8] = [
    "site_id",
    "metrics",
    "date_range",
    "dimensions",
    "filters",
    "order_by",
    "include",
    "pagination",
];
/// Why two attributes, or an attribute and a page, are refused.
const BY_DESIGN: &str = "cannot be asked together: each attribute is counted on its own and no \
    record joins it to pages or to another attribute, so this cannot be answered by design; ask \
    for one at a time";

/// What an answer carries besides its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// Imported counts are not kept apart; answered with `imports_included: false`.
    pub imports: bool,
    /// All buckets of the range.
    pub time_labels: bool,
    /// Rows there are without limit and offset.
    pub total_rows: bool,
}

/// A question that can be asked, and how its answer is to be shown.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For the store.
    pub question: Question,
    /// The range, which may have been narrowed.
    pub range: Range,
    /// The columns of `dimensions`, in the asker's order.
    pub dimensions: Vec<Dimension>,
    /// The steps of `order_by` as words.
    pub order_words: Vec<&'static str>,
    /// The extras.
    pub include: Include,
}

impl Plan {
    /// The plan that a question without a body stands for: for the terminal.
    pub fn of(question: Question) -> Self {
        let range = Range { from: question.from, to: question.to, narrowed: false };
        let dimensions = Dimension::of(question.by, question.time);
        let order_words = question
            .order
            .iter()
            .filter_map(|order| match order.key {
                OrderKey::Metric(metric) => Some(words::metric_word(metric)),
                key => Some(dimensions.iter().find(|known| known.order_key() == key)?.as_str()),
            })
            .collect();
        Self { question, range, dimensions, order_words, include: Include::default() }
    }
}

/// A body that is a JSON object with known fields.
#[derive(Debug)]
pub struct RawQuery(Map<String, Value>);

impl RawQuery {
    /// Reads the body.
    ///
    /// # Errors
    /// A body that is not a JSON object, or has a field that is not known.
    pub fn from_json(body: &[u8]) -> Result<Self, BadQuery> {
        let fields = match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            wrong => {
                let found = wrong.as_ref().map_or("not JSON", class);
                return Err(BadQuery::new(format!(
                    "the body must be a JSON object with site_id, metrics and date_range; this is {found}"
                )));
            }
        };
        if fields.keys().any(|key| !FIELDS.contains(&key.as_str())) {
            let known = FIELDS.join(", ");
            return Err(BadQuery::new(format!(
                "the body has an unknown field: the fields are {known}"
            )));
        }
        Ok(Self(fields))
    }

    /// The site that is asked about.
    ///
    /// # Errors
    /// No `site_id`, or one that is not a host.
    pub fn site(&self) -> Result<SiteHost, BadQuery> {
        self.0
            .get("site_id")
            .and_then(Value::as_str)
            .and_then(|text| SiteHost::parse(text).ok())
            .ok_or_else(|| {
                let found = match self.0.get("site_id") {
                    None => "missing",
                    Some(Value::String(_)) => "no host",
                    Some(other) => class(other),
                };
                BadQuery::new(format!(
                    "site_id must be the host of a site, such as example.org; this is {found}"
                ))
            })
    }

    /// Whether the period begins on the site's first day, which takes a look at all of its counts.
    pub fn needs_first_day(&self) -> bool {
        self.0.get("date_range").and_then(Value::as_str) == Some(date::ALL)
    }

    /// The whole question.
    ///
    /// # Errors
    /// The first thing in it that cannot be answered.
    pub fn plan(&self, site: SiteHost, bounds: &Bounds, k: u32) -> Result<Plan, BadQuery> {
        let range = match self.0.get("date_range") {
            Some(value) => date::read(value, bounds)?,
            None => {
                return Err(BadQuery::new(format!("date_range is missing: use {}", date::RANGES)));
            }
        };
        let metrics = self.metrics()?;
        let dimensions = self.dimensions(range)?;
        let pages = filter::read(self.0.get("filters"))?;
        let (by, time) = shape(&dimensions)?;
        answerable(by, &metrics, !pages.is_empty())?;
        let (order, order_words) = self.order(&metrics, &dimensions)?;
        let include = self.include(time)?;
        let (limit, offset) = self.pagination()?;
        let (from, to, zone) = (range.from, range.to, bounds.zone.clone());
        let question = Question {
            site,
            from,
            to,
            zone,
            metrics,
            by,
            time,
            pages,
            order,
            limit,
            offset,
            k,
            open_k: None,
        };
        Ok(Plan { question, range, dimensions, order_words, include })
    }

    /// The list of strings in a field; empty where the field is missing.
    fn strings(&self, field: &str) -> Result<Vec<&str>, BadQuery> {
        let list = match self.0.get(field) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => {
                let found = class(other);
                return Err(BadQuery::new(format!(
                    "{field} must be a list of strings; this is {found}"
                )));
            }
        };
        let text = |(at, value): (usize, &'_ Value)| match value {
            Value::String(_) => Ok(()),
            other => {
                let found = class(other);
                Err(BadQuery::new(format!("{field}[{at}] must be a string; this is {found}")))
            }
        };
        list.iter().enumerate().try_for_each(text)?;
        Ok(list.iter().filter_map(Value::as_str).collect())
    }

    fn metrics(&self) -> Result<Vec<Metric>, BadQuery> {
        let mut metrics = Vec::new();
        for (at, word) in self.strings("metrics")?.into_iter().enumerate() {
            let Some(metric) = words::parse_metric(word) else {
                return Err(unknown("metrics", at, words::metric_reason(word), words::METRICS));
            };
            if metrics.contains(&metric) {
                return Err(BadQuery::new(format!(
                    "metrics[{at}] is there twice: name each metric once"
                )));
            }
            metrics.push(metric);
        }
        if metrics.is_empty() {
            let known = words::METRICS;
            return Err(BadQuery::new(format!(
                "metrics must be a list of at least one of {known}"
            )));
        }
        Ok(metrics)
    }

    fn dimensions(&self, range: Range) -> Result<Vec<Dimension>, BadQuery> {
        let mut dimensions = Vec::new();
        for (at, word) in self.strings("dimensions")?.into_iter().enumerate() {
            let plain_time = (word == "time").then(|| Dimension::Time(range.bucket()));
            let Some(dimension) = plain_time.or_else(|| Dimension::parse(word)) else {
                return Err(unknown(
                    "dimensions",
                    at,
                    words::dimension_reason(word),
                    words::DIMENSIONS,
                ));
            };
            if dimensions.contains(&dimension) {
                return Err(BadQuery::new(format!(
                    "dimensions[{at}] is there twice: name each dimension once"
                )));
            }
            dimensions.push(dimension);
        }
        // One day of an attribute by plain `time`: days are the finest there is.
        let by_attribute = dimensions.iter().any(|known| matches!(known, Dimension::Attribute(_)));
        let spelt_out = self.strings("dimensions")?.contains(&"time:hour");
        if by_attribute && !spelt_out {
            for dimension in &mut dimensions {
                if *dimension == Dimension::Time(TimeBucket::Hour) {
                    *dimension = Dimension::Time(TimeBucket::Day);
                }
            }
        }
        Ok(dimensions)
    }

    fn order(
        &self,
        metrics: &[Metric],
        dimensions: &[Dimension],
    ) -> Result<(Vec<Order>, Vec<&'static str>), BadQuery> {
        let list = match self.0.get("order_by") {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(list)) if list.len() <= ORDERS_MAX => list.as_slice(),
            Some(other) => {
                let found = other
                    .as_array()
                    .map_or(class(other).to_owned(), |list| format!("a list of {}", list.len()));
                return Err(BadQuery::new(format!(
                    "order_by must be a list of at most {ORDERS_MAX} pairs, such as \
                     [[\"pageviews\", \"desc\"]]; this is {found}"
                )));
            }
        };
        let mut steps = Vec::new();
        for (at, pair) in list.iter().enumerate() {
            steps.push(
                order_step(pair, metrics, dimensions)
                    .map_err(|reason| BadQuery::new(format!("order_by[{at}] {reason}")))?,
            );
        }
        if steps.is_empty() {
            steps.extend(default_order(metrics, dimensions));
        }
        Ok(steps.into_iter().unzip())
    }

    fn include(&self, time: Option<TimeBucket>) -> Result<Include, BadQuery> {
        let mut include = Include::default();
        let fields = match self.0.get("include") {
            None | Some(Value::Null) => return Ok(include),
            Some(Value::Object(fields)) => fields,
            Some(other) => {
                let found = class(other);
                return Err(BadQuery::new(format!(
                    "include must be an object, such as {{\"total_rows\": true}}; this is {found}"
                )));
            }
        };
        for (key, value) in fields {
            let place = match key.as_str() {
                "imports" => &mut include.imports,
                "time_labels" => &mut include.time_labels,
                "total_rows" => &mut include.total_rows,
                _ => {
                    return Err(BadQuery::new(
                        "include has an unknown field: the fields are imports, time_labels and total_rows",
                    ));
                }
            };
            *place = value.as_bool().ok_or_else(|| {
                let found = class(value);
                BadQuery::new(format!("include.{key} must be true or false; this is {found}"))
            })?;
        }
        if include.time_labels && time.is_none() {
            return Err(BadQuery::new(
                "include.time_labels needs a time dimension, such as time:day",
            ));
        }
        Ok(include)
    }

    fn pagination(&self) -> Result<(u32, u32), BadQuery> {
        let fields = match self.0.get("pagination") {
            None | Some(Value::Null) => return Ok((LIMIT_MAX, 0)),
            Some(Value::Object(fields)) => fields,
            Some(other) => {
                let found = class(other);
                return Err(BadQuery::new(format!(
                    "pagination must be an object, such as {{\"limit\": 100, \"offset\": 0}}; \
                     this is {found}"
                )));
            }
        };
        if fields.keys().any(|key| key != "limit" && key != "offset") {
            return Err(BadQuery::new(
                "pagination has an unknown field: the fields are limit and offset",
            ));
        }
        let number = |key: &str, default: u32| match fields.get(key) {
            None => Some(default),
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        let found = |key: &str| match fields.get(key) {
            Some(Value::Number(number)) if !number.is_u64() && !number.is_i64() => {
                "a number with a fraction, or too large"
            }
            Some(Value::Number(_)) => "another number",
            other => other.map_or("missing", class),
        };
        let limit = number("limit", LIMIT_MAX)
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| {
                BadQuery::new(format!(
                    "pagination.limit must be a whole number from 1 to {LIMIT_MAX}; this is {}",
                    found("limit")
                ))
            })?;
        let offset = number("offset", 0).ok_or_else(|| {
            BadQuery::new(format!(
                "pagination.offset must be a whole number from 0 to {}; this is {}",
                u32::MAX,
                found("offset")
            ))
        })?;
        Ok((limit, offset))
    }
}

fn unknown(field: &str, at: usize, reason: Option<&str>, known: &str) -> BadQuery {
    BadQuery::new(match reason {
        Some(reason) => format!("{field}[{at}] is not counted, because {reason}: use {known}"),
        None => format!("{field}[{at}] is not known: use {known}"),
    })
}

/// What the rows are about, if these dimensions can stand side by side.
fn shape(dimensions: &[Dimension]) -> Result<(By, Option<TimeBucket>), BadQuery> {
    let (mut page, mut target, mut attribute, mut time) = (None, None, None, None);
    for (at, dimension) in dimensions.iter().enumerate() {
        match dimension {
            Dimension::Page => page = Some(at),
            Dimension::Target => target = Some(at),
            Dimension::Attribute(found) => match attribute {
                None => attribute = Some((at, *found)),
                Some((first, _)) => {
                    return Err(BadQuery::new(format!(
                        "dimensions[{first}] and dimensions[{at}] {BY_DESIGN}"
                    )));
                }
            },
            Dimension::Time(found) => {
                if time.replace(*found).is_some() {
                    return Err(BadQuery::new(format!(
                        "dimensions[{at}] is a second time: use one time dimension"
                    )));
                }
            }
        }
    }
    match (attribute, page.or(target)) {
        (Some((first, _)), Some(second)) => Err(BadQuery::new(format!(
            "dimensions[{}] and dimensions[{}] {BY_DESIGN}",
            first.min(second),
            first.max(second)
        ))),
        (Some((at, _)), None) if time == Some(TimeBucket::Hour) => Err(BadQuery::new(format!(
            "dimensions[{at}] is counted per day: use time:day, time:week or time:month with it"
        ))),
        (Some((_, attribute)), None) => Ok((By::Attribute(attribute), time)),
        (None, _) => Ok((
            match (page, target) {
                (Some(_), Some(_)) => By::PageAndTarget,
                (Some(_), None) => By::Page,
                (None, Some(_)) => By::Target,
                (None, None) => By::Total,
            },
            time,
        )),
    }
}

/// Whether these metrics exist for these rows.
fn answerable(by: By, metrics: &[Metric], filtered: bool) -> Result<(), BadQuery> {
    let position = |wrong: &dyn Fn(&Metric) -> bool| metrics.iter().position(wrong);
    match by {
        By::Attribute(_) if filtered => Err(BadQuery::new(
            "filters cannot be used with an attribute as dimension: each attribute is counted on \
             its own and no record joins it to pages, so this cannot be answered by design",
        )),
        By::Attribute(_) => match position(&|metric| *metric == Metric::Clicks) {
            Some(at) => Err(BadQuery::new(format!(
                "metrics[{at}] is not counted by attribute: use pageviews, visitors or visits"
            ))),
            None => Ok(()),
        },
        By::Target | By::PageAndTarget => match position(&|metric| *metric != Metric::Clicks) {
            Some(at) => Err(BadQuery::new(format!(
                "metrics[{at}] is not counted by event:target: a click is counted as a click only, use clicks"
            ))),
            None => Ok(()),
        },
        By::Total | By::Page => Ok(()),
    }
}

type Step = (Order, &'static str);

fn order_step(pair: &Value, metrics: &[Metric], dimensions: &[Dimension]) -> Result<Step, String> {
    let parts: Vec<_> = pair.as_array().into_iter().flatten().map(Value::as_str).collect();
    let [Some(word), Some(direction @ ("asc" | "desc"))] = parts[..] else {
        return Err("must be a pair such as [\"pageviews\", \"desc\"]".to_owned());
    };
    let descending = direction == "desc";
    let metric = words::parse_metric(word).filter(|metric| metrics.contains(metric));
    if let Some(metric) = metric {
        return Ok((
            Order { key: OrderKey::Metric(metric), descending },
            words::metric_word(metric),
        ));
    }
    let wanted = |known: &&Dimension| {
        known.as_str() == word || (word == "time" && matches!(known, Dimension::Time(_)))
    };
    match dimensions.iter().find(wanted) {
        Some(found) => Ok((Order { key: found.order_key(), descending }, found.as_str())),
        None => Err("must name one of the query's metrics or dimensions".to_owned()),
    }
}

fn default_order(metrics: &[Metric], dimensions: &[Dimension]) -> Vec<Step> {
    let time = dimensions.iter().find(|known| matches!(known, Dimension::Time(_)));
    let by_time =
        time.map(|found| (Order { key: OrderKey::Time, descending: false }, found.as_str()));
    let by_metric = metrics.first().map(|metric| {
        (Order { key: OrderKey::Metric(*metric), descending: true }, words::metric_word(*metric))
    });
    by_time.into_iter().chain(by_metric).collect()
}
