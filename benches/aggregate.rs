//! How fast batches get from Kafka into ClickHouse: `cargo bench --bench aggregate`.
//!
//! What it is not: a measure of a real cluster. Broker, engine (chDB behind the tests' front) and
//! aggregator share this machine; the CPU of each per million cells is the number to quote.
//!
//! What surprises: it fails if the store holds another sum than was put into the topic, or the
//! books do not balance.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[path = "../tests/services/clickhouse.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::panic, reason = "the tests' own starter")]
mod clickhouse_service;
#[path = "cluster/cluster.rs"]
#[expect(dead_code, reason = "the other bench of a cluster uses the rest")]
mod cluster;
#[path = "../tests/services/kafka.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the tests' own starter")]
mod kafka_service;
#[path = "../tests/services/ports.rs"]
#[expect(clippy::unwrap_used, reason = "the tests' own starter")]
mod ports;
#[path = "process.rs"]
mod process;
#[path = "aggregate/shapes.rs"]
mod shapes;
#[path = "cluster/traffic.rs"]
mod traffic;

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use headcount_transport::kafka::{Heard, KafkaSubscriber, topic};

use crate::cluster::{Cluster, Setting};
use crate::shapes::{Filled, SHAPES};

const USAGE: &str = "cargo bench --bench aggregate -- [--rounds 3] [--cells 500000 (of each shape)] \
[--shapes hot,pages,clicks] [--binary PATH]";
/// How long one measurement may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often the ledger is asked how far it is.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

struct Options {
    rounds: usize,
    cells: u64,
    shapes: Vec<String>,
    binary: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    let cluster = Cluster::start(options.binary.clone())?;
    println!("load before: {}", cluster::load());
    let mut topics = Vec::new();
    for shape in SHAPES.into_iter().filter(|it| options.shapes.iter().any(|n| n == it.name)) {
        let settings = cluster.topic(shape.name, shape.name);
        topic::ensure(&settings, true)?;
        let start = Instant::now();
        let filled = shapes::fill(shape, &settings, options.cells)?;
        let Filled { records, cells, hits, .. } = filled;
        println!(
            "{shape:?}: {records} records, {cells} cells, {hits} hits, {} bytes of log, {:?}",
            cluster.log_bytes(&filled.topic)?,
            start.elapsed(),
        );
        topics.push(filled);
    }
    println!(
        "{:>5} {:<7} | {:>11} {:>12} | {:>9} {:>7} {:>9} {:>11} {:>9} {:>9} {:>6}",
        "round",
        "shape",
        "raw rec/s",
        "raw cells/s",
        "cells/s",
        "inserts",
        "start s",
        "hits/s",
        "agg CPU",
        "engine",
        "of raw"
    );
    for round in 1..=options.rounds {
        for filled in &topics {
            let raw = consume(&cluster, filled, round)?;
            let row = aggregate(&cluster, filled, round)?;
            print(round, filled, raw, &row);
        }
        topics.reverse();
    }
    println!("agg CPU and engine: CPU seconds per million cells. load after: {}", cluster::load());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn print(round: usize, filled: &Filled, raw: Duration, row: &Row) {
    let (cells, seconds) = (filled.cells as f64, row.took.as_secs_f64());
    let millions = cells / 1e6;
    println!(
        "{round:>5} {:<7} | {:>11.0} {:>12.0} | {:>9.0} {:>7} {:>9.2} {:>11.0} {:>9.2} {:>9.2} {:>6.3}",
        filled.shape.name,
        filled.records as f64 / raw.as_secs_f64(),
        cells / raw.as_secs_f64(),
        cells / seconds,
        row.inserts,
        row.first.as_secs_f64(),
        filled.hits as f64 / seconds,
        row.cpu / millions,
        row.engine_cpu / millions,
        raw.as_secs_f64() / seconds,
    );
}

/// From the first partition assigned to the last record read, and nothing done with any.
fn consume(cluster: &Cluster, filled: &Filled, round: usize) -> anyhow::Result<Duration> {
    let settings = cluster.topic(&filled.topic, &format!("raw-{}-{round}", filled.topic));
    let mut subscriber = KafkaSubscriber::connect(&settings)?;
    let (mut start, mut records) = (None, 0);
    let give_up = Instant::now() + PATIENCE;
    while records < filled.records {
        ensure!(Instant::now() < give_up, "only {records} records came");
        match subscriber.hear(Duration::from_secs(1))? {
            Heard::Assigned(partitions) => {
                start.get_or_insert_with(Instant::now);
                for partition in partitions {
                    subscriber.begin(partition, 0)?;
                }
            }
            Heard::Record(consumed) => {
                consumed.record?;
                records += 1;
            }
            Heard::Nothing => {}
            other => bail!("{other:?} in a group of one"),
        }
    }
    Ok(start.context("records without a partition")?.elapsed())
}

/// What one standing start was.
struct Row {
    /// From the process being up to everything in the ledger.
    took: Duration,
    /// To the first ledger row.
    first: Duration,
    inserts: i64,
    cpu: f64,
    engine_cpu: f64,
}

fn aggregate(cluster: &Cluster, filled: &Filled, round: usize) -> anyhow::Result<Row> {
    let database = &format!("{}_{round}", filled.topic);
    cluster.create(database);
    let setting = Setting { topic: &filled.topic, database, sites: &[traffic::host(0)] };
    let engine_before = cluster.engine_cpu()?;
    let room = cluster.room("aggregate", &setting)?;
    let start = Instant::now();
    let (mut first, mut read) = (None, 0);
    // Offsets begin at 0 and have no holes, so the positions of all partitions are the records.
    let progress = format!(
        "SELECT toInt64(sum(h)) FROM (SELECT max(hi) AS h FROM {database}.ledger \
         WHERE kind = 'batch' GROUP BY src)"
    );
    while read < i64::try_from(filled.records)? {
        ensure!(start.elapsed() < PATIENCE, "only {read} of {} records", filled.records);
        std::thread::sleep(LOOK_INTERVAL);
        read = cluster.number(&progress)?;
        if read > 0 {
            first.get_or_insert(start.elapsed());
        }
    }
    let took = start.elapsed();
    let (cpu, engine_cpu) = (room.cpu()?, cluster.engine_cpu()? - engine_before);
    room.stop()?;
    check(cluster, filled, database)?;
    let inserts = cluster.number(&format!("SELECT count() FROM {database}.ledger"))?;
    cluster.text(&format!("DROP DATABASE {database} SYNC"));
    Ok(Row { took, first: first.context("no ledger row")?, inserts, cpu, engine_cpu })
}

/// What was put in must be what is there, and the books must balance.
fn check(cluster: &Cluster, filled: &Filled, database: &str) -> anyhow::Result<()> {
    let totals = filled.totals;
    let expect = [totals.views, totals.visitors, totals.visits, totals.clicks, totals.refused];
    let sums = cluster.numbers(&format!(
        "SELECT sum(views), sum(visitors), sum(visits), sum(clicks), sum(refused) \
         FROM {database}.cells"
    ))?;
    ensure!(sums == expect.map(|n| i64::try_from(n).unwrap_or(-1)), "{sums:?}, not {expect:?}");
    for (sql, expect) in [
        ("SELECT sum(views) FROM DB.page_counts", filled.views),
        ("SELECT sum(views) FROM DB.site_counts", filled.views),
        ("SELECT sum(clicks) FROM DB.click_counts", filled.clicks),
        ("SELECT audit_delta FROM DB.books", 0),
        ("SELECT broken_tiles FROM DB.books", 0),
    ] {
        let found = cluster.number(&sql.replace("DB", database))?;
        ensure!(u64::try_from(found) == Ok(expect), "{sql}: {found}, not {expect}");
    }
    Ok(())
}

fn options(mut words: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        rounds: 3,
        cells: 500_000,
        shapes: SHAPES.map(|shape| shape.name.to_owned()).to_vec(),
        binary: None,
    };
    while let Some(word) = words.next() {
        // `cargo bench` adds it to every bench.
        if word == "--bench" {
            continue;
        }
        let value = words.next().with_context(|| format!("{word} needs a value; {USAGE}"))?;
        match word.as_str() {
            "--rounds" => options.rounds = value.parse()?,
            "--cells" => options.cells = value.parse()?,
            "--shapes" => options.shapes = value.split(',').map(str::to_owned).collect(),
            "--binary" => options.binary = Some(value),
            _ => bail!("{word} is unknown; {USAGE}"),
        }
    }
    Ok(options)
}
