//! The way to the server: an HTTP client, a runtime for it, and a time limit for every call.
//!
//! What it is not: asynchronous to the outside. Callers are threads.
//!
//! What surprises: Nagle's algorithm is off. With it, a small insert waits up to 50 ms for the
//! server's delayed acknowledgement.

use std::future::Future;
use std::time::Duration;

use clickhouse::query::Query;
use clickhouse::{Client, Row, RowOwned, RowRead};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;
use tracing::Dispatch;

use super::Settings;
use super::fault::ServerFault;
use crate::error::StoreError;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// ClickHouse closes idle connections after 3 s or more; a connection is given up before.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client with its runtime.
pub(super) struct Link {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    pub(super) client: Client,
    pub(super) cluster: Option<String>,
}

impl Link {
    /// A client for `settings`; nothing is sent yet. `shared`: several threads call at once.
    pub(super) fn new(settings: &Settings, shared: bool) -> Result<Self, StoreError> {
        if !is_address(&settings.url) {
            return Err(StoreError::BadAddress);
        }
        let is_https = settings.url.starts_with("https://");
        let mut builder = if shared {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        let runtime = builder
            .worker_threads(1)
            .thread_name("clickhouse")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| StoreError::Server {
                doing: "start the client of clickhouse",
                source: ServerFault::NoConnection { source: source.into() },
            })?;
        let client = http_client(is_https)
            .map_err(|source| StoreError::Server {
                doing: "read the system's certificates",
                source: ServerFault::NoConnection { source: source.into() },
            })?
            .with_url(&settings.url)
            .with_database(&settings.database)
            .with_user(&settings.user)
            .with_password(settings.password.text());
        let cluster = settings.cluster.clone();
        Ok(Self { runtime: Some(runtime), client, cluster })
    }

    /// Runs a call of at most `timeout`.
    pub(super) fn run<T>(
        &self,
        doing: &'static str,
        timeout: Duration,
        call: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, StoreError> {
        let runtime = self.runtime.as_ref().expect("the runtime lives as long as the link");
        let limited = async { tokio::time::timeout(timeout, call).await };
        // The client writes the server's words to the log (at debug), and they may quote a row.
        let silent = Dispatch::none();
        let result = tracing::dispatcher::with_default(&silent, || runtime.block_on(limited));
        let source = match result {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => ServerFault::of(error),
            Err(_) => ServerFault::Silent { seconds: timeout.as_secs() },
        };
        Err(StoreError::Server { doing, source })
    }

    /// A statement without an answer.
    pub(super) fn execute(
        &self,
        doing: &'static str,
        timeout: Duration,
        query: Query,
    ) -> Result<(), StoreError> {
        self.run(doing, timeout, query.execute())
    }

    /// All rows of an answer.
    pub(super) fn rows<T: RowOwned + RowRead + Row>(
        &self,
        doing: &'static str,
        timeout: Duration,
        query: Query,
    ) -> Result<Vec<T>, StoreError> {
        self.run(doing, timeout, query.fetch_all())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Dropping a runtime in asynchronous code panics; this does not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether a text is an address that the client takes: a host, perhaps a port and a path, and no
/// user, password or setting, which have keys of their own.
pub fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let bad = |c: char| "@?#".contains(c) || c.is_whitespace() || c.is_control();
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(bad))
}

fn http_client(is_https: bool) -> std::io::Result<Client> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let mut builder = HttpClient::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE_TIMEOUT).pool_timer(hyper_util::rt::TokioTimer::new());
    if !is_https {
        return Ok(Client::with_http_client(builder.build(connector)));
    }
    connector.enforce_http(false);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_only()
        .enable_http1()
        .wrap_connector(connector);
    Ok(Client::with_http_client(builder.build(connector)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;
    use crate::clickhouse_service::shared;

    /// Counts what would be logged, at every level.
    struct Counting(Arc<AtomicU32>);

    impl Subscriber for Counting {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("clickhouse")
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn what_the_server_says_is_not_logged() {
        let events = Arc::new(AtomicU32::new(0));
        let settings = Settings {
            url: shared().url.clone(),
            database: "default".into(),
            user: shared().user.clone(),
            password: super::super::Secret::new(shared().password.clone()),
            cluster: None,
        };
        let link = Link::new(&settings, false).unwrap();
        let query = || link.client.query_raw("SELECT toUInt8('/a-page')");
        // With a single subscriber, tracing asks whichever thread meets a place first, and another
        // test's thread has none; with two, all of them are asked.
        let second = Dispatch::new(Counting(Arc::default()));
        tracing::subscriber::with_default(Counting(Arc::clone(&events)), || {
            let error = link.execute("fail", CONNECT_TIMEOUT, query()).unwrap_err();
            assert!(!format!("{error:?}").contains("a-page"), "{error:?}");
            assert_eq!(events.load(Ordering::SeqCst), 0);
            // The client alone does log it.
            let error = link.runtime.as_ref().unwrap().block_on(query().execute()).unwrap_err();
            assert!(error.to_string().contains("a-page"));
            assert!(events.load(Ordering::SeqCst) > 0);
        });
        drop(second);
    }
}
