//! A clock that tests move: Debian's libfaketime, in a process of ours.
//!
//! What it is not: monotonic time, which goes on as it is.
//!
//! What surprises: the process asks a file for the time at each look.

use std::path::{Path, PathBuf};

/// The time as a running process sees it, moved from outside.
pub(crate) struct FakeTime {
    file: PathBuf,
    library: String,
}

impl FakeTime {
    pub(crate) fn new(folder: &Path) -> Self {
        let triples = std::fs::read_dir("/usr/lib").unwrap();
        let library = triples
            .map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"))
            .find(|path| path.exists());
        let Some(library) = library else {
            panic!("no libfaketime; install it with: apt-get install faketime")
        };
        let time = Self {
            file: folder.join("time"),
            library: library.into_os_string().into_string().unwrap(),
        };
        time.set("+0");
        time
    }

    /// Moves the clock by this from the real time; monotonic time goes on as it is.
    pub(crate) fn set(&self, offset: &str) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{offset}\n")).unwrap();
        std::fs::rename(next, &self.file).unwrap();
    }

    pub(crate) fn environment(&self) -> [(&str, &str); 4] {
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }
}
