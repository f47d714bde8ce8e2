//! Imported files: how far each was counted, written together with the counts.
//!
//! What it is not: a list of files. No name and no content is here, only what tells the same
//! content again.
//!
//! What surprises: the ledger says how far a file was counted, in lines; the note beside it says
//! which file that was. Erasing a site forgets its notes, so that its files may be counted anew.

use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use rusqlite::{Connection, Row, TransactionBehavior};

use super::writer::apply_in;
use super::{Writer, meta};
use crate::error::{Doing as _, StoreError};
use crate::insert::Insert;
use crate::placement::{chain, text_hash};

/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 16;

/// A digest of the beginning of a file.
pub type Digest = [u8; DIGEST_BYTES];

/// What is noted of a file that was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportNote {
    /// Its number: drawn by chance when it was first counted.
    pub id: u64,
    /// The UTC hour of its first line, counted from 1970; 0 if that cannot be read.
    pub first_hour: u32,
    /// Lines that were counted, from its beginning.
    pub lines: u64,
    /// The latest day that was counted; when it is past its retention the note goes.
    pub last_day: Day,
    /// Digest of the counted lines.
    pub digest: Digest,
    /// Digests of shorter beginnings.
    pub waymarks: Vec<Digest>,
}

impl ImportNote {
    /// The name under which the ledger keeps the file.
    pub fn src(&self) -> String {
        format!("import:{:016x}", self.id)
    }

    /// The name under which the ledger keeps its attributes, which may leave later.
    pub fn src_of_attributes(&self) -> String {
        format!("import:{:016x}:attributes", self.id)
    }

    fn seal(&self, site: i64) -> i64 {
        let numbers = [site.cast_unsigned(), self.id, self.lines];
        let small = [u64::from(self.first_hour), u64::from(self.last_day.0)];
        let digests = std::iter::once(&self.digest).chain(&self.waymarks);
        let words =
            digests.flat_map(|digest| digest.as_chunks::<8>().0).map(|b| u64::from_le_bytes(*b));
        chain(&numbers.into_iter().chain(small).chain(words).collect::<Vec<_>>()).cast_signed()
    }

    fn read(row: &Row<'_>, site: i64) -> rusqlite::Result<Option<Self>> {
        let number = |at| row.get::<_, i64>(at);
        let (digest, waymarks): (Vec<u8>, Vec<u8>) = (row.get(4)?, row.get(5)?);
        let (waymarks, rest) = waymarks.as_chunks();
        let small = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        let note = Self {
            id: number(0)?.cast_unsigned(),
            first_hour: small(number(1)?),
            lines: number(2)?.unsigned_abs(),
            last_day: Day(small(number(3)?)),
            digest: digest.first_chunk().copied().unwrap_or_default(),
            waymarks: waymarks.to_vec(),
        };
        Ok(Some(note).filter(|note| rest.is_empty() && number(6) == Ok(note.seal(site))))
    }
}

impl Writer {
    /// What is noted of the files of a site.
    ///
    /// # Errors
    /// When the file cannot be read, or a note does not match its checksum.
    pub fn imports(&self, host: &SiteHost) -> Result<Vec<ImportNote>, StoreError> {
        let (site, doing) = (site_of(host), "read the notes of imports");
        self.conn
            .prepare_cached(include_str!("sql/imports_of_site.sql"))
            .and_then(|mut get| {
                get.query_map([site], |row| ImportNote::read(row, site))?
                    .collect::<rusqlite::Result<Option<Vec<_>>>>()
            })
            .doing(doing)?
            .ok_or_else(|| {
                meta::damaged(&self.conn, "a note of an import does not match its checksum")
            })
    }

    /// Adds the cells of some inserts, their ledger rows and the note of the file they are of, all
    /// in one transaction that is on disk when this returns.
    ///
    /// # Errors
    /// As [`Writer::apply`].
    pub fn apply_import(
        &mut self,
        host: &SiteHost,
        inserts: &[Insert],
        note: &ImportNote,
    ) -> Result<(), StoreError> {
        inserts.iter().try_for_each(Insert::check)?;
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin an insert")?;
        let applied = self.names.refresh(&tx).and_then(|()| {
            for insert in inserts {
                apply_in(&tx, &mut self.names, insert)?;
            }
            put(&tx, site_of(host), note)?;
            tx.commit().doing("commit an insert")
        });
        if applied.is_err() {
            // The ids of this transaction's new names went back with it.
            self.names.clear();
        }
        applied
    }

    /// Forgets a file of which nothing was counted; gives whether that is so. Of any other nothing
    /// is changed.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn forget_empty_import(&mut self, note: &ImportNote) -> Result<bool, StoreError> {
        let row = (note.id.cast_signed(), note.src(), note.src_of_attributes());
        self.conn
            .execute(include_str!("sql/forget_empty_import.sql"), row)
            .doing("forget an import")
            .map(|forgotten| forgotten > 0)
    }

    /// Forgets the files whose last day is before `day`: their lines are past their retention.
    pub(super) fn forget_imports(&self, day: Day) -> Result<(), StoreError> {
        self.conn
            .execute(include_str!("sql/forget_imports.sql"), [day.0])
            .doing("forget imports")
            .map(drop)
    }

    /// Forgets the files of a site.
    pub(super) fn forget_imports_of(&self, host: &SiteHost) -> Result<(), StoreError> {
        self.conn
            .execute(include_str!("sql/forget_imports_of_site.sql"), [site_of(host)])
            .doing("forget imports")
            .map(drop)
    }
}

/// A site as notes name it: its row may be erased, and its name must be nowhere then.
fn site_of(host: &SiteHost) -> i64 {
    text_hash(host.as_str()).cast_signed()
}

fn put(conn: &Connection, site: i64, note: &ImportNote) -> Result<(), StoreError> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let row = rusqlite::params![
        note.id.cast_signed(),
        site,
        note.first_hour,
        number(note.lines),
        note.last_day.0,
        note.digest,
        note.waymarks.as_flattened(),
        note.seal(site),
    ];
    let put = conn
        .prepare_cached(include_str!("sql/put_import.sql"))
        .and_then(|mut put| put.execute(row))
        .doing("write the note of an import")?;
    // Two files with one number; the first keeps its note.
    if put == 0 { Err(StoreError::BadInsert { why: "its note is another site's" }) } else { Ok(()) }
}
