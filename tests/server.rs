//! One `headcount up` as a child process, and an HTTP client for it.
//!
//! What it is not: a mock. It starts the binary that cargo built for this test run.
//!
//! What surprises: a server is its process in all that is not about its folder.

use crate::part::{Ended, Part};
pub(crate) use crate::until::PATIENCE;
use crate::until::{calm_day, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An agent string of a real browser.
pub(crate) const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
/// The site of the tests.
pub(crate) const SITE: &str = "example.org";

/// A running server with a data folder.
pub(crate) struct Server {
    part: Part,
    folder: PathBuf,
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
    calm_day();
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

/// A hit as bytes, for a connection that is kept.
pub(crate) fn request(agent: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /hit HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\nContent-Length: {length}\r\n\r\n\
         {body}"
    )
}

impl Server {
    /// Starts on free ports in `folder`, with `settings` (TOML) and `environment` added. The site
    /// is [`SITE`], with the event `signup`.
    pub(crate) fn start(folder: &Path, settings: &str, environment: &[(&str, &str)]) -> Self {
        Self::try_start(folder, settings, environment).unwrap()
    }

    /// [`Server::start`], or how it ended.
    pub(crate) fn try_start(
        folder: &Path,
        settings: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self, Ended> {
        let binary = Path::new(env!("CARGO_BIN_EXE_headcount"));
        Self::start_binary(binary, folder, settings, environment)
    }

    /// [`Server::try_start`] with another build of the binary.
    pub(crate) fn start_binary(
        binary: &Path,
        folder: &Path,
        settings: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self, Ended> {
        let text = format!(
            "listen = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n{settings}\n\
             [[sites]]\nhost = \"{SITE}\"\nevents = [\"signup\"]\n"
        );
        std::fs::write(folder.join("headcount.toml"), text).unwrap();
        Self::start_file(binary, folder, environment)
    }

    /// [`Server::start_binary`] with the configuration that is in the folder.
    pub(crate) fn start_file(
        binary: &Path,
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> Result<Self, Ended> {
        let (config, data) = (folder.join("headcount.toml"), folder.join("data"));
        let args = ["up", "--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()];
        let part = Part::start(binary, folder, "up", &args, environment)?;
        Ok(Self { part, folder: folder.to_owned() })
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where visitors are answered, wherever the dashboard is.
    pub(crate) fn visitors(&self) -> String {
        let printed = std::fs::read_to_string(self.folder.join("up.out")).unwrap();
        let script = printed.split_once("src=\"http://").unwrap().1;
        script.split('/').next().unwrap().to_owned()
    }

    /// A view or click as a browser sends it.
    pub(crate) fn hit(&self, body: &str) -> Option<Reply> {
        self.send("POST /hit", &format!("User-Agent: {CHROME}\r\n"), body)
    }

    /// What the operator's listener answers.
    pub(crate) fn ask_ops(&self, path: &str) -> String {
        self.part.ask_ops(path).body
    }

    /// Stops in order; the exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.part.stop()
    }

    /// Kills, as a power cut of the process would.
    pub(crate) fn kill(self) {
        self.part.kill();
    }
}

impl Deref for Server {
    type Target = Part;

    fn deref(&self) -> &Part {
        &self.part
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Part {
        &mut self.part
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
        let mut found = 0;
        let is_there = until(PATIENCE, || {
            found = self.number(sql);
            found == expect
        });
        assert!(is_there, "{sql}: {found}, not {expect}");
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

/// One number out of the store of a data folder; -1 where there is none yet.
pub(crate) fn number_in(data: &Path, sql: &str) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(db) = rusqlite::Connection::open_with_flags(data.join("counts.db"), flags) else {
        return -1;
    };
    db.busy_timeout(PATIENCE).unwrap();
    db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).map_or(-1, Option::unwrap_or_default)
}
