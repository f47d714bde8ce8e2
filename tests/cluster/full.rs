//! A ClickHouse that answers every question and has no room for an insert.
//!
//! What it is not: away; that is `outage`.
//!
//! What surprises: such a server answers at once, so whoever asks again at once asks hundreds of
//! times a second and does nothing else.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::crash::{HIT_INTERVAL, Load, SETTINGS};
use super::{Cluster, PARTITIONS, shared};
use crate::server::{CHROME, Deployment as _, PATIENCE, SITE};
use crate::until::until;

/// How long the load lasts.
const LOAD_TIME: Duration = Duration::from_secs(2);
/// Looks at the aggregator while the server is full, and the pause between two.
const LOOKS: u32 = 50;
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Tries of one partition in that time at most, when the pauses begin at 250 ms and double, and one more
/// in each five seconds that a slow machine takes longer.
const TRIES_MAX: u64 = 6;
/// A stop waits 20 s for what is open, and then lets go; on a slow machine a little later, and never
/// only when the server has room again.
const STOP_MAX: Duration = Duration::from_secs(120);
/// Bytes forwarded at once; the head of a request comes in one piece.
const CHUNK_BYTES: usize = 64 * 1024;
/// Only inserts of counts have one.
const TOKEN: &[u8] = b"insert_deduplication_token=";
/// How the server says it.
const NO_ROOM: &str = "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. \
    (NOT_ENOUGH_SPACE) (version 25.8.1.1 (official build))";
/// What no waiting mends, and does not tell whether anything was written.
const A_FAULT: &str = "Code: 49. DB::Exception: Bad cast. (LOGICAL_ERROR) (version 25.8.1.1)";

/// The way to a server that is full.
struct Full {
    address: String,
    is_full: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
}

impl Full {
    fn start(target: String, says: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_full, refused) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (full, count) = (Arc::clone(&is_full), Arc::clone(&refused));
        // It lives as long as the process: a thread that waits costs nothing.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (full, count) = (Arc::clone(&full), Arc::clone(&count));
                std::thread::spawn(move || forward(server, client, says, |_| false));
                std::thread::spawn(move || {
                    forward(from, to, says, |piece| {
                        let is_insert = piece.windows(TOKEN.len()).any(|part| part == TOKEN);
                        let refuses = is_insert && full.load(Ordering::Relaxed);
                        count.fetch_add(u64::from(refuses), Ordering::Relaxed);
                        refuses
                    });
                });
            }
        });
        Self { address, is_full, refused }
    }

    fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Moves bytes one way until an end closes, or until a request is refused.
fn forward(
    mut from: TcpStream,
    mut to: TcpStream,
    says: &str,
    mut refuses: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if refuses(&buffer[..length]) {
            answer(from.try_clone().unwrap(), says);
            break;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

/// Hears the request to its end and refuses it.
fn answer(mut client: TcpStream, says: &str) {
    client.set_read_timeout(Some(LOOK_PAUSE)).unwrap();
    let mut buffer = vec![0; CHUNK_BYTES];
    while client.read(&mut buffer).is_ok_and(|length| length > 0) {}
    let head = format!("Content-Length: {}\r\nConnection: close\r\n\r\n", says.len());
    write!(client, "HTTP/1.1 500 Internal Server Error\r\n{head}{says}").ok();
}

#[test]
fn a_full_clickhouse_is_asked_seldom_and_holds_up_no_stop() {
    let mut cluster = Cluster::new(shared(), SETTINGS);
    let full = Full::start(cluster.engine.clone(), NO_ROOM);
    let url = format!("http://{}", full.address);
    let aggregator = cluster.aggregator(0, &[("HEADCOUNT_CLICKHOUSE_URL", &url)]).unwrap();
    cluster.collectors = vec![cluster.collector(0, &[]).unwrap()];
    let sent = Load::new(&cluster).during(1, HIT_INTERVAL, || std::thread::sleep(LOAD_TIME));
    // A refusal is counted before its answer is on the way.
    assert!(until(PATIENCE, || aggregator.ask_ops("/readyz").status == 503), "never told");
    let (before, begun) = (full.refused(), Instant::now());
    let mut ready = 0;
    for _ in 0..LOOKS {
        std::thread::sleep(LOOK_PAUSE);
        ready += u32::from(aggregator.ask_ops("/readyz").status == 200);
    }
    let tries = full.refused() - before;
    assert!(before > 0 && tries > 0, "no insert was tried, so nothing is shown");
    let longer = begun.elapsed().saturating_sub(LOOK_PAUSE * LOOKS).as_secs() / 5;
    let most = u64::from(PARTITIONS) * (TRIES_MAX + longer);
    assert!(tries <= most, "{tries} tries");
    assert_eq!(ready, 0, "of {LOOKS} times; the operator is not told all the time");
    let begun = Instant::now();
    assert_eq!(aggregator.stop(), Some(0));
    assert!(begun.elapsed() < STOP_MAX, "a stop took {:?}", begun.elapsed());
    full.is_full.store(false, Ordering::Relaxed);
    cluster.aggregators = vec![cluster.aggregator(1, &[]).unwrap()];
    cluster.settle(&sent, &format!("{} refused inserts", full.refused()));
}

#[test]
fn an_insert_that_no_waiting_mends_ends_the_aggregator() {
    let mut cluster = Cluster::new(shared(), SETTINGS);
    let full = Full::start(cluster.engine.clone(), A_FAULT);
    let url = format!("http://{}", full.address);
    let mut aggregator = cluster.aggregator(0, &[("HEADCOUNT_CLICKHOUSE_URL", &url)]).unwrap();
    cluster.collectors = vec![cluster.collector(0, &[]).unwrap()];
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/om\"}}");
    let headers = format!("User-Agent: {CHROME}\r\n");
    assert_eq!(cluster.send("POST /hit", &headers, &body).unwrap().status, 204);
    assert!(until(PATIENCE, || aggregator.ended().is_some()), "{} tries", full.refused());
    full.is_full.store(false, Ordering::Relaxed);
    cluster.aggregators = vec![cluster.aggregator(0, &[]).unwrap()];
    cluster.wait_for("SELECT sum(views) FROM page_counts", 1);
    cluster.assert_balanced();
}
