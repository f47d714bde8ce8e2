//! The dashboard's own style and script, named by their content.
//!
//! What it is not: a file server. There are two files, and they are in the binary.
//!
//! What surprises: their names change when they do, so a browser may keep them for a year.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::reply::{self, Trouble};

const CSS: &str = include_str!("../assets/dashboard.css");
const JS: &str = include_str!("../assets/dashboard.js");

static CSS_PATH: LazyLock<String> = LazyLock::new(|| path(CSS, "css"));
static JS_PATH: LazyLock<String> = LazyLock::new(|| path(JS, "js"));

/// Where the style is.
pub(crate) fn css_path() -> &'static str {
    &CSS_PATH
}

/// Where the script is.
pub(crate) fn js_path() -> &'static str {
    &JS_PATH
}

fn path(content: &str, kind: &str) -> String {
    let hash = blake3::hash(content.as_bytes()).to_hex();
    format!("/assets/dashboard-{}.{kind}", hash.get(..16).unwrap_or_default())
}

/// Answers `GET /assets/NAME`.
pub(crate) async fn handle(name: Result<Path<String>, PathRejection>) -> Response {
    let asked = name.map(|Path(name)| format!("/assets/{name}")).unwrap_or_default();
    let mut response = if asked == css_path() {
        reply::typed(StatusCode::OK, "text/css; charset=utf-8", CSS)
    } else if asked == js_path() {
        reply::typed(StatusCode::OK, "text/javascript; charset=utf-8", JS)
    } else {
        return Trouble::NotFound.into_text();
    };
    let year = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, year);
    response
}
