//! What was looked at: artefacts by their names, and what was found in each.
//!
//! What it is not: a reader of anything in particular.
//!
//! What surprises: an artefact that nobody mentions is not in the report, so each module mentions
//! all of its own, also those that it cannot examine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Instant;

use headcount_audit::report::{Artefact, Finding, Status};
use headcount_audit::search::{Hit, Look, Search};
use rustix::fs::OFlags;

/// Bytes of one file that are searched; of a longer one its end.
const FILE_BYTES_MAX: u64 = if cfg!(test) { 8 << 20 } else { 2 << 30 };
/// Bytes of all together.
const ALL_BYTES_MAX: u64 = 16 << 30;

/// What is said where bytes were skipped.
const NOT_WHOLE: &str = "not searched in whole: too large, or packed as the audit cannot unpack";

/// The names of artefacts, in the order of reports.
pub(super) const EDGE: &str = "edge file";
pub(super) const STORE: &str = "store";
pub(super) const CONTROL: &str = "control file";
pub(super) const FOLDER: &str = "other files of the data folder";
pub(super) const ANSWERS: &str = "answers to visitors";
pub(super) const SHOWN: &str = "what a visitor is shown of a request";
pub(super) const OPERATIONS: &str = "metrics and health";
pub(super) const API: &str = "API and dashboard";
pub(super) const EXPORT: &str = "exports";
pub(super) const COMMANDS: &str = "what the commands print";
pub(super) const LOG: &str = "log";
pub(super) const OPEN: &str = "open files of the processes";
pub(super) const ENVIRONMENT: &str = "arguments and environment of the processes";
pub(super) const KEYS: &str = "keys of Kafka's records";
pub(super) const HEADERS: &str = "headers of Kafka's records";
pub(super) const TIMES: &str = "timestamps of Kafka's records";
pub(super) const VALUES: &str = "values of Kafka's records";
pub(super) const TABLES: &str = "tables of ClickHouse";
pub(super) const SYSTEM: &str = "logs that ClickHouse keeps of itself";
pub(super) const NAMED: &str = "files that were named";
const ORDER: [&str; 20] = [
    EDGE,
    STORE,
    CONTROL,
    FOLDER,
    ANSWERS,
    SHOWN,
    OPERATIONS,
    API,
    EXPORT,
    COMMANDS,
    LOG,
    OPEN,
    ENVIRONMENT,
    KEYS,
    HEADERS,
    TIMES,
    VALUES,
    TABLES,
    SYSTEM,
    NAMED,
];

#[derive(Default)]
struct Place {
    look: Look,
    findings: BTreeMap<(String, String, String), u64>,
    said: Vec<String>,
    not_tested: bool,
    tested: bool,
}

/// A file that cannot be read any more when the time is over.
struct Timed {
    file: File,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.file.read(buffer)
    }
}

impl Seek for Timed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// The search and what it came to.
pub(super) struct Finder {
    pub(super) search: Search,
    places: BTreeMap<&'static str, Place>,
    left: u64,
    deadline: Instant,
}

impl Finder {
    pub(super) fn new(search: Search, deadline: Instant) -> Self {
        Self { search, places: BTreeMap::new(), left: ALL_BYTES_MAX, deadline }
    }

    /// Looks at bytes at hand.
    pub(super) fn bytes(&mut self, artefact: &'static str, at: &str, bytes: &[u8]) {
        let look = self.search.look(bytes);
        self.note(artefact, at, look);
    }

    /// Looks at a file that was seen just now. What is gone by now has left nothing; what cannot be
    /// read is not tested.
    pub(super) fn file(&mut self, artefact: &'static str, at: &str, path: &Path) {
        match self.looked(at, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            looked => self.told(artefact, at, looked),
        }
    }

    /// Looks at a file that must be there: if it is not, it is not tested.
    pub(super) fn named_file(&mut self, artefact: &'static str, at: &str, path: &Path) {
        let looked = self.looked(at, path);
        self.told(artefact, at, looked);
    }

    fn looked(&self, at: &str, path: &Path) -> io::Result<Look> {
        let over = || io::Error::new(io::ErrorKind::TimedOut, "no time was left");
        let deadline = self.deadline;
        if Instant::now() >= deadline {
            return Err(over());
        }
        let mut file = Timed { file: regular(path)?, deadline };
        let look = self.search.look_into(&mut file, at, FILE_BYTES_MAX.min(self.left))?;
        // What is packed ends in silence when the time does.
        if Instant::now() < deadline { Ok(look) } else { Err(over()) }
    }

    fn told(&mut self, artefact: &'static str, at: &str, looked: io::Result<Look>) {
        match looked {
            Ok(look) => {
                self.left = self.left.saturating_sub(look.bytes);
                // A name can tell, too.
                self.bytes(artefact, &format!("name of {}", shown(at)), at.as_bytes());
                self.note(artefact, at, look);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.not_tested(artefact, &format!("{at}: there is no such file"));
            }
            Err(error) => self.not_tested(artefact, &format!("{at}: {error}")),
        }
    }

    fn note(&mut self, artefact: &'static str, at: &str, mut look: Look) {
        let at =
            if self.search.within(at.as_bytes()).is_empty() { at } else { "a name with a marker" };
        if look.skipped > 0 {
            self.not_tested(artefact, &format!("{at}: {NOT_WHOLE}"));
        }
        let place = self.places.entry(artefact).or_default();
        place.tested = true;
        for (hit, count) in std::mem::take(&mut look.hits) {
            *place.findings.entry((hit.name, hit.form.to_owned(), at.to_owned())).or_default() +=
                count;
        }
        place.look.add(look);
    }

    /// A rule that the artefact breaks, whatever is in it.
    pub(super) fn broken(&mut self, artefact: &'static str, at: &str, (rule, form): (&str, &str)) {
        let place = self.places.entry(artefact).or_default();
        place.tested = true;
        let key = (rule.to_owned(), form.to_owned(), at.to_owned());
        *place.findings.entry(key).or_default() += 1;
    }

    /// Says what the artefact is.
    pub(super) fn said(&mut self, artefact: &'static str, what: &str) {
        let is_clean = self.search.within(what.as_bytes()).is_empty();
        let what = if is_clean { what } else { "a text with a marker" };
        let said = &mut self.places.entry(artefact).or_default().said;
        if !said.iter().any(|known| known == what) {
            said.push(what.to_owned());
        }
    }

    /// The artefact is there, and was not examined, or not in whole.
    pub(super) fn not_tested(&mut self, artefact: &'static str, why: &str) {
        self.said(artefact, why);
        self.places.entry(artefact).or_default().not_tested = true;
    }

    /// Everything that was found so far.
    pub(super) fn hits(&self) -> Vec<Hit> {
        let findings = self.places.values().flat_map(|place| place.findings.keys());
        let hit = |(name, form, _): &(String, String, String)| {
            let form = headcount_audit::forms::NAMES.into_iter().find(|known| known == form)?;
            Some(Hit { name: name.clone(), form })
        };
        findings.filter_map(hit).collect()
    }

    /// What the report says of the artefacts.
    pub(super) fn artefacts(self) -> Vec<Artefact> {
        let mut places = self.places;
        let made = ORDER.iter().filter_map(|name| Some(artefact(name, places.remove(name)?)));
        made.collect()
    }
}

fn artefact(name: &str, place: Place) -> Artefact {
    let status = match &place {
        Place { findings, .. } if !findings.is_empty() => Status::Failed,
        Place { not_tested: true, .. } => Status::NotTested,
        Place { tested: true, .. } => Status::Passed,
        _ => Status::NotApplicable,
    };
    let finding = |((channel, form, place), count)| Finding { channel, form, place, count };
    Artefact {
        name: name.to_owned(),
        status,
        said: place.said.join("; "),
        bytes: place.look.bytes,
        skipped: place.look.skipped,
        findings: place.findings.into_iter().map(finding).collect(),
    }
}

/// Opens a file that ends: a pipe would make the audit wait for whoever writes to it.
fn regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file")),
    }
}

fn shown(at: &str) -> &str {
    if at.is_empty() { "a file" } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder() -> Finder {
        let mut search = Search::new();
        search.text("Cookie", "kanariekaka");
        Finder::new(search, Instant::now() + std::time::Duration::from_secs(60))
    }

    #[test]
    fn an_artefact_that_was_examined_in_part_has_not_passed() {
        let mut finder = finder();
        finder.bytes(LOG, "up.log", b"nothing");
        finder.bytes(API, "query", b"nothing");
        finder.not_tested(LOG, "standard output: a pipe");
        finder.said(KEYS, "there is no Kafka");
        finder.bytes(EDGE, "edge.db", b"kanariekaka");
        let statuses: Vec<_> =
            finder.artefacts().into_iter().map(|it| (it.name, it.status)).collect();
        let expected = [
            (EDGE, Status::Failed),
            (API, Status::Passed),
            (LOG, Status::NotTested),
            (KEYS, Status::NotApplicable),
        ];
        assert_eq!(statuses, expected.map(|(name, status)| (name.to_owned(), status)));
    }

    /// What became of the one file of a folder.
    fn of_file(finder: impl FnOnce() -> Finder, make: impl FnOnce(&Path)) -> Artefact {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        make(&path);
        let mut finder = finder();
        finder.named_file(NAMED, "a.log", &path);
        finder.artefacts().remove(0)
    }

    #[test]
    fn what_was_not_searched_in_whole_has_not_passed() {
        let whole = of_file(finder, |path| std::fs::write(path, "x").unwrap());
        assert_eq!(whole.status, Status::Passed);
        // Larger than what is searched of one file: it is a hole, and takes no room.
        let large = of_file(finder, |path| {
            File::create(path).unwrap().set_len(FILE_BYTES_MAX + (1 << 20)).unwrap();
        });
        assert_eq!((large.status, large.skipped > 0), (Status::NotTested, true), "{large:?}");
        let late = || Finder { left: 0, ..finder() };
        let late = of_file(late, |path| std::fs::write(path, "x").unwrap());
        assert_eq!((late.status, late.skipped), (Status::NotTested, 1), "{late:?}");
        let gone = of_file(finder, |_| ());
        assert_eq!(gone.status, Status::NotTested);
        assert!(gone.said.contains("no such file"), "{gone:?}");
    }

    #[test]
    fn what_is_no_regular_file_is_not_waited_for() {
        let pipe = |path: &Path| {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        };
        let found = of_file(finder, pipe);
        assert_eq!(found.status, Status::NotTested);
        assert!(found.said.contains("no regular file"), "{found:?}");
    }

    #[test]
    fn a_marker_in_a_name_is_found_and_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kanariekaka.log");
        std::fs::write(&path, "x").unwrap();
        let mut finder = finder();
        finder.file(FOLDER, "kanariekaka.log", &path);
        let artefacts = finder.artefacts();
        assert_eq!(artefacts[0].status, Status::Failed);
        assert!(!format!("{artefacts:?}").contains("kanariekaka"));
    }
}
