//! Is the edge file what was written? Asked before a single count of it is used.
//!
//! What it is not: repair. A damaged file is refused, so that nobody reads a wrong count.
//!
//! What surprises: SQLite takes a damaged write-ahead log for one that a crash cut off, drops
//! everything from there and says nothing. So the log is walked first: a whole later commit behind
//! a broken frame cannot come from a crash, because commits are written in order.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use headcount_core::cell::CellKey;
use headcount_core::tally::Tally;
use headcount_transport::Record;
use rusqlite::Connection;

use super::EdgeFileError;
use crate::names::{Name, NameId, SiteId};

/// Bytes of a page at least. The log begins only when the file has its first page.
const PAGE_BYTES_MIN: u64 = 512;
/// Bytes of the log's header (<https://www.sqlite.org/fileformat2.html#walformat>).
const WAL_HEADER_BYTES: usize = 32;
/// Bytes of a frame's header.
const FRAME_HEADER_BYTES: usize = 24;
/// First bytes of a log whose checksums are big-endian; the little-endian one is one less.
const WAL_MAGIC_BIG: u32 = 0x377f_0683;
/// See [`WAL_MAGIC_BIG`].
const WAL_MAGIC_LITTLE: u32 = 0x377f_0682;

const DAMAGED_LOG: EdgeFileError = EdgeFileError::Damaged { what: "its write-ahead log" };

/// SQLite's own check of every page, and of every index against its table: the hosts of sites have no
/// other checksum than that they are there twice.
pub(super) fn check_structure(db: &Connection) -> Result<(), EdgeFileError> {
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(include_str!("../../sql/edge_schema.sql"))?;
    let (wanted, found) = (schema(&fresh)?, schema(db)?);
    let is_whole = verdict == "ok" && wanted.iter().all(|table| found.contains(table));
    if is_whole { Ok(()) } else { Err(EdgeFileError::Damaged { what: "its structure" }) }
}

/// What the file says its tables are. A letter that changed there may change what is read and written.
fn schema(db: &Connection) -> Result<Vec<String>, EdgeFileError> {
    let mut statement = db.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let texts = statement.query_map([], |row| row.get(0))?;
    Ok(texts.collect::<Result<_, _>>()?)
}

/// Every cell's names and site must be there.
pub(super) fn check_references(
    names: &[Name],
    tallies: [&Tally<SiteId, NameId>; 2],
    sites: &[(SiteId, String)],
) -> Result<(), EdgeFileError> {
    let names: HashSet<NameId> = names.iter().map(|name| name.id).chain([NameId::OTHER]).collect();
    let sites: HashSet<SiteId> = sites.iter().map(|(id, _)| *id).collect();
    let known = |site: &SiteId, key: &CellKey<NameId>| {
        let name = |id: NameId| if names.contains(&id) { Ok(()) } else { Err(()) };
        sites.contains(site) && key.try_map(name).is_ok()
    };
    let all_known = tallies.iter().all(|tally| tally.iter().all(|(s, k, _)| known(s, k)));
    if all_known { Ok(()) } else { Err(EdgeFileError::Damaged { what: "a name is missing" }) }
}

/// The outbox must hold, for every partition and epoch, a run of consecutive numbers; that of the
/// running epoch ends with the last one given.
pub(super) fn check_order(
    outbox: &VecDeque<Record>,
    epoch: u64,
    lanes: &BTreeMap<u32, u64>,
) -> Result<(), EdgeFileError> {
    let mut ends: HashMap<(u32, u64), u64> = HashMap::new();
    let mut in_order = true;
    for record in outbox {
        let before = ends.insert((record.partition, record.id.epoch), record.id.seq);
        in_order &= before.is_none_or(|before| before + 1 == record.id.seq);
    }
    let ends_well = |((partition, of), end): (&(u32, u64), &u64)| {
        *of != epoch || lanes.get(partition) == Some(end)
    };
    if in_order && ends.iter().all(ends_well) {
        return Ok(());
    }
    Err(EdgeFileError::Damaged { what: "table outbox" })
}

/// Walks the write-ahead log beside `path`. `true`: it ends in a commit that was cut off.
///
/// # Errors
/// [`EdgeFileError::Damaged`] if bytes before a whole later commit do not fit their checksum, or
/// the file itself is too short to have had a log: SQLite would take it for new and drop the log.
pub(super) fn log_is_cut_off(path: &Path) -> Result<bool, EdgeFileError> {
    let mut log = PathBuf::from(path).into_os_string();
    log.push("-wal");
    let mut bytes = Vec::new();
    let is_short = fs::metadata(path).is_ok_and(|file| file.len() < PAGE_BYTES_MIN);
    match fs::File::open(&log).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(length) if length > 0 && is_short => Err(EdgeFileError::Damaged { what: "its length" }),
        Ok(_) => walk(&bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(_) => Err(DAMAGED_LOG),
    }
}

fn walk(log: &[u8]) -> Result<bool, EdgeFileError> {
    let Some((header, frames)) = log.split_at_checked(WAL_HEADER_BYTES) else {
        return Ok(!log.is_empty());
    };
    let big = match word(header, 0) {
        WAL_MAGIC_BIG => true,
        WAL_MAGIC_LITTLE => false,
        _ => return Err(DAMAGED_LOG),
    };
    let (head, stored) = header.split_at(24);
    let mut running = sum(big, (0, 0), head);
    if running != (word(stored, 0), word(stored, 4)) {
        return Err(DAMAGED_LOG);
    }
    let page = usize::try_from(word(header, 8)).map_err(|_| DAMAGED_LOG)?;
    let salts = header.get(16..24);
    let mut broken = false;
    let mut open = false;
    for frame in frames.chunks(FRAME_HEADER_BYTES + page.max(1)) {
        let Some((head, body)) = frame.split_at_checked(FRAME_HEADER_BYTES) else { break };
        if head.get(8..16) != salts && !broken {
            // Left over from before the log was last restarted: the valid part ended here, or this
            // frame's salts were damaged, which a later frame of ours would give away.
            broken = true;
            // A restart of the log changes both salts: half of them is no leftover.
            open |= [(8, 16), (12, 20)]
                .iter()
                .any(|(own, ours)| word(head, *own) == word(header, *ours));
            continue;
        }
        let is_commit = word(head, 4) != 0;
        if broken {
            if is_commit && head.get(8..16) == salts && body.len() == page {
                return Err(DAMAGED_LOG);
            }
            continue;
        }
        let next = sum(big, sum(big, running, head.get(..8).unwrap_or(&[])), body);
        if body.len() != page || next != (word(head, 16), word(head, 20)) {
            broken = true;
            open = true;
            continue;
        }
        running = next;
        open = !is_commit;
    }
    Ok(open)
}

/// The checksum of SQLite's log, over pairs of words.
fn sum(big: bool, start: (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let read = |b: &[u8]| {
        let four = b.try_into().unwrap_or([0; 4]);
        if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    bytes.chunks_exact(8).fold(start, |(a, b), pair| {
        let (x, y) = pair.split_at(4);
        let a = a.wrapping_add(read(x)).wrapping_add(b);
        (a, b.wrapping_add(read(y)).wrapping_add(a))
    })
}

/// A big-endian word of a header; 0 past its end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}
