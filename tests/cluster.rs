//! The cluster from outside: real Kafka, the real ClickHouse engine, and every room as a process.
//!
//! What it is not: another expectation than that of one process. The same traffic must have the
//! same counts.
//!
//! What surprises: each test has a topic and a database of its own in shared servers, but those
//! that kill a server have it alone.

mod audit;
pub(crate) mod crash;
mod erasure;
mod full;
mod hole;
mod local;
mod merge;
mod outage;
mod panics;
mod privacy;
mod proxy;
mod refusal;
mod tls;
mod topic;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::part::{Ended, Part};
use crate::pipeline::{ALL_AT_ONCE, PROXY, VIEWS, every_view_holds_the_traffic, traffic};
use crate::server::{CHROME, Deployment, PATIENCE, Reply, SITE, ask};
use crate::services::clickhouse::ClickHouse;
use crate::services::kafka::Kafka;
use crate::services::kafka::folder::Folder;
use crate::services::ports::Port;
use crate::until::until;

/// Partitions of a test's topic.
const PARTITIONS: u32 = 3;

/// Everything between a beacon and a number.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    engine: String,
    database: String,
    /// The build that collects.
    pub(crate) edge: PathBuf,
    pub(crate) collectors: Vec<Part>,
    pub(crate) aggregators: Vec<Part>,
}

/// Kafka and ClickHouse, started together and killed one at a time.
pub(crate) struct Servers {
    pub(crate) kafka: Kafka,
    engine: Option<ClickHouse>,
    folder: Folder,
    /// The engine's, also while it is killed.
    port: Port,
}

impl Servers {
    pub(crate) fn start() -> Self {
        let port = Port::free();
        let mut servers = Self { kafka: Kafka::start(), engine: None, folder: Folder::new(), port };
        servers.start_engine();
        servers
    }

    /// Starts the engine on the same port and data as before.
    pub(crate) fn start_engine(&mut self) {
        let folder = self.folder.path().join("clickhouse");
        let engine = ClickHouse::start(Some(&folder), &["--port", &self.port.number().to_string()]);
        self.folder.watch(Some(engine.process()));
        self.engine = Some(engine);
    }

    /// kill -9.
    pub(crate) fn kill_engine(&mut self) {
        self.folder.watch(None);
        self.engine.take().unwrap().kill();
    }

    /// The engine's process.
    pub(crate) fn engine_process(&self) -> u32 {
        self.engine.as_ref().unwrap().process()
    }

    /// Waits until the engine has ended by itself; the signal that ended it.
    pub(crate) fn engine_signal(&mut self, patience: Duration) -> Option<i32> {
        self.folder.watch(None);
        self.engine.take().unwrap().ended_by(patience)
    }

    /// Stops both in order; their data and logs stay until the drop.
    pub(crate) fn stop(&mut self) {
        self.kafka.stop();
        self.folder.watch(None);
        drop(self.engine.take());
    }

    /// The folders of both: data and logs.
    pub(crate) fn folders(&self) -> [&Path; 2] {
        [self.kafka.folder(), self.folder.path()]
    }

    fn engine_address(&self) -> String {
        self.port.address()
    }
}

/// The servers that tests share which kill none.
pub(crate) fn shared() -> &'static Servers {
    static SHARED: OnceLock<Servers> = OnceLock::new();
    SHARED.get_or_init(Servers::start)
}

impl Cluster {
    /// A topic and a database, and no process yet.
    pub(crate) fn new(servers: &Servers, settings: &str) -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        query(&servers.engine_address(), "default", &format!("CREATE DATABASE {name}")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "listen = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n{PROXY}{settings}\n\
             [kafka]\nbrokers = \"{}\"\ntopic = \"{name}\"\ngroup = \"{name}\"\n\
             partitions = {PARTITIONS}\n\
             [clickhouse]\nurl = \"http://{}\"\ndatabase = \"{name}\"\n\
             [[sites]]\nhost = \"{SITE}\"\nevents = [\"signup\"]\n",
            servers.kafka.brokers(),
            servers.engine_address(),
        );
        std::fs::write(folder.path().join("headcount.toml"), text).unwrap();
        Self {
            folder,
            engine: servers.engine_address(),
            database: name,
            edge: PathBuf::from(env!("CARGO_BIN_EXE_headcount")),
            collectors: Vec::new(),
            aggregators: Vec::new(),
        }
    }

    /// Starts collectors and aggregators.
    pub(crate) fn run(&mut self, collectors: usize, aggregators: usize) {
        self.aggregators = (0..aggregators).map(|n| self.aggregator(n, &[]).unwrap()).collect();
        self.collectors = (0..collectors).map(|n| self.collector(n, &[]).unwrap()).collect();
    }

    /// The folder of configuration, logs and data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> String {
        self.folder().join("headcount.toml").to_str().unwrap().to_owned()
    }

    fn data(&self, name: &str) -> String {
        self.folder().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn collector(
        &self,
        number: usize,
        environment: &[(&str, &str)],
    ) -> Result<Part, Ended> {
        let name = format!("collect-{number}");
        let args = ["collect", "--config", &self.config(), "--data", &self.data(&name)];
        Part::start(&self.edge, self.folder(), &name, &args, environment)
    }

    pub(crate) fn aggregator(
        &self,
        number: usize,
        environment: &[(&str, &str)],
    ) -> Result<Part, Ended> {
        self.aggregator_of(Path::new(env!("CARGO_BIN_EXE_headcount")), number, environment)
    }

    /// [`Cluster::aggregator`] with another build of the binary.
    fn aggregator_of(
        &self,
        binary: &Path,
        number: usize,
        environment: &[(&str, &str)],
    ) -> Result<Part, Ended> {
        let name = format!("aggregate-{number}");
        let args = ["aggregate", "--config", &self.config()];
        Part::start(binary, self.folder(), &name, &args, environment)
    }

    pub(crate) fn server(&self) -> Result<Part, Ended> {
        self.server_in(&[])
    }

    /// [`Cluster::server`] with this environment.
    fn server_in(&self, environment: &[(&str, &str)]) -> Result<Part, Ended> {
        let args = ["serve", "--config", &self.config(), "--data", &self.data("serve")];
        let binary = Path::new(env!("CARGO_BIN_EXE_headcount"));
        Part::start(binary, self.folder(), "serve", &args, environment)
    }

    /// What the store answers; `None` while it is away.
    pub(crate) fn text(&self, sql: &str) -> Option<String> {
        query(&self.engine, &self.database, sql)
    }

    /// What `headcount cat` prints.
    pub(crate) fn cat(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        let out = command.args(["cat", "--config", &self.config()]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Σ counts − Σ ledger, and whether every ledger row is there once.
    pub(crate) fn assert_balanced(&self) {
        assert_eq!(self.number("SELECT audit_delta FROM books"), 0);
        assert_eq!(self.number("SELECT broken_tiles FROM books"), 0);
    }
}

impl Deployment for Cluster {
    fn send(&self, line: &str, headers: &str, body: &str) -> Option<Reply> {
        self.collectors.first()?.send(line, headers, body)
    }

    fn number(&self, sql: &str) -> i64 {
        self.text(sql).and_then(|text| text.trim().parse().ok()).unwrap_or(-1)
    }
}

/// Asks the engine as any client would.
pub(crate) fn query(address: &str, database: &str, sql: &str) -> Option<String> {
    let reply = ask(address, &format!("POST /?database={database}"), "", sql)?;
    (reply.status == 200).then_some(reply.body)
}

#[test]
fn the_cluster_counts_what_one_process_counts() {
    let mut cluster = Cluster::new(shared(), ALL_AT_ONCE);
    cluster.run(1, 2);
    every_view_holds_the_traffic(&cluster);
    cluster.assert_balanced();
    for part in cluster.collectors.drain(..).chain(cluster.aggregators.drain(..)) {
        assert_eq!(part.stop(), Some(0));
    }
}

#[test]
fn serve_and_cat_show_what_travelled() {
    let mut cluster = Cluster::new(shared(), ALL_AT_ONCE);
    cluster.run(1, 1);
    traffic(&cluster);
    let serve = cluster.server().unwrap();
    assert_eq!(serve.ask_ops("/readyz").body, "ready\n");
    let (config, data) = (cluster.config(), cluster.data("serve"));
    let run = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_headcount")).args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let token = run(&["token", "add", "--site", SITE, "--config", &config, "--data", &data]);
    let question = format!(
        "{{\"site_id\":\"{SITE}\",\"metrics\":[\"pageviews\",\"visitors\"],\
         \"date_range\":\"7d\",\"dimensions\":[\"event:page\"]}}"
    );
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    let answer = serve.send("POST /api/v2/query", &bearer, &question).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    for row in ["\"/priser\"],\"metrics\":[8,8]", "\"/om\"],\"metrics\":[1,1]"] {
        assert!(answer.body.replace([' ', '\n'], "").contains(row), "{}", answer.body);
    }
    assert_eq!(serve.send("POST /api/v2/query", "", &question).unwrap().status, 401);
    let shown = ["stats", SITE, "--by", "page", "--format", "csv", "--config", &config];
    assert!(run(&[&shown[..], &["--data", &data]].concat()).contains("\"/priser\",\"8\",\"8\""));
    let lines = cluster.cat();
    for part in ["/priser", "ext:example.net", "duckduckgo.com", "dnt"] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    for part in [&cluster.collectors[0], &cluster.aggregators[0]] {
        assert_eq!(part.ask_ops("/readyz").body, "ready\n");
    }
    let metrics = cluster.aggregators[0].ask_ops("/metrics").body;
    assert!(metrics.contains("headcount_audit_delta 0"), "{metrics}");
    assert_eq!(serve.stop(), Some(0));
}

#[test]
fn a_site_is_erased_from_the_whole_cluster_and_may_come_back() {
    let mut cluster = Cluster::new(shared(), ALL_AT_ONCE);
    cluster.run(1, 1);
    traffic(&cluster);
    let config = cluster.config();
    let data = cluster.data("collect-0");
    let run = |command: &str| {
        let args = ["site", command, SITE, "--config", &config, "--data", &data];
        let out = Command::new(env!("CARGO_BIN_EXE_headcount")).args(args).output().unwrap();
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    };
    run("erase");
    for view in VIEWS {
        assert_eq!(cluster.number(&format!("SELECT count(*) FROM {view}")), 0, "{view}");
    }
    assert_eq!(cluster.number("SELECT count(*) FROM counts WHERE name LIKE '%priser%'"), 0);
    cluster.assert_balanced();
    run("add");
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/efter\"}}");
    let headers = format!("User-Agent: {CHROME}\r\n");
    // The first that is counted is the last.
    let is_counted = || cluster.send("POST /hit", &headers, &body).unwrap().status == 204;
    assert!(until(PATIENCE, is_counted), "the site does not come back");
    cluster.wait_for("SELECT sum(views) FROM page_counts", 1);
    cluster.assert_balanced();
}
