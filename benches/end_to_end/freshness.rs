//! How long a hit takes from its answer until a query shows it.
//!
//! What it is not: taken from the inside. A page of its own is sent every 250 ms, and the store is
//! asked over HTTP, as an analyst's tool would.
//!
//! What surprises: the time ends with the answer of the first query that shows the page, so the
//! pause between two queries (50 ms) and the query itself are in it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;

use crate::cluster::Cluster;
use crate::requests::site;
use crate::response::first_answer;
use crate::traffic::path;

const PROBE_INTERVAL: Duration = Duration::from_millis(250);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a probe may stay invisible.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the probes saw.
pub(crate) struct Probes {
    pub(crate) sent: u64,
    visible_ms: Histogram<u64>,
}

impl Probes {
    pub(crate) fn print(&self) {
        let quantile = |q: f64| self.visible_ms.value_at_quantile(q);
        println!(
            "from answer to visible, {} probes: p50 {} ms, p99 {} ms, at most {} ms",
            self.sent,
            quantile(0.5),
            quantile(0.99),
            self.visible_ms.max()
        );
    }
}

/// Sends probes until `ended`, and looks until all are visible.
pub(crate) fn probe(
    cluster: &Cluster,
    database: &str,
    port: u16,
    ended: &AtomicBool,
) -> anyhow::Result<Probes> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    stream.set_nodelay(true)?;
    let mut probes = Probes { sent: 0, visible_ms: Histogram::new_with_max(600_000, 3)? };
    let mut waiting: BTreeMap<String, Instant> = BTreeMap::new();
    let mut due = Instant::now();
    loop {
        let is_over = ended.load(Ordering::Acquire);
        if is_over && waiting.is_empty() {
            return Ok(probes);
        }
        if !is_over && Instant::now() >= due {
            let page = path(usize::try_from(probes.sent)?);
            send(&mut stream, &page)?;
            waiting.insert(page, Instant::now());
            probes.sent += 1;
            due += PROBE_INTERVAL;
        }
        let pages: Vec<String> = waiting.keys().map(|page| format!("'{page}'")).collect();
        if !pages.is_empty() {
            let pages = pages.join(", ");
            let seen = cluster.text(&format!(
                "SELECT page FROM {database}.page_counts WHERE site = '{}' AND page IN ({pages})",
                site(0)
            ));
            for page in seen.lines() {
                let since = waiting.remove(page).context("a page that was not sent")?;
                probes.visible_ms.record(u64::try_from(since.elapsed().as_millis())?)?;
            }
        }
        let is_stuck = waiting.values().any(|since| since.elapsed() > PATIENCE);
        ensure!(!is_stuck, "a probe did not become visible");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// One view on a connection that is kept, answered before this returns.
fn send(stream: &mut TcpStream, page: &str) -> anyhow::Result<()> {
    let body = format!(r#"{{"s":"{}","p":"{page}"}}"#, site(0));
    write!(
        stream,
        "POST /hit HTTP/1.1\r\nHost: stats.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\nContent-Length: \
         {}\r\n\r\n{body}",
        body.len()
    )?;
    let (mut inbox, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let bytes = stream.read(&mut buffer)?;
        ensure!(bytes > 0, "the collector ended the probe's connection");
        inbox.extend_from_slice(&buffer[..bytes]);
        if let Some(answer) = first_answer(&inbox) {
            ensure!((200..300).contains(&answer.status), "a probe got {}", answer.status);
            return Ok(());
        }
    }
}
