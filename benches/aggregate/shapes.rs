//! Releases of a collector, recorded once and then played into a topic many times.
//!
//! What it is not: the collector. It packs cells by the same rules (all of a page in one partition,
//! attributes in batches of their own) out of drawn traffic.
//!
//! What surprises: a batch has as many cells as a release touched, not as many as there were hits.
//! So the hits that a cell stands for differ by a hundred between the shapes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use headcount_collector::partition_of;
use headcount_core::batch::{Batch, BatchId};
use headcount_core::cell::{CellKey, Counts};
use headcount_transport::kafka::{KafkaPublisher, Settings};
use headcount_transport::{News, Offered, Publisher, Record};

use crate::cluster::{PARTITIONS, WallClock, this_hour};
use crate::traffic::{Cells, Chance, Zipf, host};

/// A cell with its names as text.
type Cell<'a> = (&'a str, CellKey<&'a str>, Counts);

/// Different releases that are played in turn.
const RECORDED: usize = 16;
/// Longest silence of the broker while the topic is filled.
const PATIENCE: Duration = Duration::from_secs(30);

/// A kind of traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pages: usize,
    /// Click targets of each page; with any, every other hit is a click.
    targets: usize,
    /// Hits between two releases (0.4 s).
    hits: usize,
}

/// What is measured.
pub(crate) const SHAPES: [Shape; 3] = [
    Shape { name: "hot", pages: 50, targets: 0, hits: 16_000 },
    Shape { name: "pages", pages: 1_000, targets: 0, hits: 4_000 },
    Shape { name: "clicks", pages: 10_000, targets: 10, hits: 4_000 },
];

/// A topic that was filled, and what is in it.
pub(crate) struct Filled {
    pub(crate) shape: Shape,
    pub(crate) topic: String,
    pub(crate) records: u64,
    pub(crate) cells: u64,
    pub(crate) hits: u64,
    pub(crate) views: u64,
    pub(crate) clicks: u64,
    /// Over all cells.
    pub(crate) totals: Counts,
}

struct Release {
    batches: Vec<(u32, Vec<u8>)>,
    cells: u64,
    views: u64,
    clicks: u64,
    totals: Counts,
}

/// Fills a topic with about so many cells.
pub(crate) fn fill(shape: Shape, settings: &Settings, cells: u64) -> anyhow::Result<Filled> {
    let mut chance = Chance(7);
    let zipf = Zipf::new(shape.pages);
    let recorded: Vec<Release> =
        (0..RECORDED).map(|_| release(shape, &zipf, &mut chance)).collect::<Result<_, _>>()?;
    let mut filled = Filled {
        shape,
        topic: settings.topic.clone(),
        records: 0,
        cells: 0,
        hits: 0,
        views: 0,
        clicks: 0,
        totals: Counts::ZERO,
    };
    let mut pen = Pen::new(settings)?;
    for release in recorded.iter().cycle() {
        if filled.cells >= cells {
            break;
        }
        for (partition, payload) in &release.batches {
            pen.write(*partition, payload)?;
            filled.records += 1;
        }
        filled.cells += release.cells;
        filled.hits += shape.hits as u64;
        filled.views += release.views;
        filled.clicks += release.clicks;
        filled.totals.add(&release.totals);
    }
    pen.finish()?;
    Ok(filled)
}

fn release(shape: Shape, zipf: &Zipf, chance: &mut Chance) -> anyhow::Result<Release> {
    let hour = this_hour();
    let mut cells = Cells::default();
    let clicks = if shape.targets > 0 { shape.hits / 2 } else { 0 };
    for hit in 0..shape.hits {
        let page = zipf.draw(chance);
        if hit < clicks {
            cells.click(hour, page, chance.below(shape.targets));
        } else {
            cells.view(hour, page, chance);
        }
    }
    let site = host(0);
    let mut heaps: BTreeMap<(u32, bool), Vec<Cell<'_>>> = BTreeMap::new();
    for (key, counts) in cells.iter() {
        let is_attribute = matches!(key, CellKey::Attribute { .. });
        let place = (partition(&site, &key), is_attribute);
        heaps.entry(place).or_default().push((&site, key, counts));
    }
    let mut release = Release {
        batches: Vec::new(),
        cells: cells.len() as u64,
        views: (shape.hits - clicks) as u64,
        clicks: clicks as u64,
        totals: Counts::ZERO,
    };
    for ((partition, _), cells) in heaps {
        let batch = Batch::new(cells)?;
        release.totals.add(&batch.totals().context("counts past the limit")?);
        release.batches.push((partition, batch.encode()));
    }
    Ok(release)
}

/// As the collector chooses it.
fn partition(site: &str, key: &CellKey<&str>) -> u32 {
    let page = match key {
        CellKey::Page { page, .. } | CellKey::Click { page, .. } => *page,
        CellKey::Site { .. } | CellKey::Attribute { .. } | CellKey::Refusal { .. } => "",
    };
    partition_of(site, page, PARTITIONS)
}

/// Writes batches as one collector.
struct Pen {
    publisher: KafkaPublisher,
    seqs: BTreeMap<u32, u64>,
    acked: BTreeMap<u32, u64>,
}

impl Pen {
    fn new(settings: &Settings) -> anyhow::Result<Self> {
        let publisher = KafkaPublisher::new(settings, std::sync::Arc::new(WallClock))?;
        Ok(Self { publisher, seqs: BTreeMap::new(), acked: BTreeMap::new() })
    }

    fn write(&mut self, partition: u32, payload: &[u8]) -> anyhow::Result<()> {
        let seq = self.seqs.entry(partition).or_insert(0);
        *seq += 1;
        let id = BatchId { collector: 1, epoch: 1, seq: *seq };
        let mut record = Record { id, partition, payload: payload.to_vec() };
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self.publisher.offer(record) {
                Offered::Sent => return self.hear(),
                Offered::Full(back) => record = back,
                Offered::Closed => bail!("the publisher has stopped"),
            }
            ensure!(Instant::now() < give_up, "the broker takes nothing");
            self.hear()?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn hear(&mut self) -> anyhow::Result<()> {
        while let Some(news) = self.publisher.news() {
            match news {
                News::Acked { partition, id } => {
                    self.acked.insert(partition, id.seq);
                }
                News::Restarted => bail!("the broker failed while the topic was filled"),
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        while self.acked != self.seqs {
            ensure!(Instant::now() < give_up, "the broker does not acknowledge");
            self.hear()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}
