//! The processes of a cluster: collectors, aggregators and a server of numbers, each a child.
//!
//! What it is not: the real parts beside them; those are in `services`.
//!
//! What surprises: a part that is dropped is killed with SIGKILL, as everywhere in these tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::server::{Reply, ask};

/// One running process.
pub(crate) struct Part {
    child: Child,
    /// Where visitors or analysts are answered; empty for an aggregator.
    pub(crate) address: String,
    /// Where the operator is answered.
    pub(crate) ops: String,
}

impl Part {
    /// Starts `headcount ARGS` with its configuration in `folder` and waits until it says where it
    /// is; else what it said on standard error. What it prints is in `NAME.out` there.
    pub(crate) fn start(
        binary: &Path,
        folder: &Path,
        name: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let log = folder.join(format!("{name}.log"));
        let begun = std::fs::metadata(&log).map_or(0, |file| file.len());
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = Command::new(binary)
            .args(args)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let (mut address, mut ops, mut printed) = (String::new(), String::new(), String::new());
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            printed += &format!("{line}\n");
            if let Some((_, rest)) = line.split_once("src=\"http://") {
                if address.is_empty() {
                    rest.split('/').next().unwrap().clone_into(&mut address);
                }
            } else if let Some(url) = line.strip_prefix("dashboard") {
                host(url).clone_into(&mut address);
            } else if let Some(url) = line.strip_prefix("operations") {
                host(url).clone_into(&mut ops);
                break;
            }
        }
        std::fs::write(folder.join(format!("{name}.out")), printed).unwrap();
        if ops.is_empty() {
            child.wait().unwrap();
            let said = std::fs::read(&log).unwrap();
            let said = &said[usize::try_from(begun).unwrap()..];
            return Err(String::from_utf8_lossy(said).into_owned());
        }
        Ok(Self { child, address, ops })
    }

    /// Sends a request; `None` if the connection broke.
    pub(crate) fn send(&self, line: &str, headers: &str, body: &str) -> Option<Reply> {
        ask(&self.address, line, headers, body)
    }

    /// A question to the operator's listener.
    pub(crate) fn ask_ops(&self, path: &str) -> Reply {
        ask(&self.ops, &format!("GET {path}"), "", "").unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Whether it ended by itself, such as at a failpoint.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Stops in order; the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }

    /// Kills, as a power cut of the process would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn host(url: &str) -> &str {
    url.trim().trim_start_matches("http://").split('/').next().unwrap()
}
