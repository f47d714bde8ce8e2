//! What is there: files of the folder, tables of the databases, topics and groups of the brokers.
//!
//! What it is not: content. Of rows only their number is read, and only of those that may not be.
//!
//! What surprises: a place that is not there yet is no difference, one that does not answer is; and so
//! is an embedded deployment of which nothing is there.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use headcount_store::clickhouse::Reader;
use headcount_store::shape::{self, Column};
use headcount_store::{StoreError, sqlite};
use headcount_transport::kafka::KafkaError;
use headcount_transport::kafka::neighbours::{Neighbours, neighbours};
use headcount_transport::kafka::topic::{self, Life};

use crate::cluster;
use crate::config::Config;
use crate::notice::Mode;

/// Longest wait for a broker that does not answer.
const KAFKA_PATIENCE: Duration = Duration::from_secs(10);

/// What was found of a place, or why nothing was.
pub(super) type Look<T> = Result<T, String>;

/// What is there.
pub(super) struct Found {
    /// Names of the files of the data folder.
    pub(super) files: Look<Vec<String>>,
    /// Tables of each place that has some, by the place's id; none where it is not there yet.
    pub(super) tables: Vec<(&'static str, Look<Vec<Column>>)>,
    /// Rows of counts that no count looks like, by the place's id.
    pub(super) odd_rows: Vec<(&'static str, Look<u64>)>,
    /// What the topic's settings lack, and who else is on the brokers.
    pub(super) topic: Option<Look<Neighbours>>,
    /// How long the topic keeps records, where it was looked at.
    pub(super) topic_life: Option<Look<Life>>,
    /// The names of our topic and group.
    pub(super) ours: Option<(String, String)>,
}

impl Found {
    /// Looks.
    pub(super) fn of(config: &Config) -> Self {
        let folder = &config.data_dir;
        let mut tables: Vec<_> = ["edge.db", "counts.db", "control.db"]
            .into_iter()
            .filter_map(|name| Some((name, of_file(&folder.join(name), shape::columns)?)))
            .collect();
        let counts = of_file(&folder.join(sqlite::FILE_NAME), shape::odd_rows);
        let mut odd_rows: Vec<_> = counts.into_iter().map(|rows| ("counts.db", rows)).collect();
        if config.clickhouse.is_some() {
            let reader = reader(config);
            let columns = reader.as_ref().map_err(Clone::clone);
            tables.push(("clickhouse", columns.and_then(|reader| told(reader.columns()))));
            let rows = reader.as_ref().map_err(Clone::clone);
            odd_rows.push(("clickhouse", rows.and_then(|reader| told(reader.odd_rows()))));
        }
        let kafka = config.kafka.as_ref();
        let topic = kafka.map(|_| beside(config));
        // Whoever does not answer is not waited for twice.
        let topic_life = topic.as_ref().filter(|look| look.is_ok()).map(|_| life(config));
        Self {
            files: files(folder, Mode::of(config)),
            tables,
            odd_rows,
            topic,
            topic_life,
            ours: kafka.map(|kafka| (kafka.topic.clone(), kafka.group.clone())),
        }
    }
}

fn told<T>(answer: Result<T, StoreError>) -> Look<T> {
    answer.map_err(|error| error.to_string())
}

/// What is found in a file; `None` if there is none. One that may be there and cannot be reached is an
/// answer that did not come.
fn of_file<T>(path: &Path, look: impl FnOnce(&Path) -> Result<T, StoreError>) -> Option<Look<T>> {
    match path.try_exists() {
        Ok(false) => None,
        Ok(true) => Some(told(look(path))),
        Err(error) => Some(Err(error.to_string())),
    }
}

/// The files of the folder. A room of a cluster may have none on this machine; an embedded deployment
/// has one, or it is another folder that was meant.
fn files(folder: &Path, mode: Mode) -> Look<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound && mode == Mode::Cluster => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.to_string()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| error.to_string())?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn reader(config: &Config) -> Look<Reader> {
    let settings = cluster::clickhouse(config).map_err(|error| error.to_string())?;
    told(Reader::connect(&settings))
}

fn beside(config: &Config) -> Look<Neighbours> {
    let settings = cluster::kafka(config).map_err(|error| error.to_string())?;
    let look = || {
        topic::ensure(&settings, false)?;
        neighbours(&settings)
    };
    look().map_err(|error: KafkaError| error.to_string())
}

fn life(config: &Config) -> Look<Life> {
    let settings = cluster::kafka(config).map_err(|error| error.to_string())?;
    topic::life(&settings, KAFKA_PATIENCE).map_err(|error| error.to_string())
}
