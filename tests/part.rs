//! One process of ours as a child: everything in one, or a room of a cluster.
//!
//! What it is not: the real parts beside them; those are in `services`.
//!
//! What surprises: a part that is dropped is killed with SIGKILL; stop it where order matters.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::server::{Reply, ask};
use crate::until::calm_day;

/// One running process.
pub(crate) struct Part {
    child: Child,
    /// Where visitors or analysts are answered; empty for an aggregator.
    pub(crate) address: String,
    /// Where the operator is answered.
    pub(crate) ops: String,
    /// The link that signs in; empty where there is no dashboard.
    pub(crate) dashboard: String,
    /// Its standard error, after that of processes before it.
    log: PathBuf,
    begun: u64,
}

/// The end of a process that never said where it is.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// On standard error.
    pub(crate) said: String,
}

/// The signal of a failpoint, SIGABRT. Whoever refuses or panics ends with a code.
const ABORTED: i32 = 6;

impl Ended {
    /// Fails unless it was a failpoint that ended it.
    pub(crate) fn assert_aborted(&self, failpoint: &str) {
        let Self { status, said } = self;
        assert_eq!(status.signal(), Some(ABORTED), "{failpoint}: {status} {said}");
        let complained = said.lines().any(|line| line.starts_with("headcount: "));
        assert!(!complained, "{failpoint}: {said}");
    }
}

impl Part {
    /// Starts `headcount ARGS` and waits until it says where it is. What it prints is in `NAME.out`
    /// of the folder, and its standard error in `NAME.log`.
    pub(crate) fn start(
        binary: &Path,
        folder: &Path,
        name: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, Ended> {
        calm_day();
        let log = folder.join(format!("{name}.log"));
        let begun = std::fs::metadata(&log).map_or(0, |file| file.len());
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = Command::new(binary)
            .args(args)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut part = Self {
            child,
            address: String::new(),
            ops: String::new(),
            dashboard: String::new(),
            log,
            begun,
        };
        let printed = part.read_links();
        std::fs::write(folder.join(format!("{name}.out")), printed).unwrap();
        if part.ops.is_empty() {
            let status = part.child.wait().unwrap();
            return Err(Ended { status, said: part.said() });
        }
        Ok(part)
    }

    /// Reads what it prints up to the last link; all of that.
    fn read_links(&mut self) -> String {
        let mut printed = String::new();
        for line in BufReader::new(self.child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            printed += &format!("{line}\n");
            if let Some((_, rest)) = line.split_once("src=\"http://") {
                if self.address.is_empty() {
                    rest.split('/').next().unwrap().clone_into(&mut self.address);
                }
            } else if let Some(url) = line.strip_prefix("dashboard") {
                host(url).clone_into(&mut self.address);
                url.trim().clone_into(&mut self.dashboard);
            } else if let Some(url) = line.strip_prefix("operations") {
                host(url).clone_into(&mut self.ops);
                break;
            }
        }
        printed
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request; `None` if the connection broke.
    pub(crate) fn send(&self, line: &str, headers: &str, body: &str) -> Option<Reply> {
        ask(&self.address, line, headers, body)
    }

    /// A question to the operator's listener.
    pub(crate) fn ask_ops(&self, path: &str) -> Reply {
        ask(&self.ops, &format!("GET {path}"), "", "").unwrap()
    }

    /// A number out of its metrics; all lines that begin so are added up.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let text = self.ask_ops("/metrics").body;
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// How it ended by itself, such as at a failpoint; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        let status = self.child.try_wait().unwrap()?;
        Some(Ended { status, said: self.said() })
    }

    pub(crate) fn said(&self) -> String {
        let said = std::fs::read(&self.log).unwrap();
        let said = &said[usize::try_from(self.begun).unwrap()..];
        String::from_utf8_lossy(said).into_owned()
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

/// Copies a program to where it may be run from. Another process writes it: whatever a thread of this one
/// starts at that moment would hold the file open for writing for a while, and a file that is being written
/// is not run (`ETXTBSY`).
pub(crate) fn install(program: &Path, to: &Path) {
    let installed = Command::new("install").args(["-m", "755"]).arg(program).arg(to).status();
    assert!(installed.unwrap().success(), "{}", to.display());
}

/// Makes a program of a script.
pub(crate) fn install_script(text: &str, to: &Path) {
    let draft = to.with_extension("draft");
    std::fs::write(&draft, text).unwrap();
    install(&draft, to);
    std::fs::remove_file(draft).unwrap();
}

fn host(url: &str) -> &str {
    url.trim().trim_start_matches("http://").split('/').next().unwrap()
}
