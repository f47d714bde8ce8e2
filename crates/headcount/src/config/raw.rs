//! The configuration as it is written.
//!
//! What it is not: checked. Types are right here, meanings are not yet.
//!
//! What surprises: the defaults below are the only ones; `deploy/headcount.example.toml` is tested
//! to be equal to them.

use std::path::PathBuf;

use headcount_core::site::SiteHost;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{ConfigError, RawNotice};

/// Prefix of environment variables that are settings.
const PREFIX: &str = "HEADCOUNT_";
/// Tables of settings, which begin the names of their variables.
const SECTIONS: [&str; 4] = ["limits", "kafka", "clickhouse", "notice"];
/// Variables with that prefix that are not settings: failpoints, and addresses for the tests.
const NOT_SETTINGS: [&str; 3] = ["HEADCOUNT_FAILPOINT", "HEADCOUNT_LEAK", "HEADCOUNT_TEST_"];

/// Every key, with its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawConfig {
    /// Where beacons come in.
    pub(crate) listen: String,
    /// Dashboard and API; empty: the same as `listen`.
    pub(crate) stats_listen: String,
    /// Where people reach the dashboard; empty: `http://` and `stats_listen`.
    pub(crate) stats_url: String,
    /// Networks that may ask for dashboard and API; none: all.
    pub(crate) analyst_networks: Vec<String>,
    /// Health and metrics.
    pub(crate) ops_listen: String,
    /// Networks that may ask for them; none: all.
    pub(crate) ops_networks: Vec<String>,
    /// The folder with everything that is kept.
    pub(crate) data_dir: String,
    /// Networks of proxies whose header is believed.
    pub(crate) trusted_proxies: Vec<String>,
    /// The header they write; empty: none.
    pub(crate) client_address_header: String,
    /// `daily` or `off`.
    pub(crate) visitors: String,
    /// `standard` or `strict`.
    pub(crate) preset: String,
    /// Visitors among a site's attribute cells before they leave; left out: the preset's.
    pub(crate) crowd: Option<u32>,
    /// Threshold for attribute values; left out: the preset's.
    pub(crate) k: Option<u32>,
    /// Threshold by which a UTC day is closed; left out: the preset's, and not above `k`.
    pub(crate) k_day: Option<u32>,
    /// UTC days that counts are kept.
    pub(crate) retention_days: u32,
    /// Time zone of dashboards and API, by its name.
    pub(crate) time_zone: String,
    /// Another country database; empty: the built-in one.
    pub(crate) country_file: String,
    /// Cores that answer visitors; 0: all.
    pub(crate) cores: usize,
    /// The name of this collector in a cluster; empty: a number drawn with the edge file.
    pub(crate) collector_id: String,
    /// Other tools whose trackers are answered.
    pub(crate) compat: Vec<String>,
    /// Bounds.
    pub(crate) limits: RawLimits,
    /// Where batches travel, in a cluster.
    pub(crate) kafka: RawKafka,
    /// Where counts rest, in a cluster.
    pub(crate) clickhouse: RawClickhouse,
    /// What the texts for visitors need of the owner.
    pub(crate) notice: RawNotice,
    /// Sites.
    pub(crate) sites: Vec<RawSite>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            stats_listen: String::new(),
            stats_url: String::new(),
            analyst_networks: Vec::new(),
            ops_listen: "127.0.0.1:9464".into(),
            ops_networks: Vec::new(),
            data_dir: "./headcount-data".into(),
            trusted_proxies: Vec::new(),
            client_address_header: String::new(),
            visitors: "daily".into(),
            preset: "standard".into(),
            crowd: None,
            k: None,
            k_day: None,
            retention_days: 365,
            time_zone: "UTC".into(),
            country_file: String::new(),
            cores: 0,
            collector_id: String::new(),
            compat: Vec::new(),
            limits: RawLimits::default(),
            kafka: RawKafka::default(),
            clickhouse: RawClickhouse::default(),
            notice: RawNotice::default(),
            sites: Vec::new(),
        }
    }
}

/// Bounds; each has an answer when it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawLimits {
    pub(crate) pages_per_site_day: usize,
    pub(crate) targets_per_site_day: usize,
    pub(crate) sources_per_site_day: usize,
    pub(crate) campaigns_per_site_day: usize,
    pub(crate) names_total: usize,
    pub(crate) hits_per_prefix_per_minute: u32,
    pub(crate) held_cells: usize,
    pub(crate) connections: usize,
    pub(crate) connections_per_prefix: usize,
    pub(crate) visitor_filter_mib: usize,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            pages_per_site_day: 10_000,
            targets_per_site_day: 1_000,
            sources_per_site_day: 1_000,
            campaigns_per_site_day: 200,
            names_total: 300_000,
            hits_per_prefix_per_minute: 6_000,
            held_cells: 1_000_000,
            connections: 10_000,
            connections_per_prefix: 256,
            visitor_filter_mib: 16,
        }
    }
}

/// Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawKafka {
    /// `HOST:PORT` of some brokers; none: no cluster.
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) brokers: Vec<String>,
    pub(crate) topic: String,
    pub(crate) group: String,
    /// Partitions of the topic.
    pub(crate) partitions: u32,
    /// Whether a missing topic is created.
    pub(crate) create_topic: bool,
    /// `plaintext`, `tls`, `sasl_plaintext` or `sasl_tls`.
    pub(crate) security: String,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub(crate) sasl_mechanism: String,
    pub(crate) user: String,
    pub(crate) password_file: String,
    /// Certificates that are believed; empty: the system's.
    pub(crate) ca_file: String,
}

impl Default for RawKafka {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topic: "headcount".into(),
            group: "headcount".into(),
            partitions: 8,
            create_topic: true,
            security: "plaintext".into(),
            sasl_mechanism: "SCRAM-SHA-512".into(),
            user: String::new(),
            password_file: String::new(),
            ca_file: String::new(),
        }
    }
}

/// ClickHouse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawClickhouse {
    /// `http://HOST:PORT`; empty: no cluster.
    pub(crate) url: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password_file: String,
    /// The name of a ClickHouse cluster with replicated tables; empty: a single node.
    pub(crate) cluster: String,
}

impl Default for RawClickhouse {
    fn default() -> Self {
        Self {
            url: String::new(),
            database: "headcount".into(),
            user: "default".into(),
            password_file: String::new(),
            cluster: String::new(),
        }
    }
}

/// A list, or one text with commas, as Kafka's own tools take it.
pub(super) fn one_or_many<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a list of HOST:PORT, or one text with commas, is needed")]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(from)? {
        Either::Many(many) => many,
        Either::One(one) => {
            one.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
        }
    })
}

/// One site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawSite {
    /// The host under which it is counted.
    pub(crate) host: String,
    /// Other hosts that are the same site.
    pub(crate) aliases: Vec<String>,
    /// Known pages, kept as they are; `/artikel/*` keeps one segment.
    pub(crate) pages: Vec<String>,
    /// Declared events.
    pub(crate) events: Vec<String>,
    /// More words after which a segment is redacted.
    pub(crate) strong_words: Vec<String>,
    /// More words after which a segment with a digit is redacted.
    pub(crate) weak_words: Vec<String>,
    /// What Umami's trackers call it; empty: nothing.
    pub(crate) umami_id: String,
    /// What Matomo's trackers call it; 0: nothing.
    pub(crate) matomo_id: u32,
    /// Time zone of its dashboard and API; empty: that of all sites.
    pub(crate) time_zone: String,
}

/// What the command line adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--listen`.
    pub(crate) listen: Option<String>,
    /// `--listen` of a command that only shows.
    pub(crate) stats_listen: Option<String>,
    /// `--data`.
    pub(crate) data: Option<PathBuf>,
    /// `--site`.
    pub(crate) sites: Vec<String>,
}

/// Lays file, environment and flags over the defaults.
///
/// # Errors
/// [`ConfigError`] for a file that cannot be read, an unknown key or a value of the wrong type.
pub(crate) fn layered(
    flags: &Flags,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<RawConfig, ConfigError> {
    let mut table = of_file(flags)?;
    for (name, value) in environment {
        lay_variable(&mut table, &name, &value)?;
    }
    let mut raw: RawConfig = table
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError(format!("environment: {}", line(&error))))?;
    if let Some(listen) = &flags.listen {
        raw.listen.clone_from(listen);
    }
    if let Some(listen) = &flags.stats_listen {
        raw.stats_listen.clone_from(listen);
    }
    if let Some(data) = &flags.data {
        raw.data_dir = data.to_string_lossy().into_owned();
    }
    for host in &flags.sites {
        let is_it = |site: &RawSite| match (SiteHost::parse(&site.host), SiteHost::parse(host)) {
            (Ok(known), Ok(named)) => known == named,
            _ => site.host == *host,
        };
        if !raw.sites.iter().any(is_it) {
            raw.sites.push(RawSite { host: host.clone(), ..RawSite::default() });
        }
    }
    Ok(raw)
}

/// The file as it is, or nothing.
pub(super) fn of_file(flags: &Flags) -> Result<Table, ConfigError> {
    let Some(path) = &flags.config else { return Ok(Table::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("config file {}: {error}", path.display())))?;
    // Read once as what it should be, for an error with its line.
    toml::from_str::<RawConfig>(&text)
        .map_err(|error| ConfigError(in_file(path, &text, &error)))?;
    text.parse().map_err(|error| ConfigError(in_file(path, &text, &error)))
}

/// Sets one key from a variable such as `HEADCOUNT_LIMITS_CONNECTIONS`.
pub(super) fn lay_variable(table: &mut Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(key) = name.strip_prefix(PREFIX) else { return Ok(()) };
    if NOT_SETTINGS.iter().any(|other| name.starts_with(other)) {
        return Ok(());
    }
    let mut key = key.to_ascii_lowercase();
    let defaults = Table::try_from(RawConfig::default()).unwrap_or_default();
    let section = SECTIONS
        .into_iter()
        .find(|section| key.strip_prefix(section).is_some_and(|rest| rest.starts_with('_')));
    let prefix = section.map_or(0, |section| section.len() + 1);
    let key = key.split_off(prefix);
    let known = match section {
        Some(section) => defaults.get(section).and_then(|limits| limits.get(&key)),
        None => defaults.get(&key),
    };
    let number = Value::Integer(0);
    let known = if matches!(key.as_str(), "crowd" | "k" | "k_day") { Some(&number) } else { known };
    let value =
        match known {
            Some(Value::String(_)) => Value::String(value.to_owned()),
            Some(Value::Integer(_)) => Value::Integer(value.parse().map_err(|_| {
                ConfigError(format!("{name} = \"{value}\": a whole number is needed"))
            })?),
            Some(Value::Boolean(_)) => Value::Boolean(value.parse().map_err(|_| {
                ConfigError(format!("{name} = \"{value}\": true or false is needed"))
            })?),
            Some(Value::Array(_)) if key != "sites" => {
                let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
            _ => {
                return Err(ConfigError(format!(
                    "{name}: no such setting; see deploy/headcount.example.toml for the keys"
                )));
            }
        };
    let table = match section {
        None => table,
        Some(section) => {
            let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            match entry {
                Value::Table(table) => table,
                _ => return Err(ConfigError(format!("{section}: a table is needed"))),
            }
        }
    };
    table.insert(key, value);
    Ok(())
}

/// One line: file, line number, and what the parser says.
fn in_file(path: &std::path::Path, text: &str, error: &toml::de::Error) -> String {
    let number = error
        .span()
        .map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
    let source = text.lines().nth(number - 1).unwrap_or("").trim();
    format!("{} line {number}: `{source}`: {}", path.display(), line(error))
}

fn line(error: &toml::de::Error) -> String {
    error.message().replace('\n', "; ")
}
