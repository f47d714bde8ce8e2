//! The embedded store: one SQLite file, `counts.db`.
//!
//! What it is not: shared between machines. One process writes, and an import beside it; any number of processes read,
//! the `sqlite3` shell too, through the views that analysts also find in ClickHouse.
//!
//! What surprises: what looks like text in the views is two dictionaries and one table of numbers.
//! To forget a page's name, only the dictionary must be wiped.

mod ask;
mod books;
mod close;
mod codes;
mod imports;
mod meta;
mod names;
mod reader;
mod remove;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use imports::{DIGEST_BYTES, Digest, ImportNote};
pub use reader::Reader;
pub use remove::Removed;
pub use writer::Writer;

use crate::file::FileKind;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "counts.db";

/// The counts file. `FULL`: an applied insert survives a power cut. `secure_delete`: what is
/// deleted is overwritten. `temp_store`: no temporary file may hold a page's name.
static COUNTS_FILE: FileKind = FileKind {
    name: "counts file",
    application_id: 0x4843_4331,
    migrations: &[
        include_str!("sqlite/migrations/0001_counts.sql"),
        include_str!("sqlite/migrations/0002_imports.sql"),
        include_str!("sqlite/migrations/0003_placement.sql"),
    ],
    pragmas: "PRAGMA synchronous = FULL;
              PRAGMA secure_delete = ON;
              PRAGMA temp_store = MEMORY;
              PRAGMA cache_size = -32768;
              PRAGMA journal_size_limit = 67108864;",
    schema: std::sync::OnceLock::new(),
};
