//! The running processes: where they answer, and what the system knows of them.
//!
//! What it is not: their memory. Locked memory and dumps are a test's (tests/README.md).
//!
//! What surprises: a process of Headcount may be looked into by root alone, since it forbids dumps
//! of itself. Without root its open files and environment are "not tested".

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::Audit;
use super::finder::{ENVIRONMENT, Finder, LOG, OPEN};
use crate::cli::AuditArgs;
use crate::config::{Config, ConfigError};
use crate::folder;
use crate::notice::Mode;

/// Where the processes answer, and which they are.
pub(super) struct Running {
    /// Where visitors are answered.
    pub(super) visitors: String,
    /// Where analysts are answered.
    pub(super) analysts: String,
    /// Where the operator is answered, for each process.
    pub(super) operations: Vec<String>,
    processes: Vec<Process>,
    /// Rooms whose process was not found.
    missing: Vec<&'static str>,
}

struct Process {
    room: &'static str,
    id: u32,
}

impl Running {
    /// Works out addresses and processes of settings and flags.
    ///
    /// # Errors
    /// [`ConfigError`] where neither settings nor flags say a port.
    pub(super) fn find(args: &AuditArgs, config: &Config) -> Result<Self, ConfigError> {
        let visitors = address("--listen", args.listen.as_deref(), &config.listen.to_string())?;
        let analysts = match (&args.stats_listen, config.stats_listen == config.listen) {
            (None, true) => visitors.clone(),
            (given, _) => {
                address("--stats-listen", given.as_deref(), &config.stats_listen.to_string())?
            }
        };
        let mut operations = Vec::new();
        for given in &args.ops_listen {
            operations.push(address("--ops-listen", Some(given), "")?);
        }
        if operations.is_empty() {
            operations.push(address("--ops-listen", None, &config.ops_listen.to_string())?);
        }
        let (processes, missing) = processes(args, config);
        Ok(Self { visitors, analysts, operations, processes, missing })
    }

    /// The file that the audited process runs.
    pub(super) fn binary(&self) -> Option<PathBuf> {
        let process = self.processes.first()?;
        Some(PathBuf::from(format!("/proc/{}/exe", process.id))).filter(|path| path.exists())
    }

    /// Looks at log, open files, arguments and environment of each.
    pub(super) fn look(&self, audit: &Audit<'_>, finder: &mut Finder) {
        let given = &audit.args.log;
        let has_logs = has_logs(given.len(), self.processes.len() + self.missing.len());
        for path in given {
            finder.said(LOG, &path.display().to_string());
            finder.named_file(LOG, &path.display().to_string(), path);
        }
        for room in &self.missing {
            let why = format!("{room}: its process was not found here; give it with --pid");
            [OPEN, ENVIRONMENT].iter().for_each(|artefact| finder.not_tested(artefact, &why));
            if !has_logs {
                finder.not_tested(LOG, &why);
            }
        }
        for process in &self.processes {
            finder.said(ENVIRONMENT, "of each process that was found");
            process.open_files((has_logs, &audit.config.data_dir), finder);
            for name in ["cmdline", "environ"] {
                let at = format!("{name} of {}", process.room);
                match std::fs::read(process.path(name)) {
                    Ok(bytes) => finder.bytes(ENVIRONMENT, &at, &bytes),
                    Err(error) => finder.not_tested(ENVIRONMENT, &refused(&at, &error)),
                }
            }
        }
    }
}

impl Process {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.id))
    }

    /// Files that it holds open, deleted ones too; the first three are its log.
    fn open_files(&self, (has_log, data_dir): (bool, &Path), finder: &mut Finder) {
        let room = self.room;
        finder.said(OPEN, "also deleted ones, and files that are mapped to be written");
        let entries = match std::fs::read_dir(self.path("fd")) {
            Ok(entries) => entries,
            Err(error) => {
                finder.not_tested(OPEN, &refused(&format!("files of {room}"), &error));
                if !has_log {
                    finder.not_tested(LOG, &refused(&format!("log of {room}"), &error));
                }
                return;
            }
        };
        for entry in entries {
            let Ok(entry) = entry.map_err(|error| {
                finder.not_tested(OPEN, &refused(&format!("files of {room}"), &error));
            }) else {
                continue;
            };
            let (number, path) = (entry.file_name(), entry.path());
            let about =
                std::fs::metadata(&path).and_then(|it| Ok((it, std::fs::read_link(&path)?)));
            let (kind, target) = match about {
                Ok(about) => about,
                // A descriptor may be closed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    finder.not_tested(OPEN, &refused(&format!("a file of {room}"), &error));
                    continue;
                }
            };
            finder.bytes(OPEN, "names of files", target.to_string_lossy().as_bytes());
            let is_log = number == "1" || number == "2";
            if is_log {
                log(room, (&kind, &target, &path), has_log, finder);
            } else if kind.is_file() && !lies_in(data_dir, &target, &kind) {
                finder.file(OPEN, &format!("{room}: {}", target.display()), &path);
            }
        }
        self.mapped(finder);
    }

    /// Files that are mapped and shared: what is written there rests in them.
    fn mapped(&self, finder: &mut Finder) {
        let at = format!("maps of {}", self.room);
        let maps = match std::fs::read_to_string(self.path("maps")) {
            Ok(maps) => maps,
            Err(error) => return finder.not_tested(OPEN, &refused(&at, &error)),
        };
        for shared in maps.lines().filter_map(shared_file) {
            let at = format!("{}: {}", self.room, shared.path);
            // By name it may be gone, or be another file.
            let mapped = self.path("map_files").join(shared.name());
            match std::fs::metadata(&mapped) {
                Ok(_) => finder.file(OPEN, &at, &mapped),
                Err(_) if shared.is_at(&self.path("root")) => {
                    finder.file(OPEN, &at, Path::new(shared.path));
                }
                Err(error) => finder.not_tested(OPEN, &refused(&at, &error)),
            }
        }
    }
}

/// Whether a file that is open is the one at its place in the data folder, where all are searched. One
/// that was deleted, or replaced, is not.
fn lies_in(data_dir: &Path, target: &Path, open: &Metadata) -> bool {
    let same = |there: Metadata| (there.dev(), there.ino()) == (open.dev(), open.ino());
    target.starts_with(absolute(data_dir)) && std::fs::metadata(target).is_ok_and(same)
}

/// A file that is mapped to be shared and written.
#[derive(Debug, PartialEq, Eq)]
struct Shared<'a> {
    /// Of memory.
    range: &'a str,
    inode: u64,
    path: &'a str,
}

impl Shared<'_> {
    /// Its name under `map_files`: the range without leading zeros.
    fn name(&self) -> String {
        let ends = self.range.split('-').map(|end| end.trim_start_matches('0'));
        ends.collect::<Vec<_>>().join("-")
    }

    /// Whether the file lies where its name says, here as for the process.
    fn is_at(&self, root: &Path) -> bool {
        let (Ok(there), Ok(here)) = (
            std::fs::metadata(root.join(self.path.trim_start_matches('/'))),
            std::fs::metadata(self.path),
        ) else {
            return false;
        };
        let file = (here.dev(), here.ino());
        file == (there.dev(), self.inode) && there.ino() == self.inode
    }
}

/// The file of a line of `/proc/PID/maps`, if it is mapped to be shared and written. Shared memory that
/// never had a name is none.
fn shared_file(line: &str) -> Option<Shared<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let inode = words.nth(2)?.parse().ok()?;
    let path = line.get(line.find(" /")? + 1..)?;
    let is_shared = matches!(rights.as_bytes(), [_, b'w', _, b's']);
    let is_file = path.starts_with('/') && !path.starts_with("/dev/zero");
    (is_shared && is_file).then_some(Shared { range, inode, path })
}

/// Whether files that were given can be the logs of so many processes: one for each at least.
fn has_logs(given: usize, processes: usize) -> bool {
    given >= processes.max(1)
}

/// Where a process writes what it has to say.
fn log(
    room: &str,
    (kind, target, path): (&Metadata, &Path, &Path),
    has_log: bool,
    finder: &mut Finder,
) {
    let at = format!("{room}: {}", target.display());
    if kind.is_file() {
        finder.said(LOG, "standard output and error of the processes");
        finder.named_file(LOG, &at, path);
    } else if target == Path::new("/dev/null") {
        finder.said(LOG, &format!("{room}: thrown away"));
    } else if !has_log {
        let what =
            if kind.file_type().is_char_device() { "a terminal" } else { "a pipe or socket" };
        finder.not_tested(
            LOG,
            &format!(
                "{room}: goes to {what}; give its text as a file with --log, one for each process"
            ),
        );
    }
}

fn refused(at: &str, error: &std::io::Error) -> String {
    format!("{at}: {}; run the audit as root", error.kind())
}

fn absolute(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// An address to connect to.
fn address(flag: &str, given: Option<&str>, configured: &str) -> Result<String, ConfigError> {
    let text = given.unwrap_or(configured);
    let text = text.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(port) if port > 0 => Ok(text),
        _ => Err(ConfigError(format!(
            "{flag}: an address and a port such as 127.0.0.1:8080 are needed, and \"{text}\" has none"
        ))),
    }
}

/// The processes that a deployment has.
pub(super) fn rooms(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Embedded => &["up"],
        Mode::Cluster => &["collect", "aggregate", "serve"],
    }
}

/// The processes of this deployment, and the rooms that have none here.
fn processes(args: &AuditArgs, config: &Config) -> (Vec<Process>, Vec<&'static str>) {
    let mut found: Vec<Process> =
        args.pid.iter().map(|id| Process { room: room_of(*id), id: *id }).collect();
    let folders = [Some(config.data_dir.as_path()), args.serve_data.as_deref()];
    for id in folders.into_iter().flatten().filter_map(folder::holder) {
        if !found.iter().any(|process| process.id == id) {
            found.push(Process { room: room_of(id), id });
        }
    }
    for id in of_configuration(args.data.config.as_deref()) {
        if !found.iter().any(|process| process.id == id) {
            found.push(Process { room: room_of(id), id });
        }
    }
    let rooms = rooms(Mode::of(config));
    let missing = rooms.iter().filter(|room| !found.iter().any(|process| process.room == **room));
    let missing = missing.copied().collect();
    // The collector first: it is the one that meets visitors.
    found.sort_by_key(|process| rooms.iter().position(|room| *room == process.room));
    (found, missing)
}

/// The room that a process was started as.
fn room_of(id: u32) -> &'static str {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let word = line.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    match word {
        b"collect" => "collect",
        b"aggregate" => "aggregate",
        b"serve" => "serve",
        _ => "up",
    }
}

/// The rooms of a cluster that were started with the same configuration file.
fn of_configuration(config: Option<&Path>) -> Vec<u32> {
    let Some(config) = config.and_then(|path| std::fs::canonicalize(path).ok()) else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_room = |id: &u32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words: Vec<&str> =
            line.split(|byte| *byte == 0).filter_map(|word| str::from_utf8(word).ok()).collect();
        let is_ours = matches!(words.get(1), Some(&("collect" | "aggregate" | "serve" | "up")));
        let has_config = |word: &str| std::fs::canonicalize(word).is_ok_and(|path| path == config);
        is_ours && words.into_iter().skip(2).any(has_config)
    };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(is_room).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_are_shared_and_written_are_taken() {
        let line = "7f00-7f10 rw-s 00000000 08:01 131    /data/edge.db-shm";
        let shared = Shared { range: "7f00-7f10", inode: 131, path: "/data/edge.db-shm" };
        assert_eq!(shared_file(line), Some(shared));
        let low = "00a0-00b0 rw-s 00000000 08:01 131    /x";
        assert_eq!(shared_file(low).unwrap().name(), "a0-b0");
        for there in ["/dev/shm/x y", "/memfd:x (deleted)", "/SYSV0 (deleted)"] {
            let line = format!("7f00-7f10 rw-s 0 00:01 7    {there}");
            assert_eq!(shared_file(&line).map(|it| it.path), Some(there));
        }
        for other in [
            "7f00-7f10 rw-s 00000000 00:01 131    /dev/zero (deleted)",
            "7f00-7f10 r-xp 00000000 08:01 131    /lib/libc.so",
            "7f00-7f10 rw-s 0 0:0 0",
            "",
            "x y",
        ] {
            assert_eq!(shared_file(other), None, "{other}");
        }
    }

    #[test]
    fn a_file_is_taken_by_its_name_only_where_it_lies_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "x").unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let at = |inode| Shared { range: "", inode, path: path.to_str().unwrap() };
        assert!(at(inode).is_at(Path::new("/")));
        assert!(!at(inode + 1).is_at(Path::new("/")), "another file has its name");
        assert!(!at(inode).is_at(dir.path()), "the process sees none there");
    }

    #[test]
    fn a_file_of_the_folder_that_was_deleted_is_not_one_that_lies_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = absolute(dir.path()).join("a");
        std::fs::write(&path, "x").unwrap();
        let open = std::fs::File::open(&path).unwrap().metadata().unwrap();
        assert!(lies_in(dir.path(), &path, &open));
        let moved = dir.path().join("b");
        std::fs::rename(&path, &moved).unwrap();
        assert!(!lies_in(dir.path(), &path, &open));
        std::fs::write(&path, "y").unwrap();
        assert!(!lies_in(dir.path(), &path, &open), "another file is there now");
    }

    #[test]
    fn the_log_of_one_process_is_not_that_of_three() {
        assert!(has_logs(1, 1) && has_logs(6, 3));
        assert!(!has_logs(0, 1) && !has_logs(0, 0) && !has_logs(2, 3));
    }

    #[test]
    fn an_address_needs_a_port() {
        assert_eq!(address("--listen", None, "0.0.0.0:80").as_deref(), Ok("127.0.0.1:80"));
        assert_eq!(address("--listen", Some("a:81"), "127.0.0.1:0").as_deref(), Ok("a:81"));
        for wrong in ["127.0.0.1:0", "127.0.0.1", ""] {
            assert!(address("--listen", None, wrong).is_err(), "{wrong}");
        }
    }
}
