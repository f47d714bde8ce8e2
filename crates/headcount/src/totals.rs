//! `headcount import-totals`: totals that another tool has exported, each file once.
//!
//! What it is not: a way for visits. Sums come in; who they are sums of was never asked, and where
//! a file says it nevertheless, those columns are not read.
//!
//! What surprises: where a file has days only, all of a day is counted in the first hour of that
//! UTC day. In the ledger it stands under `totals:TOOL:…`, so it can always be told apart.

mod sums;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, bail};
use headcount_collector::totals::{self, Read, Tool};
use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;
use headcount_core::time::Clock;
use headcount_store::Insert;
use headcount_store::control::admin::Act;
use headcount_store::sqlite::{self, ImportNote, Writer};

use self::sums::{Bounds, Sums};
use crate::cli::TotalsArgs;
use crate::config::{self, Config, Flags};
use crate::import::input;
use crate::wall_clock::WallClock;
use crate::{commands, folder, import, process};

/// Longest content that is read, in bytes: an export of years of a large site.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Counts every file, or says why not.
///
/// # Errors
/// Anything that keeps a file from being counted; then nothing of that file is.
pub(crate) fn run(args: &TotalsArgs) -> anyhow::Result<()> {
    let (config_file, data) = (args.data.config.clone(), args.data.data.clone());
    let config = process::prepare(&Flags { config: config_file, data, ..Flags::default() })?;
    let host = config::host("HOST", &args.host)?;
    let _lock = import::enter(&config, &host)?;
    if config.notice.is_begun() && !config.notice.knows_totals(args.from.as_str()) {
        tracing::warn!(
            "the notice does not tell visitors that totals of another tool were taken over; set \
             notice.imports_totals = [\"{}\"]",
            args.from.as_str()
        );
    }
    import::note(&config, &host, (Act::ImportTotals, args.files.len()))?;
    let rules = import::site(&config, &host)?.rules;
    let writer = Writer::open(&config.data_dir.join(sqlite::FILE_NAME))?;
    let mut import = TotalsImport { config, host, rules, tool: args.from, writer };
    for path in &args.files {
        let at = path.display().to_string();
        let told = content(path)
            .and_then(|content| import.count(&content))
            .with_context(|| format!("{at}: nothing of it was counted"))?;
        commands::say(&format!("{at}: {told}\n"))?;
    }
    Ok(())
}

/// The content without its compression, so that both are the same file.
fn content(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = Box::new(File::open(path)?);
    input::decompressed(file)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        bail!("longer than {FILE_BYTES_MAX} bytes; split it by days");
    }
    Ok(content)
}

/// A command's files on their way into the store.
struct TotalsImport {
    config: Config,
    host: SiteHost,
    rules: SiteRules,
    tool: Tool,
    writer: Writer,
}

impl TotalsImport {
    /// Counts a file; what there is to say of it.
    fn count(&mut self, content: &[u8]) -> anyhow::Result<String> {
        let id = id(&self.host, content);
        if self.writer.imports(&self.host)?.iter().any(|note| note.id == id) {
            return Ok("was counted before; nothing was changed".to_owned());
        }
        let today = WallClock.hour().day();
        let oldest = today.oldest_kept(self.config.retention_days);
        let bounds = Bounds { rules: &self.rules, config: &self.config, oldest, today };
        let mut sums = Sums::new(bounds);
        let read = totals::read(self.tool, content, &mut |row| sums.add(&row))?;
        let Some(last_day) = sums.last_day else {
            return Ok("no day in it is kept; nothing was counted".to_owned());
        };
        let (lines, told) = (sums.rows, told(&sums, read));
        let batches = sums.batches()?;
        let src = format!("totals:{}:{id:016x}", self.tool.as_str());
        // Erased and imported again, it goes on behind what the ledger has.
        let at_ledger = self.writer.progress(&src)?.applied + 1;
        let totals = Insert::totals_of(&batches).context("counts beyond what a store takes")?;
        let (lo, hi, last_seqs) = (at_ledger, at_ledger, Vec::new());
        let insert = Insert { src, lo, hi, closed_day: today, batches, totals, last_seqs };
        let note = ImportNote { id, lines, last_day, ..ImportNote::default() };
        let _lock = folder::lock_erasing(&self.config.data_dir)?;
        import::refuse_unknown(&self.host, &self.config)?;
        self.writer.apply_import(&self.host, &[insert], &note)?;
        Ok(told)
    }
}

/// The number of a file in the ledger: the same file of another site is another one.
fn id(host: &SiteHost, content: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    // No host has this byte in it.
    hasher.update(host.as_str().as_bytes()).update(&[0]).update(content);
    hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn told(sums: &Sums<'_>, read: Read) -> String {
    let (rows, outside) = (sums.rows, sums.outside);
    let mut told = format!("{rows} rows counted; {outside} are of days that are not kept");
    if read.skipped > 0 {
        told.push_str(&format!("; {} are no views", read.skipped));
    }
    if let Some(remark) = read.remark {
        told.push_str(&format!("; {remark}"));
    }
    told
}
