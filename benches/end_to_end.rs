//! A hit's whole way, and what it leaves behind: `cargo bench --bench end_to_end`.
//!
//! What it is not: a search for the highest rate. It holds the rate that is asked for and says how
//! long a count takes to be visible, and how many bytes it costs in Kafka and in ClickHouse.
//!
//! What surprises: it fails if one answered hit is not counted, or one is counted twice.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[path = "../tests/services/clickhouse.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::panic, reason = "the tests' own starter")]
mod clickhouse_service;
#[path = "cluster/cluster.rs"]
#[expect(dead_code, reason = "the other bench of a cluster uses the rest")]
mod cluster;
#[path = "end_to_end/freshness.rs"]
mod freshness;
#[path = "collector/generator.rs"]
#[expect(dead_code, reason = "the collector's bench has several generators and a closed loop")]
mod generator;
#[path = "../tests/services/kafka.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the tests' own starter")]
mod kafka_service;
#[path = "../tests/services/ports.rs"]
#[expect(clippy::unwrap_used, reason = "the tests' own starter")]
mod ports;
#[path = "process.rs"]
mod process;
#[path = "collector/requests.rs"]
#[expect(dead_code, reason = "the collector's bench asks for pixels too")]
mod requests;
#[path = "collector/response.rs"]
mod response;
#[path = "end_to_end/storage.rs"]
mod storage;
#[path = "cluster/traffic.rs"]
#[expect(dead_code, reason = "clicks are the aggregator's bench")]
mod traffic;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::cluster::{Cluster, Room, Setting};
use crate::generator::{Generator, Outcome, Pace};
use crate::requests::{Form, Profile, Requests};

const USAGE: &str = "cargo bench --bench end_to_end -- [--seconds 60] [--rate 2000] \
[--connections 64] [--profile hot|distinct] [--binary PATH]; or --storage; or --grow";
/// How long the last counts may take.
const COUNT_PATIENCE: Duration = Duration::from_secs(30);
const TOPIC: &str = "end_to_end";

struct Options {
    duration: Duration,
    rate: u32,
    connections: usize,
    profile: Profile,
    storage: bool,
    grow: bool,
    binary: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    let cluster = Cluster::start(options.binary.clone())?;
    println!("load before: {}", cluster::load());
    if options.storage {
        storage::measure(&cluster)?;
    } else if options.grow {
        storage::grow(&cluster)?;
    } else {
        hold(&cluster, &options)?;
    }
    println!("load after: {}", cluster::load());
    Ok(())
}

/// Holds a rate of hits and looks at what comes out.
fn hold(cluster: &Cluster, options: &Options) -> anyhow::Result<()> {
    cluster.create(TOPIC);
    let sites: Vec<String> = requests::sites().collect();
    let setting = Setting { topic: TOPIC, database: TOPIC, sites: &sites };
    let aggregator = cluster.room("aggregate", &setting)?;
    let collector = cluster.room("collect", &setting)?;
    let requests = Requests::new(options.profile);
    let requests = requests.of(Form::Post);
    let mut load = Generator::connect(collector.port, options.connections, requests, 0)?;
    let ended = AtomicBool::new(false);
    let (outcome, probes) = std::thread::scope(|scope| {
        let prober = scope.spawn(|| freshness::probe(cluster, TOPIC, collector.port, &ended));
        let outcome = load.run(Pace::Open { per_second: options.rate }, options.duration);
        ended.store(true, Ordering::Release);
        let probes = prober.join().ok().context("the prober panicked")??;
        Ok::<_, anyhow::Error>((outcome?, probes))
    })?;
    let Outcome { answered, refused, broken, .. } = outcome;
    ensure!(refused == 0 && broken == 0, "{refused} were refused, {broken} connections broke");
    let hits = answered + probes.sent;
    check(cluster, hits)?;
    report(cluster, &outcome, hits, [&collector, &aggregator])?;
    probes.print();
    cluster.text(&format!("OPTIMIZE TABLE {TOPIC}.counts FINAL"));
    println!("in ClickHouse after merges: {}", storage::at_rest(cluster, TOPIC)?);
    collector.stop()?;
    aggregator.stop()
}

/// Waits until every hit is visible, and checks the books.
fn check(cluster: &Cluster, hits: u64) -> anyhow::Result<()> {
    let give_up = Instant::now() + COUNT_PATIENCE;
    let visible = format!("SELECT sum(views) FROM {TOPIC}.page_counts");
    let mut views = 0;
    while Instant::now() < give_up && views != i64::try_from(hits)? {
        views = cluster.number(&visible)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let books = format!("SELECT audit_delta, broken_tiles FROM {TOPIC}.books");
    let books = cluster.numbers(&books)?;
    println!("answered {hits}, counted {views}, books {books:?}");
    ensure!(u64::try_from(views) == Ok(hits), "answered and counted differ");
    ensure!(books == [0, 0], "the books do not balance");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn report(
    cluster: &Cluster,
    outcome: &Outcome,
    hits: u64,
    rooms: [&Room; 2],
) -> anyhow::Result<()> {
    let seconds = outcome.elapsed.as_secs_f64();
    let quantile = |q: f64| outcome.latency_us.value_at_quantile(q);
    println!(
        "{:.0} hits/s for {seconds:.0} s, {:.2} % late; answered in p50 {} us, p99 {} us",
        outcome.answered as f64 / seconds,
        outcome.late as f64 * 100.0 / outcome.answered as f64,
        quantile(0.5),
        quantile(0.99),
    );
    let per_million = |cpu: f64| cpu * 1e6 / hits as f64;
    println!(
        "CPU seconds per million hits: collector {:.1}, aggregator {:.1}, broker {:.1} and engine \
         {:.1} (their start and this bench's questions included)",
        per_million(rooms[0].cpu()?),
        per_million(rooms[1].cpu()?),
        per_million(cluster.broker_cpu()?),
        per_million(cluster.engine_cpu()?),
    );
    let log = cluster.log_bytes(TOPIC)?;
    println!("in Kafka: {log} bytes of log, {:.2} bytes a hit", log as f64 / hits as f64);
    Ok(())
}

fn options(mut words: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        duration: Duration::from_secs(60),
        rate: 2_000,
        connections: 64,
        profile: Profile::Hot,
        storage: false,
        grow: false,
        binary: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            // `cargo bench` adds it to every bench.
            "--bench" => continue,
            "--storage" => options.storage = true,
            "--grow" => options.grow = true,
            _ => {
                let value =
                    words.next().with_context(|| format!("{word} needs a value; {USAGE}"))?;
                match word.as_str() {
                    "--seconds" => options.duration = Duration::from_secs_f64(value.parse()?),
                    "--rate" => options.rate = value.parse()?,
                    "--connections" => options.connections = value.parse()?,
                    "--profile" if value == "hot" => options.profile = Profile::Hot,
                    "--profile" if value == "distinct" => options.profile = Profile::Distinct,
                    "--binary" => options.binary = Some(value),
                    _ => bail!("{word} {value} is unknown; {USAGE}"),
                }
            }
        }
    }
    Ok(options)
}
