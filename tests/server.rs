//! One `headcount up` as a child process, and an HTTP client for it.
//!
//! What it is not: a mock. It starts the binary that cargo built for this test run.
//!
//! What surprises: a server that is dropped is killed with SIGKILL; stop it where order matters.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An agent string of a real browser.
pub(crate) const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
/// The site of the tests.
pub(crate) const SITE: &str = "example.org";
/// How long a server may take to start, or a count to appear.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server with a data folder.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) ops: String,
    pub(crate) dashboard: String,
    pub(crate) folder: PathBuf,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A command on a data folder.
pub(crate) fn headcount(folder: &Path, args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(args)
        .arg("--data")
        .arg(folder.join("data"))
        .output()
        .unwrap()
}

/// Sends a request as bytes on a new connection and reads the whole answer.
pub(crate) fn raw(address: &str, request: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
}

/// A request with these header lines (each ending in CR LF).
pub(crate) fn ask(address: &str, line: &str, headers: &str, body: &str) -> Option<Reply> {
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {headers}\r\n{body}"
    );
    raw(address, request.as_bytes())
}

impl Server {
    /// Starts on free ports in `folder`, with `settings` (TOML) and `environment` added. The site
    /// is [`SITE`], with the event `signup`.
    pub(crate) fn start(folder: &Path, settings: &str, environment: &[(&str, &str)]) -> Self {
        Self::try_start(folder, settings, environment).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`Server::start`], or what it said on standard error.
    pub(crate) fn try_start(
        folder: &Path,
        settings: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let binary = Path::new(env!("CARGO_BIN_EXE_headcount"));
        Self::start_binary(binary, folder, settings, environment)
    }

    /// [`Server::try_start`] with another build of the binary.
    pub(crate) fn start_binary(
        binary: &Path,
        folder: &Path,
        settings: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let config = folder.join("headcount.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n{settings}\n\
             [[sites]]\nhost = \"{SITE}\"\nevents = [\"signup\"]\n"
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("stderr.log"))
            .unwrap();
        let mut child = Command::new(binary)
            .args(["up", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(folder.join("data"))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut links = Links::default();
        let stdout = child.stdout.take().unwrap();
        let mut said = String::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.unwrap();
            said += &format!("{line}\n");
            links.read(&line);
            if links.is_complete() {
                break;
            }
        }
        std::fs::write(folder.join("stdout.log"), &said).unwrap();
        if !links.is_complete() {
            child.wait().unwrap();
            return Err(std::fs::read_to_string(folder.join("stderr.log")).unwrap());
        }
        let Links { dashboard, ops, .. } = links;
        let address = host_of(&dashboard);
        let folder = folder.to_owned();
        Ok(Self { child, address, ops: host_of(&ops), dashboard, folder })
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request as bytes on a new connection and reads the whole answer.
    pub(crate) fn raw(&self, address: &str, request: &[u8]) -> Option<Reply> {
        raw(address, request)
    }

    /// A view or click as a browser sends it.
    pub(crate) fn hit(&self, body: &str) -> Option<Reply> {
        self.send("POST /hit", &format!("User-Agent: {CHROME}\r\n"), body)
    }

    /// A question to the operator's listener.
    pub(crate) fn ask_ops(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        self.raw(&self.ops, request.as_bytes()).unwrap().body
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
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

    /// Waits for an end that came by itself, such as a failpoint.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

/// Something that counts: one process, or a whole cluster.
pub(crate) trait Deployment {
    /// A request to the edge with these header lines (each ending in CR LF).
    fn send(&self, line: &str, headers: &str, body: &str) -> Option<Reply>;

    /// One number out of the store, read as any SQL tool would; -1 where there is none yet.
    fn number(&self, sql: &str) -> i64;

    /// Waits until a number out of the store is this.
    fn wait_for(&self, sql: &str, expect: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.number(sql);
            if found == expect {
                return;
            }
            assert!(Instant::now() < deadline, "{sql}: {found}, not {expect}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Deployment for Server {
    fn send(&self, line: &str, headers: &str, body: &str) -> Option<Reply> {
        ask(&self.address, line, headers, body)
    }

    fn number(&self, sql: &str) -> i64 {
        number_in(&self.data(), sql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One number out of the store of a data folder; -1 where there is none yet.
pub(crate) fn number_in(data: &Path, sql: &str) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(db) = rusqlite::Connection::open_with_flags(data.join("counts.db"), flags) else {
        return -1;
    };
    db.busy_timeout(PATIENCE).unwrap();
    db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).map_or(-1, Option::unwrap_or_default)
}

#[derive(Default)]
struct Links {
    dashboard: String,
    ops: String,
}

impl Links {
    fn read(&mut self, line: &str) {
        for (name, link) in [("dashboard", &mut self.dashboard), ("operations", &mut self.ops)] {
            if let Some(url) = line.strip_prefix(name) {
                *link = url.trim().to_owned();
            }
        }
    }

    fn is_complete(&self) -> bool {
        !self.dashboard.is_empty() && !self.ops.is_empty()
    }
}

fn host_of(url: &str) -> String {
    url.trim_start_matches("http://").split('/').next().unwrap().to_owned()
}
