//! A clock that tests move: Debian's libfaketime, in a process of ours.
//!
//! What it is not: monotonic time, which goes on as it is.
//!
//! What surprises: the process asks a file for the time at each look.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Waiting for librdkafka's threads; the file says why.
const WAITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faketime.c");

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

    /// The same for processes that speak to Kafka.
    pub(crate) fn with_kafka(mut self) -> Self {
        let waits = self.file.with_file_name("waits.so");
        let cc = Command::new("cc").args(["-shared", "-fPIC", WAITS, "-o"]).arg(&waits).status();
        let made = cc.expect("no C compiler; install it with: apt-get install gcc libc6-dev");
        assert!(made.success(), "cc makes no library of {WAITS}");
        self.library = format!("{}:{}", waits.to_str().unwrap(), self.library);
        self
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
