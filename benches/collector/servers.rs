//! The servers under load: started, asked for their CPU time, and stopped.
//!
//! What it is not: pinned to cores. Servers and load share the machine, which is why all are
//! measured in the same round.
//!
//! What surprises: all three run the whole time. One without requests costs nothing, and a fresh
//! start each round would measure page faults.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::options::Options;
use crate::process::cpu_seconds;
use crate::requests::sites;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Headcount,
    Bare,
    Nginx,
}

const NGINX: &str = "/usr/sbin/nginx";
const READY_PATIENCE: Duration = Duration::from_secs(10);
/// From an answer to the count in the store: a release a second, and slack for a busy machine.
const COUNT_PATIENCE: Duration = Duration::from_secs(10);

/// A process that serves a port.
pub(crate) struct Server {
    kind: Kind,
    process: Child,
    port: u16,
    /// Its files, removed at the end.
    folder: TempDir,
}

/// All that run.
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    /// Starts the servers that are wanted and there.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let mut servers = Vec::new();
        for kind in &options.servers {
            if *kind == Kind::Nginx && !Path::new(NGINX).exists() {
                say_nginx_is_missing();
                continue;
            }
            servers.push(Server::start(*kind, options)?);
        }
        Ok(Self(servers))
    }

    pub(crate) fn port(&self, kind: Kind) -> Option<u16> {
        self.0.iter().find(|server| server.kind == kind).map(|server| server.port)
    }

    pub(crate) fn headcount(&self) -> Option<&Server> {
        self.0.iter().find(|server| server.kind == Kind::Headcount)
    }

    /// CPU time so far of the server's process and its children, threads that ended included.
    pub(crate) fn cpu_seconds(&self, kind: Kind) -> anyhow::Result<f64> {
        let server = self.0.iter().find(|server| server.kind == kind).context("not running")?;
        let id = server.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut seconds = cpu_seconds(id)?;
        for child in children.split_whitespace() {
            seconds += cpu_seconds(child.parse()?)?;
        }
        Ok(seconds)
    }

    /// Asks all to end, and waits.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        for mut server in self.0 {
            let status = server.stop()?;
            ensure!(
                server.kind != Kind::Headcount || status.success(),
                "headcount ended: {status}"
            );
        }
        Ok(())
    }
}

impl Drop for Server {
    /// A bench that failed must not leave servers behind.
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let stopped = self.stop();
            debug_assert!(stopped.is_ok(), "a child can be waited for");
        }
    }
}

#[expect(clippy::print_stderr, reason = "a missing control must be noticed")]
fn say_nginx_is_missing() {
    eprintln!("no {NGINX}: measuring without it (apt-get install nginx-light)");
}

impl Server {
    fn start(kind: Kind, options: &Options) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let (port, ops_port) = (free_port()?, free_port()?);
        let mut command = match kind {
            Kind::Headcount => headcount(options, folder.path(), (port, ops_port))?,
            Kind::Bare => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("serve-bare").arg(port.to_string());
                command
            }
            Kind::Nginx => nginx(folder.path(), port)?,
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().with_context(|| format!("failed to start {kind:?}"))?;
        let mut server = Self { kind, process, port, folder };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn stop(&mut self) -> io::Result<ExitStatus> {
        Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status()?;
        self.process.wait()
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while TcpStream::connect(format!("127.0.0.1:{}", self.port)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("{:?} ended at once: {status}", self.kind);
            }
            ensure!(start.elapsed() < READY_PATIENCE, "{:?} did not come up", self.kind);
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Views in the store, as soon as they are `expected`, or after ten seconds.
    pub(crate) fn counted(&self, expected: u64) -> anyhow::Result<u64> {
        let file = self.folder.path().join("data/counts.db");
        let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        store.busy_timeout(Duration::from_secs(5))?;
        let start = Instant::now();
        loop {
            let sum = "SELECT coalesce(sum(views), 0) FROM page_counts";
            let views: i64 = store.query_row(sum, [], |row| row.get(0))?;
            let views = u64::try_from(views)?;
            if views == expected || start.elapsed() > COUNT_PATIENCE {
                return Ok(views);
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// Resident memory now and at most, in words.
    pub(crate) fn memory(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map_or("?", str::trim).to_owned()
        };
        format!("resident {}, at most {}", field("VmRSS:"), field("VmHWM:"))
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn headcount(options: &Options, folder: &Path, ports: (u16, u16)) -> anyhow::Result<Command> {
    let binary = options.binary.as_deref().context("no headcount binary; give --binary PATH")?;
    let hosts: Vec<String> =
        sites().map(|host| format!("[[sites]]\nhost = \"{host}\"\n")).collect();
    let text = format!(
        "listen = \"127.0.0.1:{}\"\nops_listen = \"127.0.0.1:{}\"\ndata_dir = \"{}\"\n\n[limits]\n\
         hits_per_prefix_per_minute = 0\npages_per_site_day = 1000000\n\n{}",
        ports.0,
        ports.1,
        folder.join("data").display(),
        hosts.concat(),
    );
    let mut command = Command::new(binary);
    command.arg("up").arg("--config").arg(written(folder, "headcount.toml", &text)?);
    Ok(command)
}

fn nginx(folder: &Path, port: u16) -> anyhow::Result<Command> {
    let text = format!(
        "daemon off; worker_processes auto; pid nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n  access_log off; keepalive_requests 1000000000; keepalive_timeout 600;\n  \
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n  \
         uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  server {{\n    \
         listen 127.0.0.1:{port} reuseport backlog=4096;\n    \
         location / {{ empty_gif; add_header Cache-Control no-store; }}\n  }}\n}}\n"
    );
    let mut command = Command::new(NGINX);
    command.arg("-p").arg(folder).arg("-c").arg(written(folder, "nginx.conf", &text)?);
    Ok(command)
}

fn written(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path)
}
