//! The mark of the admin log: number and hash of its last entry, in a file of its own.
//!
//! What it is not: a proof against who may write both files.
//!
//! What surprises: it is written twice. Before a commit it names the last entry and the one that is to
//! be the last, in a second line, and is synced; after it the new one alone. So whatever is killed, the
//! log ends where its mark says, and an entry that somebody else wrote does not fit. A mark that does
//! not fit stays where it is, whatever is written afterwards, until somebody accepts the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{Head, START, hash_text};
use crate::error::StoreError;
use crate::owner::open;

/// Its name, beside the control file.
pub const FILE_NAME: &str = "admin.mark";
/// Bytes of a line: number, space, hash, end of line.
const MARK_BYTES: usize = 20 + 1 + 64 + 1;
/// And of one with a second line.
const TWO_MARKS_BYTES: usize = 2 * MARK_BYTES;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// There is none.
    Missing,
    /// It is no mark.
    Damaged,
    /// The last entry, or what a log without one has; and the one that is to follow it, if a
    /// process was killed before it could say that it does.
    At(Head, Option<Head>),
}

impl Mark {
    /// Whether a log that ends with `last` is the one that was marked.
    pub(super) fn fits(self, last: Head) -> bool {
        match self {
            Self::Missing => last == START,
            Self::Damaged => false,
            Self::At(head, next) => last == head || Some(last) == next,
        }
    }
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
    let mut bytes = [0; TWO_MARKS_BYTES + 1];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    let line = |from: usize, to: usize| parse(std::str::from_utf8(bytes.get(from..to)?).ok()?);
    Ok(match (length, line(0, MARK_BYTES)) {
        (0, _) => Mark::Missing,
        // A second line that is cut off was never synced, so its entry was never written.
        (MARK_BYTES..=TWO_MARKS_BYTES, Some(head)) => Mark::At(head, line(MARK_BYTES, length)),
        _ => Mark::Damaged,
    })
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

/// Says, before a commit, that the log goes on from `head` to `next`. It is on the disk then.
pub(super) fn begin(path: &Path, head: &Head, next: &Head) -> io::Result<()> {
    let file = open(path)?;
    file.lock()?;
    let is_new = file.metadata()?.len() == 0;
    file.write_all_at((written(head) + &written(next)).as_bytes(), 0)?;
    file.set_len(TWO_MARKS_BYTES as u64)?;
    file.sync_all()?;
    match path.parent().filter(|folder| is_new && !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Says, after the commit, that `next` is the last entry, unless another process is already at the
/// one after it. A failure changes nothing: the mark fits as it is.
pub(super) fn end(path: &Path, head: &Head, next: &Head) {
    let settle = || -> io::Result<()> {
        let file = open(path)?;
        file.lock()?;
        if of(&file)? == Mark::At(*head, Some(*next)) {
            file.write_all_at(written(next).as_bytes(), 0)?;
            file.set_len(MARK_BYTES as u64)?;
        }
        Ok(())
    };
    settle().ok();
}
