//! `headcount merge`: the counts of an embedded data folder into a cluster's store, once.
//!
//! What it is not: a copy that could go on. From the first insert the folder counts no more; `up`
//! refuses it.
//!
//! What surprises: it may be killed at any moment and run again. The folder's counts are read in
//! the same order, packed into the same batches, and the ledger says which of them it has.

use anyhow::{Context, bail};
use headcount_aggregator::cluster::Feed;
use headcount_core::batch::{BATCH_CELLS_MAX, Batch};
use headcount_core::cell::{CellKey, Counts};
use headcount_core::ledger::Stream;
use headcount_core::time::{Clock, Day};
use headcount_store::clickhouse::Writer;
use headcount_store::control::admin::Act;
use headcount_store::control::{self, Control};
use headcount_store::sqlite;

use crate::cli::DataArgs;
use crate::config::{Config, Flags};
use crate::folder::{self, Merge};
use crate::process;
use crate::wall_clock::WallClock;
use crate::{cluster, commands, edge, up, who};

/// Does it to the end, or says why not.
///
/// # Errors
/// Anything that keeps it from ending, with what to do. Nothing is counted twice by another run.
pub(crate) fn run(args: &DataArgs) -> anyhow::Result<()> {
    let flags = Flags { config: args.config.clone(), data: args.data.clone(), ..Flags::default() };
    // A name in this configuration is that of a collector of the cluster; the folder has its own.
    let config = Config { collector_id: None, ..process::prepare(&flags)? };
    let clickhouse = cluster::clickhouse(&config)?;
    let at = config.data_dir.display();
    let counts = config.data_dir.join(sqlite::FILE_NAME);
    if !counts.exists() {
        bail!("data_dir = \"{at}\": no counts of `headcount up` are there");
    }
    let _lock = process::hold_folder(&config)?;
    let Some(_imports) = folder::lock_imports(&config.data_dir)? else {
        bail!("data_dir = \"{at}\": an import runs on it; stop it first");
    };
    let begun = folder::merge(&config.data_dir)?;
    if begun == Merge::Done {
        return commands::say(&format!("{at} is in the cluster already; nothing was changed\n"));
    }
    let writer = Writer::connect(&clickhouse)?;
    let collector = match begun {
        Merge::Begun(collector) => collector,
        Merge::None | Merge::Done => settled(&config)?,
    };
    let reader = sqlite::Reader::open(&counts)?;
    if !reader.audit(WallClock.unix_seconds())?.balanced() {
        bail!("data_dir = \"{at}\": its books do not balance; nothing was brought anywhere");
    }
    let stream = Stream { collector, epoch: digest(&reader)? };
    let mut feed = Feed::start(writer, &format!("merge:{collector:016x}"), stream)?;
    let control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
    control.acting_as(who::user()).note(Act::Merge, None, &format!("{collector:016x}"))?;
    folder::note_merge(&config.data_dir, Merge::Begun(collector))?;
    let mut pack = Pack::default();
    reader.every_cell(|site, key, counts| {
        if pack.is_full_for(&key) {
            feed.give(pack.close()?)?;
        }
        pack.add(site, key, counts);
        anyhow::Ok(())
    })?;
    if !pack.cells.is_empty() {
        feed.give(pack.close()?)?;
    }
    folder::note_merge(&config.data_dir, Merge::Done)?;
    let (batches, now) = (feed.applied(), feed.status().inserts);
    commands::say(&format!(
        "{} cells of {at} are in the cluster, in {batches} inserts, {now} of them written now; \
         `headcount up` refuses the folder from now on\n",
        pack.cells_closed
    ))
}

/// Everything that was answered goes into the folder's counts, and nothing may stay at its edge.
/// Returns the collector's number.
fn settled(config: &Config) -> anyhow::Result<u64> {
    let mut control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
    up::settle_erasures(config, &mut control)?;
    let waiting = headcount_collector::waiting(&config.data_dir.join(edge::FILE_NAME))?;
    if waiting.batches > 0 {
        bail!(
            "{} batches did not get from the edge into the counts; run `headcount up` and see its log",
            waiting.batches
        );
    }
    if waiting.cells > 0 {
        bail!(
            "{} counts of today wait at the edge for a crowd or for the end of the UTC day; nothing \
             was brought anywhere, merge after midnight UTC",
            waiting.cells
        );
    }
    Ok(waiting.collector)
}

/// A number of the whole content, so that another state of the folder is not taken for this one.
fn digest(reader: &sqlite::Reader) -> anyhow::Result<u64> {
    let mut hasher = blake3::Hasher::new();
    reader.every_cell(|site, key, counts| {
        hasher.update(format!("{site}\0{key:?}\0{counts:?}\0").as_bytes());
        anyhow::Ok(())
    })?;
    let hash = hasher.finalize();
    let first = hash.as_bytes().first_chunk().context("a hash has 8 bytes")?;
    Ok(u64::from_le_bytes(*first))
}

/// Cells of one week on their way into one batch: a week is what the cluster forgets in one piece.
#[derive(Default)]
struct Pack {
    cells: Vec<(String, CellKey<String>, Counts)>,
    week: Day,
    cells_closed: usize,
}

impl Pack {
    fn is_full_for(&self, key: &CellKey<&str>) -> bool {
        !self.cells.is_empty()
            && (self.cells.len() == BATCH_CELLS_MAX || self.week != key.day().monday())
    }

    fn add(&mut self, site: &str, key: CellKey<&str>, counts: Counts) {
        // A cell of zeros is no cell in a batch, and a batch must not be empty.
        if counts.is_zero() {
            return;
        }
        self.week = key.day().monday();
        let key = key.try_map(|name| Ok::<_, std::convert::Infallible>(name.to_owned()));
        let key = key.unwrap_or_else(|never| match never {});
        self.cells.push((site.to_owned(), key, counts));
    }

    fn close(&mut self) -> anyhow::Result<Batch> {
        self.cells_closed += self.cells.len();
        let cells = std::mem::take(&mut self.cells);
        let batch = Batch::new(
            cells.iter().map(|(site, key, counts)| (site.as_str(), key.borrowed(), *counts)),
        );
        batch.context("the cells do not fit into a batch")
    }
}

#[cfg(test)]
mod tests {
    use headcount_core::time::Hour;

    use super::*;

    #[test]
    fn a_pack_ends_with_its_week_and_with_the_limit_of_a_batch() {
        let monday = Day(20_451);
        assert_eq!(monday.weekday(), 0);
        let one = Counts { views: 1, ..Counts::ZERO };
        let pages: Vec<String> = (0..=BATCH_CELLS_MAX).map(|n| format!("/{n}")).collect();
        let hour = monday.minus(1).first_hour();
        let mut cells: Vec<_> =
            pages.iter().map(|page| (CellKey::Page { hour, page: &**page }, one)).collect();
        cells.push((CellKey::Site { hour }, Counts::ZERO));
        cells.push((CellKey::Site { hour: Hour(hour.0 + 23) }, one));
        cells.push((CellKey::Site { hour: monday.first_hour() }, one));
        let (mut pack, mut sizes) = (Pack::default(), Vec::new());
        for (key, counts) in cells {
            if pack.is_full_for(&key) {
                sizes.push(pack.close().unwrap().len());
            }
            pack.add("example.org", key, counts);
        }
        sizes.push(pack.close().unwrap().len());
        assert_eq!((sizes, pack.cells_closed), (vec![BATCH_CELLS_MAX, 2, 1], BATCH_CELLS_MAX + 3));
    }
}
