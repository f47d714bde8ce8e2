//! Kafka, the ClickHouse engine and processes of ours, for benches that need a cluster.
//!
//! What it is not: a fast cluster. One broker with one copy, and chDB behind the tests' HTTP front,
//! all on this machine and sharing its cores with what is measured.
//!
//! What surprises: the broker and the engine are those of the tests, by the tests' own starters.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use headcount_core::time::{Clock, Hour};
use headcount_store::clickhouse;
use headcount_transport::kafka as transport;

use crate::clickhouse_service::ClickHouse;
use crate::kafka_service::Kafka;
use crate::process::cpu_seconds;

/// Partitions of every topic: the product's default.
pub(crate) const PARTITIONS: u32 = 8;

/// The real servers.
pub(crate) struct Cluster {
    kafka: Kafka,
    engine: ClickHouse,
    folder: tempfile::TempDir,
    binary: String,
}

impl Cluster {
    /// Starts both servers, empty.
    pub(crate) fn start(binary: Option<String>) -> anyhow::Result<Self> {
        // Set while cargo builds a bench of a package with that binary.
        let binary = binary.or_else(|| option_env!("CARGO_BIN_EXE_headcount").map(str::to_owned));
        let binary = binary.context("no headcount binary; give --binary PATH")?;
        let folder = tempfile::tempdir()?;
        let engine = ClickHouse::start(Some(&folder.path().join("engine")), &["--port", "0"]);
        let kafka = Kafka::start();
        Ok(Self { kafka, engine, folder, binary })
    }

    /// Makes a database.
    pub(crate) fn create(&self, database: &str) {
        self.engine.query(&format!("CREATE DATABASE {database}"));
    }

    /// Whole numbers out of the store, as any client would ask: the first row.
    pub(crate) fn numbers(&self, sql: &str) -> anyhow::Result<Vec<i64>> {
        let text = self.engine.query(sql);
        let row = text.lines().next().unwrap_or("");
        row.split('\t').map(|word| word.parse().with_context(|| format!("{sql}: {text}"))).collect()
    }

    /// One of them.
    pub(crate) fn number(&self, sql: &str) -> anyhow::Result<i64> {
        self.numbers(sql)?.first().copied().context("no row")
    }

    /// What the engine answers.
    pub(crate) fn text(&self, sql: &str) -> String {
        self.engine.query(sql)
    }

    /// How the store is reached.
    pub(crate) fn store(&self, database: &str) -> clickhouse::Settings {
        clickhouse::Settings {
            url: self.engine.url.clone(),
            database: database.to_owned(),
            user: self.engine.user.clone(),
            password: clickhouse::Secret::new(self.engine.password.clone()),
            cluster: None,
        }
    }

    /// How a topic is reached.
    pub(crate) fn topic(&self, topic: &str, group: &str) -> transport::Settings {
        let settings = self.kafka.settings(topic, PARTITIONS);
        transport::Settings { group: group.to_owned(), ..settings }
    }

    /// Starts one of our rooms (`collect` or `aggregate`) and waits until it says that it runs.
    pub(crate) fn room(&self, room: &str, setting: &Setting<'_>) -> anyhow::Result<Room> {
        let name = format!("{room}-{}", setting.database);
        let config = self.folder.path().join(format!("{name}.toml"));
        let Setting { topic, database, sites } = setting;
        let sites: String = sites.iter().map(|h| format!("[[sites]]\nhost = \"{h}\"\n")).collect();
        let text = format!(
            "listen = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\n\
             [limits]\nhits_per_prefix_per_minute = 0\npages_per_site_day = 1000000\n\
             [kafka]\nbrokers = \"{}\"\ntopic = \"{topic}\"\ngroup = \"{database}\"\n\
             partitions = {PARTITIONS}\n\
             [clickhouse]\nurl = \"{}\"\ndatabase = \"{database}\"\n{sites}",
            self.folder.path().join(&name).display(),
            self.kafka.brokers(),
            self.engine.url,
        );
        fs::write(&config, text)?;
        Room::start(&self.binary, &[room, "--config"], &config)
    }

    /// CPU seconds of the engine so far.
    pub(crate) fn engine_cpu(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.engine.process())
    }

    /// CPU seconds of the broker so far.
    pub(crate) fn broker_cpu(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.kafka.process())
    }

    /// Bytes of the segments of a topic, all partitions; indexes left out.
    pub(crate) fn log_bytes(&self, topic: &str) -> anyhow::Result<u64> {
        let data = self.kafka.folder().join("data");
        let mut bytes = 0;
        for partition in 0..PARTITIONS {
            for file in fs::read_dir(data.join(format!("{topic}-{partition}")))? {
                let file = file?;
                if file.path().extension().is_some_and(|it| it == "log") {
                    bytes += file.metadata()?.len();
                }
            }
        }
        Ok(bytes)
    }
}

/// Where a room finds its traffic.
pub(crate) struct Setting<'a> {
    pub(crate) topic: &'a str,
    /// Also the name of the group.
    pub(crate) database: &'a str,
    pub(crate) sites: &'a [String],
}

/// One running process of ours.
pub(crate) struct Room {
    child: Child,
    /// Where visitors are answered; 0 for an aggregator.
    pub(crate) port: u16,
}

impl Room {
    fn start(binary: &str, args: &[&str], config: &PathBuf) -> anyhow::Result<Self> {
        let mut child =
            Command::new(binary).args(args).arg(config).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("a piped output")?;
        let mut room = Self { child, port: 0 };
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some((_, rest)) = line.split_once("src=\"http://") {
                let port = rest.split('/').next().and_then(|host| host.rsplit(':').next());
                room.port = port.context("an address without a port")?.parse()?;
            } else if line.starts_with("operations") {
                return Ok(room);
            }
        }
        bail!("{args:?} ended at once")
    }

    /// CPU seconds so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// Stops in order.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "a process ended badly: {status}");
        Ok(())
    }
}

impl Drop for Room {
    /// A bench that failed must not leave processes behind.
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "a bench runs now")]
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// The hour it is.
pub(crate) fn this_hour() -> Hour {
    WallClock.hour()
}

/// The machine's load, for the record.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
