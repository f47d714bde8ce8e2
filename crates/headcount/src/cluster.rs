//! The parts of a cluster as this configuration names them.
//!
//! What it is not: a connection. It turns checked settings into those of the rooms.
//!
//! What surprises: passwords are read from files only, so that none is in a process list, an
//! environment or a configuration that is shown to somebody.

pub(crate) mod way;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use headcount_store::clickhouse;
use headcount_transport::kafka;

use crate::config::{Config, ConfigError, RawKafka};

/// How often a part that does not answer is asked again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Kafka's settings.
///
/// # Errors
/// [`ConfigError`] if the section is empty or its password cannot be read.
pub(crate) fn kafka(config: &Config) -> anyhow::Result<kafka::Settings> {
    let Some(raw) = &config.kafka else {
        return Err(missing("kafka.brokers", "kafka-1:9092,kafka-2:9092").into());
    };
    let ca_file = Some(PathBuf::from(&raw.ca_file)).filter(|path| !path.as_os_str().is_empty());
    let security = if raw.security.ends_with("tls") {
        kafka::Security::Tls { ca_file }
    } else {
        kafka::Security::Plaintext
    };
    let settings = kafka::Settings {
        brokers: raw.brokers.join(","),
        topic: raw.topic.clone(),
        group: raw.group.clone(),
        partitions: raw.partitions,
        security,
        login: login(raw)?,
    };
    settings.check().map_err(|error| ConfigError(error.to_string()))?;
    Ok(settings)
}

fn login(raw: &RawKafka) -> anyhow::Result<Option<kafka::Login>> {
    if !raw.security.starts_with("sasl") {
        return Ok(None);
    }
    let mechanism = match raw.sasl_mechanism.as_str() {
        "PLAIN" => kafka::Mechanism::Plain,
        "SCRAM-SHA-256" => kafka::Mechanism::ScramSha256,
        _ => kafka::Mechanism::ScramSha512,
    };
    let password = kafka::Secret::new(password("kafka.password_file", &raw.password_file)?);
    Ok(Some(kafka::Login { mechanism, username: raw.user.clone(), password }))
}

/// ClickHouse's settings.
///
/// # Errors
/// [`ConfigError`] if the section is empty or its password cannot be read.
pub(crate) fn clickhouse(config: &Config) -> anyhow::Result<clickhouse::Settings> {
    let Some(raw) = &config.clickhouse else {
        return Err(missing("clickhouse.url", "http://127.0.0.1:8123").into());
    };
    let password = if raw.password_file.is_empty() {
        String::new()
    } else {
        password("clickhouse.password_file", &raw.password_file)?
    };
    Ok(clickhouse::Settings {
        url: raw.url.clone(),
        database: raw.database.clone(),
        user: raw.user.clone(),
        password: clickhouse::Secret::new(password),
        cluster: Some(raw.cluster.clone()).filter(|name| !name.is_empty()),
    })
}

fn password(key: &str, path: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("{key} = \"{path}\": {error}")))
        .context("a password")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn missing(key: &str, example: &str) -> ConfigError {
    ConfigError(format!("{key} is not set: such as {key} = \"{example}\" is needed here"))
}
