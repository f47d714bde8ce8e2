//! The data folder and its copies: names, modes, owners, ages.
//!
//! What it is not: a reader of what is in them, but for the first bytes, which tell form and version.
//!
//! What surprises: another data folder beside this one looks like a copy. One that a process holds is
//! none. A file that only has the folder's name (its configuration) is none either.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use headcount_store::{control, sqlite};

use super::super::facts::{Backups, Copy, Folder};
use crate::{datamap, edge};

/// Where SQLite keeps `user_version` in the head of a file.
const USER_VERSION_AT: usize = 60;
/// Entries beside the data folder that are looked at.
const ENTRIES_MAX: usize = 10_000;
/// A file that is written by another machine may be this far ahead.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// What makes a folder one of Headcount's.
const OURS: [&str; 3] = [control::FILE_NAME, sqlite::FILE_NAME, edge::FILE_NAME];
/// Bytes of a file by which its form is known.
const HEAD_BYTES: u64 = 512;
/// How an SQLite file begins.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// Endings of archives, and of what nobody can look into.
const ARCHIVES: [&str; 13] =
    ["tar", "tgz", "gz", "zst", "xz", "bz2", "lz4", "zip", "7z", "gpg", "age", "enc", "dump"];
/// Where an archive has which bytes: tar, gzip, zstd, xz, bzip2, zip, lz4.
const MAGIC: [(usize, &[u8]); 7] = [
    (257, b"ustar"),
    (0, b"\x1f\x8b"),
    (0, b"\x28\xb5\x2f\xfd"),
    (0, b"\xfd7zXZ"),
    (0, b"BZh"),
    (0, b"PK\x03\x04"),
    (0, b"\x04\x22\x4d\x18"),
];

/// What lies in the data folder; `None` if there is none.
pub(in crate::doctor) fn folder(
    data_dir: &Path,
    kept: Duration,
    known: &[String],
) -> Option<Folder> {
    let unseen = |error: io::Error| Folder {
        mode: 0o700,
        unread: Some(error.kind().to_string()),
        ..Folder::default()
    };
    let about = match fs::metadata(data_dir) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(unseen(error)),
    };
    let mut found = Folder { mode: about.mode() & 0o7777, ..Folder::default() };
    match fs::read_dir(data_dir) {
        Ok(entries) => entries.for_each(|entry| {
            let noted = entry.and_then(|entry| note(&mut found, &entry, (&about, kept, known)));
            keep(&mut found.unread, noted);
        }),
        Err(error) => found.unread = Some(error.kind().to_string()),
    }
    for names in [
        &mut found.open_files,
        &mut found.foreign_files,
        &mut found.unknown_files,
        &mut found.expired_files,
    ] {
        names.sort();
    }
    let version = edge_version(&data_dir.join(edge::FILE_NAME));
    found.edge_version = version.as_ref().ok().copied().flatten();
    keep(&mut found.unread, version.map(drop));
    Some(found)
}

/// Keeps the first reason why something was not seen. What is gone by now was no part of it.
fn keep(unseen: &mut Option<String>, looked: io::Result<()>) {
    if let Err(error) = looked
        && error.kind() != ErrorKind::NotFound
    {
        unseen.get_or_insert_with(|| error.kind().to_string());
    }
}

fn note(
    found: &mut Folder,
    entry: &fs::DirEntry,
    (folder, kept, known): (&Metadata, Duration, &[String]),
) -> io::Result<()> {
    let (name, about) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()?);
    // A link has no mode of its own.
    if about.mode() & 0o077 != 0 && !about.is_symlink() {
        found.open_files.push(name.clone());
    }
    if about.uid() != folder.uid() {
        found.foreign_files.push(name.clone());
    }
    if datamap::is_known_file(known, &name) {
        return Ok(());
    }
    found.unknown_files.push(name.clone());
    let copy = copy(&entry.path(), &about, &name)?;
    if copy.is_some_and(|(at, _)| at.elapsed().is_ok_and(|age| age > kept)) {
        found.expired_files.push(name);
    }
    Ok(())
}

/// Copies of the data folder beside it. `is_held` says whether a process runs on a folder.
pub(in crate::doctor) fn backups(
    data_dir: &Path,
    kept_days: u64,
    is_held: impl Fn(&Path) -> bool,
) -> Backups {
    let mut found = Backups { kept_days, ..Backups::default() };
    let looked = beside(data_dir, &mut found, is_held);
    if let Err(error) = looked {
        found.unseen = Some(error.kind().to_string());
    }
    found.copies.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn beside(data_dir: &Path, found: &mut Backups, is_held: impl Fn(&Path) -> bool) -> io::Result<()> {
    let data_dir = fs::canonicalize(data_dir)?;
    let (Some(parent), Some(own)) = (data_dir.parent(), data_dir.file_name()) else {
        return Ok(());
    };
    let own = own.to_string_lossy();
    for (number, entry) in fs::read_dir(parent)?.enumerate() {
        if number >= ENTRIES_MAX {
            found.unseen = Some(format!("more than {ENTRIES_MAX} files"));
            return Ok(());
        }
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_ours = OURS.iter().any(|file| name.starts_with(file)) || name.starts_with(&*own);
        let looked = entry.metadata().and_then(|about| match about.is_dir() || is_ours {
            true if path != data_dir => copy(&path, &about, &name),
            _ => Ok(None),
        });
        match looked {
            Ok(Some((at, is_certain))) if !is_held(&path) => {
                let age_days = at.elapsed().unwrap_or_default().as_secs() / 86_400;
                found.copies.push(Copy { name, age_days, is_certain });
            }
            Ok(_) => {}
            Err(error) => keep(&mut found.unseen, Err(error)),
        }
    }
    Ok(())
}

/// Whether this is a copy of a data folder, or of a file of one: when it was written, and whether a
/// database of ours is seen in it. Of an archive only its form is seen.
fn copy(path: &Path, about: &Metadata, name: &str) -> io::Result<Option<(SystemTime, bool)>> {
    if about.is_dir() {
        return Ok(newest(path)?.map(|at| (at, true)));
    }
    if !about.is_file() {
        return Ok(None);
    }
    let is_ours = OURS.iter().any(|file| name.starts_with(file));
    let is_archive = name.split('.').skip(1).any(|ending| ARCHIVES.contains(&ending));
    // What cannot be read is known by its name, if at all.
    let head = match head(path) {
        Ok(head) => head,
        Err(_) if is_ours || is_archive => Vec::new(),
        Err(error) => return Err(error),
    };
    let is_database = head.starts_with(SQLITE);
    let is_packed =
        MAGIC.iter().any(|(at, magic)| head.get(*at..).is_some_and(|it| it.starts_with(magic)));
    let is_copy = is_ours || is_archive || is_database || is_packed;
    Ok(is_copy.then_some((about.modified()?, is_ours && is_database)))
}

/// How a file begins; less than [`HEAD_BYTES`] of one that is shorter.
fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// When a folder with files of ours was written last.
fn newest(folder: &Path) -> io::Result<Option<SystemTime>> {
    let mut newest = None;
    for name in OURS {
        match fs::metadata(folder.join(name)).and_then(|about| about.modified()) {
            Ok(at) => newest = newest.max(Some(at)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(newest)
}

/// A file of the data folder that was written later than now.
pub(in crate::doctor) fn from_the_future(data_dir: &Path) -> Option<String> {
    let is_ahead = |at: SystemTime| at.elapsed().is_err_and(|by| by.duration() > AHEAD_MAX);
    let ahead = OURS.iter().find(|name| {
        let at = fs::metadata(data_dir.join(name)).ok().as_ref().and_then(written);
        at.is_some_and(is_ahead)
    });
    ahead.map(|name| (*name).to_owned())
}

fn written(about: &Metadata) -> Option<SystemTime> {
    about.modified().ok()
}

/// The version in the head of an SQLite file; such a head can be read beside a running process. `None` if
/// there is no such file.
fn edge_version(path: &Path) -> io::Result<Option<u32>> {
    let head = match head(path) {
        Ok(head) => head,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let version = head.get(..USER_VERSION_AT + 4).and_then(|head| head.last_chunk());
    match version {
        Some(bytes) => Ok(Some(u32::from_be_bytes(*bytes))),
        None => Err(io::Error::new(ErrorKind::InvalidData, "no SQLite file")),
    }
}
