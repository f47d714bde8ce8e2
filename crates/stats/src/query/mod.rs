//! `POST /api/v2/query`: from a body to a question, and from the store's answer to JSON.
//!
//! What it is not: all of Plausible's Stats API v2. It speaks its shape, with the metrics and
//! dimensions that exist here, and refuses the rest with the reason.
//!
//! What surprises: the site is checked before the rest of the question is read, because the
//! range `all` depends on it.

pub mod answer;
pub mod date;
pub(crate) mod filter;
pub mod parse;
pub mod words;

#[cfg(test)]
mod tests;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use headcount_core::leak::{self, Leak};
use serde_json::Value;

use crate::queue::Reading;
use crate::reply::{self, Packing, Trouble};
use crate::state::Stats;
use crate::viewer::Viewer;

use self::parse::RawQuery;

/// A question that cannot be asked: a sentence for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadQuery(String);

impl BadQuery {
    /// A refusal with its reason, which names the field and what would be right.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Answers `POST /api/v2/query`.
pub(crate) async fn handle(
    State(stats): State<Stats>,
    Extension(viewer): Extension<Viewer>,
    packing: Packing,
    body: Body,
) -> Response {
    respond(&stats, &viewer, packing, body).await.unwrap_or_else(Trouble::into_json)
}

/// What a value is, for an error that must not repeat the value itself.
pub(crate) fn class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The description of the API, in OpenAPI 3.1.
const DESCRIPTION: &str = include_str!("../../assets/openapi.json");

/// Answers `GET /api/v2/openapi.json`: as all else, to those who may ask.
pub(crate) async fn describe() -> Response {
    reply::typed(StatusCode::OK, "application/json; charset=utf-8", DESCRIPTION)
}

async fn respond(
    stats: &Stats,
    viewer: &Viewer,
    packing: Packing,
    body: Body,
) -> Result<Response, Trouble> {
    let body = reply::body(body).await?;
    let raw = RawQuery::from_json(&body)?;
    let site = raw.site()?;
    let site = stats.visible_site(viewer.access(), &site).ok_or(Trouble::NotFound)?;
    let bounds = if raw.needs_first_day() {
        stats.bounds(&site).await?
    } else {
        stats.kept(&stats.time_zone(&site))
    };
    let plan = raw.plan(site, &bounds, stats.k())?;
    stats.check_time(plan.question.time)?;
    let job = move |store: &Reading| {
        let found = store.ask(&plan.question)?;
        let mut answer = answer::to_json(&plan, &found);
        if let Some(seen) = leak::seen(Leak::Api) {
            answer["leaked"] = seen.into();
        }
        Ok(packing.json(&answer))
    };
    stats.answer(viewer, job).await
}
