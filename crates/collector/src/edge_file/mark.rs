//! The mark: beside the edge file, the number of the last commit that was seen on the disk.
//!
//! What it is not: part of the promise. It is written without a sync, after the commit is safe, so
//! it is never ahead of the file; a power cut may leave it behind, and then it says nothing.
//!
//! What surprises: it is the only way to tell a write-ahead log that lost its end from one that a
//! crash cut off. A crash takes nothing that was answered; what is behind the mark, something else
//! took.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Bytes of a mark: a number, and the same number once more.
const MARK_BYTES: usize = 16;

/// The open mark.
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark of an edge file. Returns the number in it; 0 if there is none.
    pub(super) fn open(edge_file: &Path) -> io::Result<(Self, u64)> {
        let path = path_of(edge_file);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = [0; MARK_BYTES];
        let found = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => parse(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        Ok((Self(file), found))
    }

    /// Notes that commit `number` is on the disk. A failure leaves the mark behind, which only
    /// makes it say less.
    pub(super) fn note(&self, number: u64) {
        let mut bytes = [0; MARK_BYTES];
        let (number_bytes, again) = bytes.split_at_mut(MARK_BYTES / 2);
        number_bytes.copy_from_slice(&number.to_le_bytes());
        again.copy_from_slice(&number.to_le_bytes());
        self.0.write_all_at(&bytes, 0).ok();
    }
}

/// `edge.db` has `edge.mark`.
pub(super) fn path_of(edge_file: &Path) -> PathBuf {
    edge_file.with_extension("mark")
}

/// The number, if it is there twice.
fn parse(bytes: [u8; MARK_BYTES]) -> u64 {
    let (number, again) = bytes.split_at(MARK_BYTES / 2);
    let number = if number == again { number.try_into().unwrap_or([0; 8]) } else { [0; 8] };
    u64::from_le_bytes(number)
}
