//! A temporary folder of a server, gone with its test process however that ends.
//!
//! What it is not: for files that a test drops in any case; `tempfile` does those.
//!
//! What surprises: servers that tests share live in statics, which are never dropped. A shell waits
//! on a pipe that only the test process holds; when it closes, the shell kills the server and
//! removes the folder, even if the test itself was killed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Reads which process to kill: the last line counts, and an empty one is none. A process that is
/// being killed may still make files, so the folder is removed again.
const WATCH: &str = "trap '' HUP INT TERM; while read -r line; do process=$line; done
    [ -z \"$process\" ] || kill -9 \"$process\"
    for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$0\" && break; sleep 1; done";

/// A folder, and the shell that removes it.
pub(crate) struct Folder {
    path: PathBuf,
    shell: Child,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let path = tempfile::tempdir().unwrap().keep();
        let shell = Command::new("sh")
            .args(["-c", WATCH])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { path, shell }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whose end comes before the folder's. Before a process is waited for, nobody must be watched:
    /// its number could become another's.
    pub(crate) fn watch(&mut self, process: Option<u32>) {
        let number = process.map(|process| process.to_string()).unwrap_or_default();
        writeln!(self.shell.stdin.as_ref().unwrap(), "{number}").unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}
