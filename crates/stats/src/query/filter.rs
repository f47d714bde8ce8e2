//! Filters: a tree of `and`, `or`, `not` and leaves on `event:page`, flattened to the list that
//! the store answers, all of which must hold.
//!
//! What it is not: a filter on attributes. Pages and attributes are counted apart, so "this page,
//! from that country" has no answer, and each refusal says so.
//!
//! What surprises: `not` is pushed down to the leaves first; `or` survives only where it can be
//! written as one leaf with more values.

use headcount_store::question::PageFilter;
use serde_json::Value;

use super::words::Dimension;
use super::{BadQuery, class};
use crate::text::TEXT_BYTES_MAX;

/// Leaves of one query. SQLite refuses expressions deeper than 1,000.
const LEAVES_MAX: usize = 20;
/// Values in all leaves of one query, for the same reason.
const VALUES_MAX: usize = 200;
/// Levels of `and`, `or` and `not`.
const DEPTH_MAX: u32 = 8;

/// A filter with its negations already at the leaves.
enum Tree {
    Leaf(PageFilter),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

/// Where in the body a filter stands, and whether a `not` is around it.
struct Place {
    path: String,
    negated: bool,
    depth: u32,
}

impl Place {
    fn child(&self, at: &str, negated: bool) -> Self {
        Self { path: format!("{}{at}", self.path), negated, depth: self.depth + 1 }
    }

    fn bad<T>(&self, reason: &str) -> Result<T, BadQuery> {
        Err(BadQuery::new(format!("{} {reason}", self.path)))
    }
}

/// Reads the API's `filters`.
pub(crate) fn read(value: Option<&Value>) -> Result<Vec<PageFilter>, BadQuery> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => {
            let found = class(other);
            return Err(BadQuery::new(format!(
                "filters must be a list, such as [[\"is\", \"event:page\", [\"/\"]]]; this is {found}"
            )));
        }
    };
    let mut leaves = Vec::new();
    for (at, filter) in list.iter().enumerate() {
        let place = Place { path: format!("filters[{at}]"), negated: false, depth: 0 };
        flatten(tree(filter, &place)?, &place, &mut leaves)?;
    }
    if leaves.len() > LEAVES_MAX {
        return Err(BadQuery::new(format!(
            "filters has {} parts: use at most {LEAVES_MAX}",
            leaves.len()
        )));
    }
    let values: usize = leaves.iter().map(|leaf| values_of(leaf).len()).sum();
    if values > VALUES_MAX {
        return Err(BadQuery::new(format!(
            "filters holds {values} pages: use at most {VALUES_MAX}"
        )));
    }
    Ok(leaves)
}

/// The API's word and the values of a filter.
pub(crate) fn written(filter: &PageFilter) -> Value {
    let word = match filter {
        PageFilter::Is(_) => "is",
        PageFilter::IsNot(_) => "is_not",
        PageFilter::Contains(_) => "contains",
        PageFilter::ContainsNot(_) => "contains_not",
    };
    serde_json::json!([word, "event:page", values_of(filter)])
}

fn values_of(filter: &PageFilter) -> &[String] {
    match filter {
        PageFilter::Is(values)
        | PageFilter::IsNot(values)
        | PageFilter::Contains(values)
        | PageFilter::ContainsNot(values) => values,
    }
}

fn tree(value: &Value, place: &Place) -> Result<Tree, BadQuery> {
    if place.depth > DEPTH_MAX {
        return place.bad(&format!("is nested too deep: use at most {DEPTH_MAX} levels"));
    }
    let parts = value.as_array().map(Vec::as_slice).unwrap_or_default();
    match (parts.first().and_then(Value::as_str), parts) {
        (Some("not"), [_, inner]) => tree(inner, &place.child("[1]", !place.negated)),
        (Some(word @ ("and" | "or")), [_, Value::Array(list)]) if !list.is_empty() => {
            let children = list
                .iter()
                .enumerate()
                .map(|(at, child)| tree(child, &place.child(&format!("[1][{at}]"), place.negated)))
                .collect::<Result<Vec<_>, _>>()?;
            // De Morgan: a negated `and` is an `or` of its negated parts, and the other way round.
            Ok(if (word == "and") == place.negated { Tree::Any(children) } else { Tree::All(children) })
        }
        (Some("and" | "or" | "not"), _) => {
            place.bad("must be [\"and\", [filter, ..]], [\"or\", [filter, ..]] or [\"not\", filter]")
        }
        (Some(operator), [_, dimension, values, rest @ ..]) => {
            on_page(dimension, place)?;
            modifiers(rest, place)?;
            leaf(operator, strings(values, place)?, place).map(Tree::Leaf)
        }
        _ => place.bad("must be a list of operator, dimension and values, such as [\"is\", \"event:page\", [\"/\"]]"),
    }
}

fn on_page(dimension: &Value, place: &Place) -> Result<(), BadQuery> {
    let word = dimension.as_str().unwrap_or_default();
    match Dimension::parse(word) {
        Some(Dimension::Page) => Ok(()),
        Some(Dimension::Attribute(_)) => place.bad(
            "filters on an attribute: each attribute is counted on its own and nothing joins it to \
             pages or to another attribute, so this cannot be answered by design; ask for it as \
             the only dimension",
        ),
        Some(Dimension::Time(_)) => place.bad("filters on time: set date_range instead"),
        _ if word == "time" => place.bad("filters on time: set date_range instead"),
        _ => place.bad("must filter on event:page, the only dimension that can be filtered"),
    }
}

fn modifiers(rest: &[Value], place: &Place) -> Result<(), BadQuery> {
    let respected = match rest {
        [] => true,
        [Value::Object(only)] => {
            only.iter().all(|(key, value)| key == "case_sensitive" && value == &Value::Bool(true))
        }
        _ => false,
    };
    if respected {
        Ok(())
    } else {
        place.bad("has a modifier: only {\"case_sensitive\": true} is answered")
    }
}

fn strings(values: &Value, place: &Place) -> Result<Vec<String>, BadQuery> {
    let Some(list) = values.as_array().filter(|list| !list.is_empty()) else {
        return place.bad("must have a list of at least one page as its third part");
    };
    let text = |(at, value): (usize, &Value)| match value {
        Value::String(text) if text.len() <= TEXT_BYTES_MAX => Ok(text.clone()),
        _ => Err(BadQuery::new(format!(
            "{}[2][{at}] must be a string of at most {TEXT_BYTES_MAX} bytes",
            place.path
        ))),
    };
    list.iter().enumerate().map(text).collect()
}

fn leaf(operator: &str, values: Vec<String>, place: &Place) -> Result<PageFilter, BadQuery> {
    Ok(match (operator, place.negated) {
        ("is", false) | ("is_not", true) => PageFilter::Is(values),
        ("is_not", false) | ("is", true) => PageFilter::IsNot(values),
        ("contains", false) | ("contains_not", true) => PageFilter::Contains(values),
        ("contains_not", false) | ("contains", true) => PageFilter::ContainsNot(values),
        ("matches" | "matches_not", _) => {
            return place
                .bad("uses regular expressions, which are not answered: use contains or is");
        }
        ("has_done" | "has_not_done", _) => {
            return place.bad("asks what one visitor did, which Headcount does not keep");
        }
        _ => return place.bad("has an unknown operator: use is, is_not, contains or contains_not"),
    })
}

fn flatten(tree: Tree, place: &Place, out: &mut Vec<PageFilter>) -> Result<(), BadQuery> {
    match tree {
        Tree::Leaf(leaf) => out.push(leaf),
        Tree::All(children) => {
            for child in children {
                flatten(child, place, out)?;
            }
        }
        Tree::Any(children) => {
            let mut merged: Option<PageFilter> = None;
            for child in children {
                let mut alone = Vec::new();
                flatten(child, place, &mut alone)?;
                merged = match (merged, alone.pop(), alone.is_empty()) {
                    (None, Some(leaf), true) => Some(leaf),
                    (Some(PageFilter::Is(mut all)), Some(PageFilter::Is(more)), true) => {
                        all.extend(more);
                        Some(PageFilter::Is(all))
                    }
                    (
                        Some(PageFilter::Contains(mut all)),
                        Some(PageFilter::Contains(more)),
                        true,
                    ) => {
                        all.extend(more);
                        Some(PageFilter::Contains(all))
                    }
                    _ => {
                        return place.bad(
                            "joins different kinds of filters with \"or\": only is with is, or \
                             contains with contains, can be answered",
                        );
                    }
                };
            }
            out.extend(merged);
        }
    }
    Ok(())
}
