//! The one GET.
//!
//! What it is not: a client with a memory. It keeps no cookie, follows nothing, and asks once.
//!
//! What surprises: it says that it is a robot, so that a log that is imported does not count it.

use std::collections::BTreeSet;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use url::Url;

use super::Answer;

/// Longest wait for all of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest page that is read.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest name of a cookie that is told, in characters.
const NAME_CHARS_MAX: usize = 64;
/// Cookies that are told at most.
const COOKIES_MAX: usize = 100;
/// Who asks.
const AGENT: &str = "headcount-doctor (robot; bot)";

/// Asks for a page, once.
///
/// # Errors
/// A line that says why nothing was seen.
pub(in crate::doctor) fn get(url: &Url) -> Result<Answer, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().enable_time().build().map_err(|error| error.to_string())?;
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(url)).await });
    runtime.shutdown_background();
    answer.unwrap_or_else(|_| Err(format!("no whole answer within {} s", PATIENCE.as_secs())))
}

async fn ask(url: &Url) -> Result<Answer, String> {
    let mut connector = HttpConnector::new();
    let response = if url.scheme() == "https" {
        connector.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| format!("the system's certificates cannot be read: {error}"))?
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        send(connector, url).await?
    } else {
        send(connector, url).await?
    };
    refuse_other(url, &response)?;
    let cookies = cookies(response.headers());
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("its body was not read to the end: {error}"))?;
    Ok(Answer { cookies, html: body.to_bytes().to_vec() })
}

async fn send<C>(connector: C, url: &Url) -> Result<Response<Incoming>, String>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let request = Request::get(url.as_str())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "text/html")
        .header(header::ACCEPT_ENCODING, "identity")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let client: Client<C, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    client.request(request).await.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        text
    })
}

/// Refuses what is no page.
fn refuse_other(url: &Url, response: &Response<Incoming>) -> Result<(), String> {
    let (status, headers) = (response.status(), response.headers());
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if status.is_redirection() {
        let to = text(header::LOCATION).and_then(|to| url.join(to).ok());
        let to = to.map_or_else(|| "nowhere".to_owned(), String::from);
        return Err(format!("answers {} and leads to {to}; name that address", status.as_u16()));
    }
    if !status.is_success() {
        return Err(format!("answers {}", status.as_u16()));
    }
    let kind = text(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    if !["text/html", "application/xhtml+xml"].iter().any(|html| kind.starts_with(html)) {
        return Err("is no HTML by its Content-Type".to_owned());
    }
    if text(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err("comes packed, although that was not asked for".to_owned());
    }
    Ok(())
}

/// The names of the cookies that an answer sets.
fn cookies(headers: &HeaderMap) -> BTreeSet<String> {
    let name = |value: &header::HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let name = text.split(['=', ';']).next().unwrap_or_default().trim();
        name.chars().filter(char::is_ascii_graphic).take(NAME_CHARS_MAX).collect()
    };
    headers.get_all(header::SET_COOKIE).iter().take(COOKIES_MAX).map(name).collect()
}
