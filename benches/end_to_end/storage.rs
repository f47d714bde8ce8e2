//! What counts weigh at rest: a month of views, written through the store's own writer and merged.
//!
//! What it is not: a month of inserts. A day is a few large inserts here, so the ledger's rows,
//! one for every insert of the aggregator, are weighed apart.
//!
//! What surprises: bytes per million views fall as views grow, because a cell that is counted up
//! costs nothing more. The month of one million views is the dear one, and the goal is for it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use headcount_core::batch::{BATCH_CELLS_MAX, Batch, BatchId};
use headcount_core::cell::Counts;
use headcount_core::time::{Day, Hour};
use headcount_store::Insert;
use headcount_store::clickhouse::Writer;

use crate::cluster::{Cluster, PARTITIONS, this_hour};
use crate::traffic::{Cells, Chance, Zipf, host};

const DAYS: u32 = 30;
const MILLION: usize = 1_000_000;
/// Views of each hour of the day, in parts of 100.
const DAY_SHAPE: [usize; 24] =
    [1, 1, 1, 1, 1, 2, 3, 4, 6, 6, 6, 6, 6, 6, 5, 5, 5, 5, 6, 7, 7, 5, 3, 2];
/// Ledger rows that are weighed.
const LEDGER_ROWS: u32 = 500_000;

/// A site or several, for a month.
#[derive(Clone, Copy, Debug)]
struct Month {
    sites: usize,
    pages: usize,
    views: usize,
}

struct Weight {
    rows: i64,
    bytes: i64,
    wrote: Duration,
    cells_written: usize,
}

/// The goal's site, with few and with many views, and the ledger.
pub(crate) fn measure(cluster: &Cluster) -> anyhow::Result<()> {
    head();
    for views in [MILLION, 5 * MILLION] {
        weigh(cluster, Month { sites: 1, pages: 1_000, views })?;
    }
    ledger(cluster)
}

/// One million views over more and more pages and sites.
pub(crate) fn grow(cluster: &Cluster) -> anyhow::Result<()> {
    head();
    for (sites, pages) in [(1, 1_000), (1, 10_000), (1, 100_000), (10, 1_000), (100, 1_000)] {
        weigh(cluster, Month { sites, pages, views: MILLION })?;
    }
    Ok(())
}

fn head() {
    println!(
        "{:>5} {:>7} {:>9} | {:>9} {:>8} {:>9} {:>8} {:>14}",
        "sites", "pages", "views", "cells", "write s", "rows", "MB", "MB/1e6 views"
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn weigh(cluster: &Cluster, month: Month) -> anyhow::Result<()> {
    let database = &format!("month_{}_{}_{}", month.sites, month.pages, month.views);
    cluster.create(database);
    let Weight { rows, bytes, wrote, cells_written } = write(cluster, database, month)?;
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{:>5} {:>7} {:>9} | {cells_written:>9} {:>8.2} {rows:>9} {megabytes:>8.2} {:>14.2}",
        month.sites,
        month.pages,
        month.views,
        wrote.as_secs_f64(),
        megabytes * MILLION as f64 / month.views as f64,
    );
    cluster.text(&format!("DROP DATABASE {database} SYNC"));
    Ok(())
}

/// Writes a month day by day, merges it and reads its weight.
fn write(cluster: &Cluster, database: &str, month: Month) -> anyhow::Result<Weight> {
    let mut writer = Writer::connect(&cluster.store(database))?;
    let zipf = Zipf::new(month.pages);
    let mut chance = Chance(7);
    let today = this_hour().day();
    let (mut wrote, mut cells_written) = (Duration::ZERO, 0);
    let (mut views, mut lo) = (0, 1);
    for day in 0..DAYS {
        let day = today.minus(DAYS - day);
        for site in 0..month.sites {
            let mut cells = Cells::default();
            for (hour, share) in (day.first_hour().0..).zip(DAY_SHAPE) {
                let due = month.views * share / 100 / usize::try_from(DAYS)? / month.sites;
                views += due;
                (0..due).for_each(|_| cells.view(Hour(hour), zipf.draw(&mut chance), &mut chance));
            }
            cells_written += cells.len();
            let insert = insert(&host(site), &cells, day, lo)?;
            let start = Instant::now();
            // The ledger must be read before an insert, as the aggregator does.
            ensure!(writer.standing(&insert.src)?.applied + 1 == lo, "the ledger is not there");
            lo = insert.hi + 1;
            writer.apply(&insert, 0)?;
            wrote += start.elapsed();
        }
    }
    cluster.text(&format!("OPTIMIZE TABLE {database}.counts FINAL"));
    let counted = cluster.number(&format!("SELECT sum(views) FROM {database}.page_counts"))?;
    ensure!(usize::try_from(counted) == Ok(views), "{counted} views, not {views}");
    let (rows, bytes) = parts(cluster, database, "counts")?;
    Ok(Weight { rows, bytes, wrote, cells_written })
}

fn insert(site: &str, cells: &Cells, closed_day: Day, lo: u64) -> anyhow::Result<Insert> {
    let all: Vec<_> = cells.iter().collect();
    let batches = all
        .chunks(BATCH_CELLS_MAX)
        .map(|part| Batch::new(part.iter().map(|(key, counts)| (site, *key, *counts))))
        .collect::<Result<Vec<_>, _>>()?;
    let totals: Counts = Insert::totals_of(&batches).context("counts past the limit")?;
    let hi = lo + batches.len() as u64 - 1;
    let last_seqs = vec![BatchId { collector: 1, epoch: 1, seq: hi }];
    Ok(Insert { src: "kafka:bench:0".into(), lo, hi, closed_day, batches, totals, last_seqs })
}

/// Ledger rows as the aggregator writes them, one insert each, alone in a table of the same shape.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
fn ledger(cluster: &Cluster) -> anyhow::Result<()> {
    cluster.create("ledger");
    drop(Writer::connect(&cluster.store("ledger"))?);
    cluster.text(&format!(
        "INSERT INTO ledger.counts (week, kind, src, lo, hi, closed_day, cells, last_seqs, views, \
         visitors, visits, n) SELECT toMonday(today()), 'batch', \
         concat('kafka:headcount:', toString(number % {PARTITIONS})), \
         1 + intDiv(number, {PARTITIONS}) * 4, 4 + intDiv(number, {PARTITIONS}) * 4, today(), \
         20 + rand(1) % 60, [(7384629384756, 98237498237, 4 + intDiv(number, {PARTITIONS}) * 4)], \
         500 + rand(2) % 500, 200 + rand(3) % 200, 200 + rand(4) % 200, 1 \
         FROM numbers({LEDGER_ROWS})"
    ));
    cluster.text("OPTIMIZE TABLE ledger.counts FINAL");
    let (rows, bytes) = parts(cluster, "ledger", "counts")?;
    ensure!(rows == i64::from(LEDGER_ROWS), "{rows} ledger rows, not {LEDGER_ROWS}");
    println!(
        "ledger: {rows} rows, {bytes} bytes, {:.1} bytes for every insert",
        bytes as f64 / rows as f64
    );
    Ok(())
}

/// What a store weighs now, in words.
pub(crate) fn at_rest(cluster: &Cluster, database: &str) -> anyhow::Result<String> {
    let (rows, bytes) = parts(cluster, database, "counts")?;
    let ledger = cluster.number(&format!("SELECT count() FROM {database}.ledger"))?;
    Ok(format!("{bytes} bytes, {rows} rows, {ledger} of them the ledger's"))
}

fn parts(cluster: &Cluster, database: &str, table: &str) -> anyhow::Result<(i64, i64)> {
    let found = cluster.numbers(&format!(
        "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts \
         WHERE active AND database = '{database}' AND table = '{table}'"
    ))?;
    let [rows, bytes] = found[..] else { anyhow::bail!("two numbers were asked for") };
    Ok((rows, bytes))
}
