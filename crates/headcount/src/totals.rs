//! `headcount import-totals`: daily totals that another program has exported, each file once.
//!
//! What it is not: a way for visits. Sums come in; who they are sums of was never asked.
//!
//! What surprises: a day has no hours in such a file, so all of it is counted in the first hour of
//! its UTC day. In the ledger it stands under `totals:PROGRAM:…`, so it can always be told apart.

mod plausible;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, bail};
use headcount_core::batch::{BATCH_CELLS_MAX, Batch};
use headcount_core::cell::{CellKey, Counts};
use headcount_core::rules::SiteRules;
use headcount_core::time::{Clock, Day};
use headcount_store::Insert;
use headcount_store::control::admin::Act;
use headcount_store::sqlite::{self, ImportNote, Writer};

use crate::cli::{Program, TotalsArgs};
use crate::config::{self, Config, Flags};
use crate::wall_clock::WallClock;
use crate::{commands, folder, import, process};

/// Longest file that is read, in bytes: an export of years of a large site.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Visitors of a day that a page's name needs where names wait for some.
const ADMISSION_VISITORS: u64 = headcount_collector::release::ADMISSION_VISITORS;
/// The name of what is beyond a limit.
const OTHER: &str = headcount_collector::names::OTHER;

/// One row of an export.
pub(crate) struct Row {
    /// The day.
    pub(crate) day: Day,
    /// The page as the file has it; `None` is the whole site.
    pub(crate) page: Option<String>,
    /// Its numbers.
    pub(crate) counts: Counts,
}

/// Counts every file, or says why not.
///
/// # Errors
/// Anything that keeps a file from being counted; then nothing of that file is.
pub(crate) fn run(args: &TotalsArgs) -> anyhow::Result<()> {
    let (config_file, data) = (args.data.config.clone(), args.data.data.clone());
    let config = process::prepare(&Flags { config: config_file, data, ..Flags::default() })?;
    let host = config::host("HOST", &args.host)?;
    let _lock = import::enter(&config, &host)?;
    import::note(&config, &host, (Act::ImportTotals, args.files.len()))?;
    let rules = import::site(&config, &host)?.rules;
    let mut writer = Writer::open(&config.data_dir.join(sqlite::FILE_NAME))?;
    let today = WallClock.hour().day();
    let bounds = (today.oldest_kept(config.retention_days), today);
    for path in &args.files {
        let content = read(path)?;
        let hash = blake3::hash(&content);
        let id = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let at = path.display();
        if writer.imports(&host)?.iter().any(|note| note.id == id) {
            commands::say(&format!("{at}: was counted before; nothing was changed\n"))?;
            continue;
        }
        let rows = match args.from {
            Program::Plausible => plausible::rows(&content),
        };
        let rows = rows.with_context(|| at.to_string())?;
        let (kept, outside) = within(rows, bounds);
        let Some(last_day) = kept.iter().map(|row| row.day).max() else {
            commands::say(&format!("{at}: no day in it is kept; nothing was counted\n"))?;
            continue;
        };
        let batches = batches(&kept, &rules, &config)?;
        let src = format!("totals:{}:{id:016x}", args.from.as_str());
        // Erased and imported again, it goes on behind what the ledger has.
        let at_ledger = writer.progress(&src)?.applied + 1;
        let totals = Insert::totals_of(&batches).context("counts beyond what a store takes")?;
        let (lo, hi, last_seqs) = (at_ledger, at_ledger, Vec::new());
        let insert = Insert { src, lo, hi, closed_day: today, batches, totals, last_seqs };
        let lines = u64::try_from(kept.len()).unwrap_or(u64::MAX);
        let note = ImportNote { id, lines, last_day, ..ImportNote::default() };
        {
            let _lock = folder::lock_erasing(&config.data_dir)?;
            import::refuse_unknown(&host, &config)?;
            writer.apply_import(&host, &[insert], &note)?;
        }
        commands::say(&format!(
            "{at}: {lines} rows counted; {outside} are of days that are not kept\n"
        ))?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let at = || path.display().to_string();
    let length = std::fs::metadata(path).with_context(at)?.len();
    if length > FILE_BYTES_MAX {
        bail!("{}: longer than {FILE_BYTES_MAX} bytes; split it by days", at());
    }
    std::fs::read(path).with_context(at)
}

/// The rows of days that are kept, and how many are not.
fn within(rows: Vec<Row>, (oldest, today): (Day, Day)) -> (Vec<Row>, usize) {
    let all = rows.len();
    let kept: Vec<_> = rows.into_iter().filter(|row| (oldest..=today).contains(&row.day)).collect();
    let outside = all - kept.len();
    (kept, outside)
}

/// The cells, under clean names and within the limits of a day.
fn batches(rows: &[Row], rules: &SiteRules, config: &Config) -> anyhow::Result<Vec<Batch>> {
    let site = rules.host().as_str();
    let mut names: HashMap<Day, HashSet<String>> = HashMap::new();
    let mut cells = Vec::with_capacity(rows.len());
    for row in rows {
        let hour = row.day.first_hour();
        let Some(page) = &row.page else {
            cells.push((CellKey::Site { hour }, row.counts));
            continue;
        };
        let page = rules.page(page).as_str().to_owned();
        let of_day = names.entry(row.day).or_default();
        let waits = config.release.admission
            && row.counts.visitors < ADMISSION_VISITORS
            && !rules.lists(&page);
        let is_full = of_day.len() >= config.limits.names.pages_per_site_day;
        let page = if waits || (is_full && !of_day.contains(&page)) {
            OTHER.to_owned()
        } else {
            of_day.insert(page.clone());
            page
        };
        cells.push((CellKey::Page { hour, page }, row.counts));
    }
    cells
        .chunks(BATCH_CELLS_MAX)
        .map(|chunk| Batch::new(chunk.iter().map(|(key, counts)| (site, key.borrowed(), *counts))))
        .collect::<Result<_, _>>()
        .context("the cells do not fit into a batch")
}
