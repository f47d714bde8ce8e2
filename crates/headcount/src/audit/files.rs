//! Files: the data folder, known ones and others, and what the operator names.
//!
//! What it is not: SQLite. Files are read as bytes, so that free pages and logs are searched, too.
//!
//! What surprises: reading beside the running process is harmless only because this process has no
//! connection to those files: closing a file drops the locks that its process has on it.

use std::path::{Path, PathBuf};

use headcount_store::{control, sqlite};

use super::finder::{CONTROL, EDGE, FOLDER, Finder, NAMED, STORE};

/// How the names of the edge's files begin.
const EDGE_FILES: &str = "edge.";
/// Folders within folders.
const DEPTH_MAX: usize = 12;

/// Everything in the data folder.
pub(super) fn data_folder(folder: &Path, finder: &mut Finder) {
    finder.said(EDGE, "edge.db with its log and mark");
    finder.said(STORE, "counts.db with its log");
    finder.said(CONTROL, "control.db with its log");
    finder.said(FOLDER, "whatever else is in the data folder");
    for path in within(folder, FOLDER, finder) {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let of = |file: &str| name.starts_with(file);
        let artefact = if of(EDGE_FILES) {
            EDGE
        } else if of(sqlite::FILE_NAME) {
            STORE
        } else if of(control::FILE_NAME) {
            CONTROL
        } else {
            FOLDER
        };
        finder.file(artefact, &name, &path);
    }
}

/// What `--also` names: logs of a proxy, backups, folders of other servers.
pub(super) fn named(paths: &[PathBuf], finder: &mut Finder) {
    if paths.is_empty() {
        finder
            .said(NAMED, "none was named; name logs of proxies, backups and the like with --also");
    }
    for path in paths {
        finder.said(NAMED, &path.display().to_string());
        if !path.exists() {
            finder.not_tested(NAMED, &format!("{}: there is no such file", path.display()));
        }
        for file in within(path, NAMED, finder) {
            finder.file(NAMED, &file.display().to_string(), &file);
        }
    }
}

/// The files at a path, sorted. Links are not followed, so nothing is read twice.
fn within(path: &Path, artefact: &'static str, finder: &mut Finder) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(path, 0, &mut found, (artefact, finder));
    found.sort();
    found
}

fn collect(
    path: &Path,
    depth: usize,
    found: &mut Vec<PathBuf>,
    (artefact, finder): (&'static str, &mut Finder),
) {
    // What was named itself may be a link.
    let kind = if depth == 0 { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
    let Ok(kind) = kind else { return };
    if kind.is_file() {
        found.push(path.to_owned());
    } else if kind.is_dir() && depth < DEPTH_MAX {
        match std::fs::read_dir(path) {
            Ok(entries) => entries
                .flatten()
                .for_each(|entry| collect(&entry.path(), depth + 1, found, (artefact, finder))),
            Err(error) => {
                finder.not_tested(artefact, &format!("{}: {}", path.display(), error.kind()));
            }
        }
    } else if kind.is_dir() {
        finder.not_tested(artefact, &format!("{}: too deep", path.display()));
    }
}
