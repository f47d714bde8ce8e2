//! The data folder and its copies: names, modes, owners, ages.
//!
//! What it is not: a reader of what is in them, but for the number of a version.
//!
//! What surprises: another data folder beside this one looks like a copy. One that a process holds is
//! none.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use headcount_store::{control, sqlite};

use super::super::facts::{Copy, Folder};
use crate::{datamap, edge};

/// Where SQLite keeps `user_version` in the head of a file.
const USER_VERSION_AT: usize = 60;
/// Entries beside the data folder that are looked at.
const ENTRIES_MAX: usize = 10_000;
/// A file that is written by another machine may be this far ahead.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// What makes a folder one of Headcount's.
const OURS: [&str; 3] = [control::FILE_NAME, sqlite::FILE_NAME, edge::FILE_NAME];

/// What lies in the data folder; `None` if there is none.
pub(in crate::doctor) fn folder(
    data_dir: &Path,
    kept: Duration,
    known: &[String],
) -> Option<Folder> {
    let about = fs::metadata(data_dir).ok()?;
    let mut found = Folder { mode: about.mode() & 0o7777, ..Folder::default() };
    for entry in fs::read_dir(data_dir).ok()?.flatten() {
        let (name, Ok(about)) =
            (entry.file_name().to_string_lossy().into_owned(), entry.metadata())
        else {
            continue;
        };
        if about.mode() & 0o077 != 0 {
            found.open_files.push(name.clone());
        }
        if about.uid() != fs::metadata(data_dir).ok()?.uid() {
            found.foreign_files.push(name.clone());
        }
        let is_ours = datamap::is_known_file(known, &name);
        if !is_ours {
            found.unknown_files.push(name.clone());
        }
        let age = about.modified().ok().and_then(|at| at.elapsed().ok());
        if !is_ours && age.is_some_and(|age| age > kept) {
            found.expired_files.push(name);
        }
    }
    for names in [
        &mut found.open_files,
        &mut found.foreign_files,
        &mut found.unknown_files,
        &mut found.expired_files,
    ] {
        names.sort();
    }
    found.edge_version = edge_version(&data_dir.join(edge::FILE_NAME));
    Some(found)
}

/// Copies of the data folder beside it. `is_held` says whether a process runs on a folder.
pub(in crate::doctor) fn copies(data_dir: &Path, is_held: impl Fn(&Path) -> bool) -> Vec<Copy> {
    let Ok(data_dir) = fs::canonicalize(data_dir) else { return Vec::new() };
    let (Some(parent), Some(own)) = (data_dir.parent(), data_dir.file_name()) else {
        return Vec::new();
    };
    let own = own.to_string_lossy();
    let beside = fs::read_dir(parent).into_iter().flatten().flatten().take(ENTRIES_MAX);
    let copy = |entry: fs::DirEntry| {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let about = entry.metadata().ok()?;
        let is_packed = OURS.iter().any(|file| name.starts_with(file)) || name.starts_with(&*own);
        let at = if path == data_dir {
            None
        } else if about.is_dir() {
            newest(&path).filter(|_| !is_held(&path))
        } else {
            about.modified().ok().filter(|_| about.is_file() && is_packed)
        };
        Some(Copy { name, age_days: at?.elapsed().unwrap_or_default().as_secs() / 86_400 })
    };
    let mut copies: Vec<Copy> = beside.filter_map(copy).collect();
    copies.sort_by(|a, b| a.name.cmp(&b.name));
    copies
}

/// When a folder with files of ours was written last.
fn newest(folder: &Path) -> Option<SystemTime> {
    let times = OURS.iter().filter_map(|name| written(&fs::metadata(folder.join(name)).ok()?));
    times.max()
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

/// The version in the head of an SQLite file; such a head can be read beside a running process.
fn edge_version(path: &Path) -> Option<u32> {
    use std::io::Read as _;
    let mut head = [0; USER_VERSION_AT + 4];
    fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
    head.last_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
