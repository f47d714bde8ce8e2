//! The store's answer as the JSON of the API: `results`, `meta` and the query as it was understood.
//!
//! What it is not: a reader of counts. It only arranges what was found.
//!
//! What surprises: visitors of a longer period come with a warning in `meta.metric_warnings`,
//! because they are counted per day and added up.

use headcount_core::time::Hour;
use headcount_store::question::{Answer, By, Metric, Row};
use serde_json::{Map, Value, json};

use super::filter;
use super::parse::Plan;
use super::words::{Dimension, metric_word};
use crate::time_zone::written;

/// The whole body.
pub fn to_json(plan: &Plan, answer: &Answer) -> Value {
    let results: Vec<Value> = rows(plan, answer)
        .into_iter()
        .map(|(names, metrics)| json!({ "dimensions": names, "metrics": metrics }))
        .collect();
    json!({ "results": results, "meta": meta(plan, answer), "query": query(plan) })
}

/// The rows, their names in the asker's order. The store leaves out rows of zeros; a question
/// without dimensions gets its one row back, as clients expect.
pub(crate) fn rows<'a>(plan: &Plan, answer: &'a Answer) -> Vec<(Vec<&'a str>, Vec<u64>)> {
    if plan.dimensions.is_empty() && plan.question.offset == 0 && answer.rows.is_empty() {
        return vec![(Vec::new(), vec![0; plan.question.metrics.len()])];
    }
    answer.rows.iter().map(|row| (names(plan, row), row.metrics.clone())).collect()
}

fn names<'a>(plan: &Plan, row: &'a Row) -> Vec<&'a str> {
    let name = |at: usize| row.names.get(at).map_or("", String::as_str);
    let cell = |dimension: &Dimension| match dimension {
        Dimension::Time(_) => row.time.as_deref().unwrap_or(""),
        Dimension::Target if plan.question.by == By::PageAndTarget => name(1),
        Dimension::Page | Dimension::Target | Dimension::Attribute(_) => name(0),
    };
    plan.dimensions.iter().map(cell).collect()
}

fn meta(plan: &Plan, answer: &Answer) -> Value {
    let mut meta = Map::new();
    if plan.include.imports {
        meta.insert("imports_included".into(), false.into());
    }
    if let (true, Some(bucket)) = (plan.include.time_labels, plan.question.time) {
        meta.insert("time_labels".into(), plan.range.labels_in(bucket, &plan.question.zone).into());
    }
    if plan.include.total_rows {
        meta.insert("total_rows".into(), answer.rows_total.into());
    }
    if answer.folded > 0 {
        meta.insert("folded_values".into(), answer.folded.into());
        meta.insert("folded_below_visitors".into(), plan.question.k.into());
    }
    let older =
        plan.range.narrowed.then(|| format!("older counts than {} are not kept", plan.range.from));
    let in_utc = (is_attribute(plan) && !plan.question.zone.is_utc())
        .then(|| "attributes are counted per UTC day, and these days are UTC days".to_owned());
    let warnings: Vec<String> = older.into_iter().chain(in_utc).collect();
    if !warnings.is_empty() {
        meta.insert("date_range_warning".into(), warnings.join("; ").into());
    }
    if let Some(warning) = visitors_warning(plan) {
        let warning = json!({ "code": "added_up", "warning": warning });
        meta.insert("metric_warnings".into(), json!({ "visitors": warning }));
    }
    meta.into()
}

fn visitors_warning(plan: &Plan) -> Option<&'static str> {
    let question = &plan.question;
    if !question.metrics.contains(&Metric::Visitors) {
        None
    } else if question.by == By::Total && !question.pages.is_empty() {
        Some("visitors are counted per page and UTC day, and added up over pages and days")
    } else if plan.range.days() > 1 {
        Some("visitors are counted per UTC day, and added up over days")
    } else if !is_attribute(plan) && lies_in_two_days(plan) {
        Some("visitors are counted per UTC day, and added up over the two that this day lies in")
    } else {
        None
    }
}

fn is_attribute(plan: &Plan) -> bool {
    matches!(plan.question.by, By::Attribute(_))
}

/// Whether the hours of the zone's days are those of more than one UTC day.
fn lies_in_two_days(plan: &Plan) -> bool {
    let zone = &plan.question.zone;
    zone.first_hour(plan.range.from).day() != zone.last_hour(plan.range.to).day()
}

fn query(plan: &Plan) -> Value {
    let question = &plan.question;
    let metrics: Vec<_> = question.metrics.iter().map(|metric| metric_word(*metric)).collect();
    let dimensions: Vec<_> = plan.dimensions.iter().map(|known| known.as_str()).collect();
    let zone = &question.zone;
    let offset = |hour: Hour| written(zone.offset_at(hour.unix_seconds()));
    let direction = |descending| if descending { "desc" } else { "asc" };
    let order_by: Vec<_> = question
        .order
        .iter()
        .zip(&plan.order_words)
        .map(|(order, word)| json!([word, direction(order.descending)]))
        .collect();
    json!({
        "site_id": question.site.as_str(),
        "metrics": metrics,
        "date_range": [
            format!("{}T00:00:00{}", question.from, offset(zone.first_hour(question.from))),
            format!("{}T23:59:59{}", question.to, offset(zone.last_hour(question.to))),
        ],
        "dimensions": dimensions,
        "filters": question.pages.iter().map(filter::written).collect::<Vec<_>>(),
        "order_by": order_by,
        "include": {
            "imports": plan.include.imports,
            "time_labels": plan.include.time_labels,
            "total_rows": plan.include.total_rows,
        },
        "pagination": { "limit": question.limit, "offset": question.offset },
    })
}
