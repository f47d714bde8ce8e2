//! An audit that runs, while a test does something to what is audited.
//!
//! What it is not: another audit. It is the command, as everybody has it.
//!
//! What surprises: which of its commands it runs is seen in the list of processes, because an audit
//! that waits for counts says nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use headcount_audit::report::Report;

use super::Ended;
use crate::until::until;

/// How long an audit may take until it runs a command.
const PATIENCE: Duration = Duration::from_secs(240);

/// One that has begun.
pub(crate) struct Begun {
    child: Child,
    folder: PathBuf,
    reports: tempfile::TempDir,
}

impl Begun {
    /// Starts it on what runs with the configuration in `folder`.
    pub(crate) fn new(
        binary: &Path,
        folder: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let reports = tempfile::tempdir().unwrap();
        let path = |name: &str| reports.path().join(name).to_str().unwrap().to_owned();
        let config = folder.join("headcount.toml");
        let child = Command::new(binary)
            .args(["audit", "--config", config.to_str().unwrap()])
            .args(["--json", &path("a.json"), "--html", &path("a.html")])
            .args(["--markdown", &path("a.md")])
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, folder: folder.to_owned(), reports }
    }

    /// Waits until it runs a command that begins with this word.
    pub(crate) fn wait_for_command(&self, word: &str) {
        let runs =
            || children(self.child.id()).any(|child| command(child).as_deref() == Some(word));
        assert!(until(PATIENCE, runs), "the audit runs no `headcount {word}`");
    }

    /// Waits for its end. The report's files stay in the folder.
    pub(crate) fn end(self) -> Ended {
        let Self { child, folder, reports } = self;
        let output = child.wait_with_output().unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let path = |name: &str| reports.path().join(name);
        let read = |name: &str| {
            std::fs::read_to_string(path(name))
                .unwrap_or_else(|error| panic!("{name}: {error}: {said}"))
        };
        let report: Report = serde_json::from_str(&read("a.json")).unwrap();
        assert!(read("a.html").starts_with("<!DOCTYPE html>"));
        assert!(read("a.md").contains(&report.hash));
        assert!(said.contains(&report.hash), "{said}");
        for name in ["a.json", "a.html", "a.md"] {
            std::fs::copy(path(name), folder.with_extension(name)).unwrap();
        }
        Ended { code: output.status.code(), report, said }
    }
}

/// The processes that another has started and not left.
fn children(parent: u32) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(move |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("PPid:").map(str::trim) == Some(&parent.to_string()))
    })
}

/// The first word after its name that a process was started with.
fn command(id: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let word = line.split(|byte| *byte == 0).nth(1)?;
    Some(String::from_utf8_lossy(word).into_owned())
}
