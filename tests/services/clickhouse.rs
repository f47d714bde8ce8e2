//! A real ClickHouse for tests: the server that `HEADCOUNT_TEST_CLICKHOUSE` names, else a
//! `clickhouse` binary on the path, else chDB behind our own front.
//!
//! What it is not: a mock. chDB is the engine itself, as a library, without users and clusters.
//!
//! What surprises: a server that we start ends with the test, also when the test is killed: it
//! watches its input, which the system closes.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::ports::Port;

/// The engine that is installed where there is none.
const CHDB: &str = "chdb-core==26.9.0";
/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// A server.
pub(crate) struct ClickHouse {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// A user who may create databases.
    pub(crate) user: String,
    /// The user's password.
    pub(crate) password: String,
    child: Option<Child>,
    /// Of a server that cannot choose its own.
    _ports: Vec<Port>,
}

/// Numbers the databases of this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The server that the tests of this process share.
pub(crate) fn shared() -> &'static ClickHouse {
    static SHARED: OnceLock<ClickHouse> = OnceLock::new();
    SHARED.get_or_init(|| named().unwrap_or_else(|| ClickHouse::start(None, &[])))
}

/// The server of the environment.
fn named() -> Option<ClickHouse> {
    let address = std::env::var_os("HEADCOUNT_TEST_CLICKHOUSE")?.into_string().unwrap();
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", &address));
    let (who, host) = rest.rsplit_once('@').unwrap_or(("default", rest));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    Some(ClickHouse {
        url: format!("{scheme}://{}", host.trim_end_matches('/')),
        user: user.to_owned(),
        password: password.to_owned(),
        child: None,
        _ports: Vec::new(),
    })
}

impl ClickHouse {
    /// Starts a server of one's own, which may be killed, on the data in `folder` (or on temporary
    /// data). `args` are for the front.
    pub(crate) fn start(folder: Option<&Path>, args: &[&str]) -> Self {
        if args.is_empty()
            && let Some(server) = Self::start_binary(folder)
        {
            return server;
        }
        let front = root().join("deploy/local/clickhouse_front.py");
        let mut command = Command::new(python());
        command.arg(front).args(["--port", "0", "--while-stdin"]).args(args);
        if let Some(folder) = folder {
            fs::create_dir_all(folder).unwrap();
            let log = File::options().create(true).append(true).open(folder.join("front.log"));
            command.arg("--path").arg(folder).stderr(log.unwrap());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(line.starts_with("ready "), "the front of ClickHouse did not start: {line}");
        Self::ours(child, &port)
    }

    fn ours(child: Child, port: &str) -> Self {
        Self {
            url: format!("http://127.0.0.1:{port}"),
            user: "default".to_owned(),
            password: String::new(),
            child: Some(child),
            _ports: Vec::new(),
        }
    }

    /// A `clickhouse` of the path, if there is one.
    fn start_binary(folder: Option<&Path>) -> Option<Self> {
        Command::new("clickhouse").arg("--version").stdout(Stdio::null()).status().ok()?;
        let ports = [Port::free(), Port::free()];
        let [http, tcp] = ports.each_ref().map(Port::number);
        let temporary = std::env::temp_dir().join(format!("headcount-clickhouse-{http}"));
        // The shell removes what nobody gave.
        let remove = if folder.is_none() { "rm -rf \"$0\"" } else { ":" };
        let folder = folder.unwrap_or(&temporary);
        fs::create_dir_all(folder).unwrap();
        let script = "clickhouse server -- --listen_host=127.0.0.1 --path=\"$0\" --http_port=$1 \
                      --tcp_port=$2 --mysql_port=0 --postgresql_port=0 & \
                      while read -r _; do :; done; kill $!; wait $!; "
            .to_owned()
            + remove;
        let child = Command::new("sh")
            .args(["-c", &script])
            .arg(folder)
            .args([http.to_string(), tcp.to_string()])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self::ours(child, &http.to_string());
        server._ports.extend(ports);
        let began = Instant::now();
        while server.try_query("SELECT 1").is_err() {
            assert!(began.elapsed() < START_TIMEOUT, "clickhouse server did not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    /// Makes an empty database and gives its name.
    pub(crate) fn database(&self) -> String {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("headcount_test_{}_{number}", std::process::id());
        self.query(&format!("CREATE DATABASE {name}"));
        name
    }

    /// Runs a statement as the administrator.
    pub(crate) fn query(&self, sql: &str) -> String {
        self.try_query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_query(&self, sql: &str) -> Result<String, String> {
        let host = self.url.strip_prefix("http://").ok_or("only http:// in tests")?;
        let text = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(host).map_err(text)?;
        let (user, password, length) = (&self.user, &self.password, sql.len());
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-ClickHouse-User: {user}\r\n\
             X-ClickHouse-Key: {password}\r\nContent-Length: {length}\r\n\r\n{sql}"
        )
        .map_err(text)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(text)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let is_ok = head.split(' ').nth(1) == Some("200");
        if is_ok { Ok(body.to_owned()) } else { Err(body.to_owned()) }
    }

    /// The process of a server that we started through the front.
    pub(crate) fn process(&self) -> u32 {
        self.child.as_ref().expect("only a server that we started has one").id()
    }

    /// Waits until the server has ended by itself; the signal that ended it.
    pub(crate) fn ended_by(&mut self, patience: Duration) -> Option<i32> {
        let child = self.child.as_mut().expect("only a server that we started");
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                return status.signal();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let child = self.child.as_mut().expect("only a server that we started can be killed");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.stdin.take());
            child.wait().ok();
        }
    }
}

/// The repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("deploy").is_dir()).unwrap().to_owned()
}

/// A Python with chDB: made once under `target/services`.
pub(crate) fn python() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let services = exe.ancestors().nth(3).unwrap().join("services");
    fs::create_dir_all(&services).unwrap();
    let lock = File::create(services.join("chdb.lock")).unwrap();
    lock.lock().unwrap();
    let folder = services.join("chdb-26.9.0");
    let python = folder.join("bin/python");
    if !folder.join("complete").exists() {
        let run = |program: &Path, args: &[&str]| {
            let done = Command::new(program).args(args).arg(&folder).stdout(Stdio::null()).status();
            done.is_ok_and(|status| status.success())
        };
        let made = run(Path::new("python3"), &["-m", "venv", "--clear"]);
        let pip = ["-m", "pip", "install", "--quiet", "--no-deps", CHDB];
        let installed =
            made && Command::new(&python).args(pip).status().is_ok_and(|status| status.success());
        assert!(
            installed,
            "no ClickHouse: name a server in HEADCOUNT_TEST_CLICKHOUSE, or make \
             `python3 -m venv` and `pip install --no-deps {CHDB}` work"
        );
        File::create(folder.join("complete")).unwrap();
    }
    python
}
