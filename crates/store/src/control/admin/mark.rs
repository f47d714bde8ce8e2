//! The mark of the admin log: number and hash of its last entry, in a file of its own.
//!
//! What it is not: a proof against who may write both files.
//!
//! What surprises: it goes on only while it fits. If the end of the log was cut off, later entries do
//! not bring the mark along, so that the cut stays visible until somebody accepts the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{Head, hash_text};
use crate::error::StoreError;
use crate::owner::open;

/// Its name, beside the control file.
pub const FILE_NAME: &str = "admin.mark";
/// Bytes of a mark: number, space, hash, end of line.
const MARK_BYTES: usize = 20 + 1 + 64 + 1;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// There is none.
    Missing,
    /// It is no mark.
    Damaged,
    /// The entry that it names.
    At(Head),
}

/// Reads it.
pub(super) fn read(path: &Path) -> Result<Mark, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    match File::open(path) {
        Ok(file) => of(&file).map_err(open),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Mark::Missing),
        Err(error) => Err(open(error)),
    }
}

fn of(file: &File) -> io::Result<Mark> {
    let mut bytes = [0; MARK_BYTES + 1];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    if length == 0 {
        return Ok(Mark::Missing);
    }
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(text.filter(|_| length == MARK_BYTES).and_then(parse).map_or(Mark::Damaged, Mark::At))
}

fn parse(text: &str) -> Option<Head> {
    let (seq, hash) = text.strip_suffix('\n')?.split_once(' ')?;
    let hash = *blake3::Hash::from_hex(hash).ok()?.as_bytes();
    let head = Head { seq: seq.parse().ok()?, hash };
    // One number has one text.
    (written(&head) == text).then_some(head)
}

fn written(head: &Head) -> String {
    format!("{:020} {}\n", head.seq, hash_text(&head.hash))
}

/// Whether the mark is that of an entry of this log.
pub(super) fn fits(
    path: &Path,
    head: Option<&Head>,
    hash_at: impl Fn(i64) -> Result<Option<[u8; 32]>, StoreError>,
) -> Result<bool, StoreError> {
    Ok(match read(path)? {
        Mark::Missing => head.is_none(),
        Mark::Damaged => false,
        Mark::At(mark) => hash_at(mark.seq)? == Some(mark.hash),
    })
}

/// Moves the mark on to `head`. A failure leaves it behind, which only makes it say less.
pub(super) fn put(path: &Path, head: &Head) {
    let move_on = || -> io::Result<()> {
        let file = open(path)?;
        file.lock()?;
        // Of two processes the one with the later entry may come first.
        if !matches!(of(&file)?, Mark::At(found) if found.seq > head.seq) {
            file.write_all_at(written(head).as_bytes(), 0)?;
        }
        Ok(())
    };
    move_on().ok();
}

/// Makes `head` the mark, whatever it was.
pub(super) fn replace(path: &Path, head: &Head) -> io::Result<()> {
    let file = open(path)?;
    file.lock()?;
    file.set_len(0)?;
    file.write_all_at(written(head).as_bytes(), 0)?;
    file.sync_all()
}
