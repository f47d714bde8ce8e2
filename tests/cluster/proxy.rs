//! A bad network between the aggregator and ClickHouse: late, cut, reset, or the answer lost after
//! the insert has arrived.
//!
//! What it is not: between collector and Kafka, where the client goes to the address that the
//! broker gives, past any proxy; there the broker itself is killed.
//!
//! What surprises: a lost answer is the worst of them. The insert is there, and nobody was told.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::crash::{HIT_INTERVAL, Load, SETTINGS};
use super::{Cluster, shared};
use crate::dice::Dice;

/// How long the network is bad.
const BAD_TIME: Duration = Duration::from_secs(15);
/// How long a connection is left alone; the next piece after that cuts it.
const LIFE_MAX: Duration = Duration::from_millis(700);
/// Bytes forwarded at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum Fate {
    Well,
    /// Each piece comes this much later.
    Late(Duration),
    /// The request ends after so many bytes.
    Cut(usize),
    /// The request arrives whole, the answer never.
    Mute,
}

struct Proxy {
    address: String,
    is_bad: Arc<AtomicBool>,
    /// Connections that were not treated well.
    spoilt: Arc<AtomicU64>,
}

impl Proxy {
    fn start(target: String, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_bad, spoilt) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (bad, count) = (Arc::clone(&is_bad), Arc::clone(&spoilt));
        // It lives as long as the process: a thread that waits costs nothing.
        std::thread::spawn(move || {
            let mut dice = Dice(seed);
            for client in listener.incoming().flatten() {
                let fate = match dice.below(10) {
                    _ if !bad.load(Ordering::Relaxed) => Fate::Well,
                    0..4 => Fate::Well,
                    4..6 => Fate::Late(Duration::from_millis(dice.below(400))),
                    6..8 => Fate::Cut(usize::try_from(dice.below(4_000)).unwrap()),
                    _ => Fate::Mute,
                };
                if !matches!(fate, Fate::Well) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let life = if bad.load(Ordering::Relaxed) { LIFE_MAX } else { Duration::MAX };
                std::thread::spawn(move || forward((from, to), fate, life, true));
                std::thread::spawn(move || forward((server, client), fate, life, false));
            }
        });
        Self { address, is_bad, spoilt }
    }
}

/// Moves bytes one way until an end closes or the fate comes.
fn forward(
    (mut from, mut to): (TcpStream, TcpStream),
    fate: Fate,
    life: Duration,
    is_request: bool,
) {
    let begun = Instant::now();
    let (mut buffer, mut moved) = ([0; CHUNK_BYTES], 0);
    while let Ok(length) = from.read(&mut buffer) {
        let piece = &buffer[..length];
        if length == 0 || begun.elapsed() > life {
            break;
        }
        match fate {
            Fate::Late(pause) => std::thread::sleep(pause),
            Fate::Cut(limit) if is_request && moved + length > limit => break,
            Fate::Mute if !is_request => break,
            Fate::Well | Fate::Cut(_) | Fate::Mute => {}
        }
        moved += length;
        if to.write_all(piece).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

#[test]
fn a_bad_network_to_clickhouse_counts_nothing_twice_and_loses_nothing() {
    let mut cluster = Cluster::new(shared(), SETTINGS);
    // The tables are made over a good one.
    cluster.aggregator(0, &[]).unwrap().stop();
    let proxy = Proxy::start(cluster.engine.clone(), 0xbad);
    let url = format!("http://{}", proxy.address);
    let environment = [("HEADCOUNT_CLICKHOUSE_URL", url.as_str())];
    cluster.aggregators = (0..2).map(|n| cluster.aggregator(n, &environment).unwrap()).collect();
    cluster.collectors = vec![cluster.collector(0, &[]).unwrap()];
    let load = Load::new(&cluster);
    let sent = load.during(1, HIT_INTERVAL, || std::thread::sleep(BAD_TIME));
    proxy.is_bad.store(false, Ordering::Relaxed);
    let spoilt = proxy.spoilt.load(Ordering::Relaxed);
    assert!(spoilt >= 5, "only {spoilt} connections were spoilt");
    cluster.settle(&sent, &format!("{spoilt} spoilt connections"));
}
