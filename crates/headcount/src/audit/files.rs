//! Files: the data folder, known ones and others, and what the operator names.
//!
//! What it is not: SQLite. Files are read as bytes, so that free pages and logs are searched, too.
//!
//! What surprises: reading beside the running process is harmless only because this process has no
//! connection to those files: closing a file drops the locks that its process has on it.

use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use headcount_store::{control, sqlite};

use super::finder::{CONTROL, EDGE, FOLDER, Finder, NAMED, STORE};
use crate::edge;

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
    let known = [(EDGE_FILES, EDGE), (sqlite::FILE_NAME, STORE), (control::FILE_NAME, CONTROL)];
    for path in within(folder, FOLDER, finder) {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let artefact = known.iter().find(|(file, _)| name.starts_with(file));
        finder.file(artefact.map_or(FOLDER, |(_, artefact)| *artefact), &name, &path);
    }
    // What should be a file of ours and is a link is that file.
    for (name, artefact) in
        [(edge::FILE_NAME, EDGE), (sqlite::FILE_NAME, STORE), (control::FILE_NAME, CONTROL)]
    {
        if folder.join(name).is_symlink() {
            finder.not_tested(artefact, &format!("{name}: a link, which is not followed"));
        }
    }
}

/// What `--also` names: logs of a proxy, backups, folders of other servers.
pub(super) fn named(paths: &[PathBuf], finder: &mut Finder) {
    if paths.is_empty() {
        finder
            .said(NAMED, "none was named; name logs of proxies, backups and the like with --also");
    }
    for path in paths {
        let name = path.display().to_string();
        finder.said(NAMED, &name);
        match std::fs::metadata(path) {
            Ok(about) if about.is_dir() => {
                let files = within(path, NAMED, finder);
                if files.is_empty() {
                    finder.not_tested(NAMED, &format!("{name}: no file is in it"));
                }
                for file in files {
                    finder.file(NAMED, &file.display().to_string(), &file);
                }
            }
            // What it is else is said when it is opened.
            _ => finder.named_file(NAMED, &name, path),
        }
    }
}

/// The files in a folder, sorted. Links are not followed, so nothing is read twice; one that leads out
/// of the folder is said.
fn within(path: &Path, artefact: &'static str, finder: &mut Finder) -> Vec<PathBuf> {
    let mut walk =
        Walk { top: std::fs::canonicalize(path).ok(), found: Vec::new(), unseen: Vec::new() };
    walk.folder(path, 0);
    for why in walk.unseen {
        finder.not_tested(artefact, &why);
    }
    walk.found.sort();
    walk.found
}

struct Walk {
    top: Option<PathBuf>,
    found: Vec<PathBuf>,
    /// What could not be looked at, and why.
    unseen: Vec<String>,
}

impl Walk {
    fn folder(&mut self, path: &Path, depth: usize) {
        if depth >= DEPTH_MAX {
            return self.unseen(path, "too deep");
        }
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.unseen(path, &error.kind().to_string()),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry.path(), depth),
                Err(error) => self.unseen(path, &error.kind().to_string()),
            }
        }
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        match std::fs::symlink_metadata(path) {
            Ok(about) if about.is_file() => self.found.push(path.to_owned()),
            Ok(about) if about.is_dir() => self.folder(path, depth + 1),
            Ok(about) if about.is_symlink() => self.link(path),
            Ok(about) if about.file_type().is_block_device() => self.unseen(path, "a device"),
            // Sockets, pipes and devices of characters hold nothing.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.unseen(path, &error.kind().to_string()),
        }
    }

    fn link(&mut self, path: &Path) {
        match std::fs::canonicalize(path) {
            Ok(to) if self.top.as_ref().is_some_and(|top| to.starts_with(top)) => {}
            // It leads nowhere.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            _ => {
                self.unseen(path, "a link, which is not followed; name where it leads with --also")
            }
        }
    }

    fn unseen(&mut self, path: &Path, why: &str) {
        self.unseen.push(format!("{}: {why}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};

    use headcount_audit::report::{Artefact, Status};
    use headcount_audit::search::Search;

    use super::*;

    fn looked(look: impl FnOnce(&mut Finder)) -> Vec<Artefact> {
        let mut search = Search::new();
        search.text("Cookie", "kanariekaka");
        let mut finder = Finder::new(search, Instant::now() + Duration::from_secs(60));
        look(&mut finder);
        finder.artefacts()
    }

    #[test]
    fn a_link_out_of_the_folder_is_not_passed() {
        let (dir, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["edge.db", "counts.db", "control.db"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        symlink(dir.path().join("edge.db"), dir.path().join("within")).unwrap();
        symlink("/nowhere/at/all", dir.path().join("leads-nowhere")).unwrap();
        let status = |name: &str| {
            let all = looked(|finder| data_folder(dir.path(), finder));
            all.into_iter().find(|it| it.name == name).unwrap().status
        };
        assert_eq!((status(STORE), status(FOLDER)), (Status::Passed, Status::NotApplicable));
        symlink(away.path(), dir.path().join("more")).unwrap();
        assert_eq!(status(FOLDER), Status::NotTested);
        // A file that must be there may be a link, too.
        std::fs::rename(dir.path().join("counts.db"), away.path().join("counts.db")).unwrap();
        symlink(away.path().join("counts.db"), dir.path().join("counts.db")).unwrap();
        assert_eq!(status(STORE), Status::NotTested);
    }

    #[test]
    fn what_was_named_and_holds_nothing_is_not_passed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("empty")).unwrap();
        std::fs::write(path("a.log"), "x").unwrap();
        for (named, status) in [
            (path("empty"), Status::NotTested),
            (path("gone"), Status::NotTested),
            (PathBuf::from("/dev/zero"), Status::NotTested),
            (path("a.log"), Status::Passed),
            (path(""), Status::Passed),
        ] {
            let all = looked(|finder| super::named(std::slice::from_ref(&named), finder));
            assert_eq!(all[0].status, status, "{named:?}: {all:?}");
        }
    }
}
