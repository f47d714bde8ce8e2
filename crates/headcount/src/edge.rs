//! The edge of this process: the collector with its file, whichever way its batches go.
//!
//! What it is not: the other end of that way.
//!
//! What surprises: it is the same for one process and for a cluster; only the way out differs.

use std::sync::Arc;

use anyhow::Context;
use headcount_collector::country::Countries;
use headcount_collector::metrics::Metrics;
use headcount_collector::{Collector, EpochRule, Parts, Setting};
use headcount_core::time::Clock;
use headcount_transport::Publisher;

use crate::config::{Config, ConfigError};
use crate::folder;

/// The edge file's name in the data folder.
pub(crate) const FILE_NAME: &str = "edge.db";
/// The mark beside it.
pub(crate) const MARK_FILE_NAME: &str = "edge.mark";

/// Where a collector's batches go.
pub(crate) struct WayOut<'a> {
    /// The transport's end.
    pub(crate) publisher: Box<dyn Publisher>,
    /// Its partitions.
    pub(crate) partitions: u32,
    /// How numbers stay unique.
    pub(crate) rule: EpochRule<'a>,
}

/// Opens the edge file and starts the collector; no port is open yet.
///
/// # Errors
/// If the edge file or the country database cannot be read.
pub(crate) fn open(
    config: &Config,
    way_out: WayOut<'_>,
    (clock, metrics): (&Arc<dyn Clock>, &Arc<Metrics>),
) -> anyhow::Result<Collector> {
    let setting = Setting {
        edge_file: config.data_dir.join(FILE_NAME),
        collector_id: config.collector_id,
        addresses: config.addresses.clone(),
        visitors: config.visitors,
        release: config.release,
        limits: config.limits,
        cores: config.cores,
        compat: config.compat,
    };
    let parts = Parts {
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
        countries: countries(config)?,
        publisher: way_out.publisher,
        partitions: way_out.partitions,
    };
    let collector = Collector::start(setting, parts, way_out.rule)?;
    // The edge's room knows nothing of owners.
    folder::hand_over(&config.data_dir)?;
    if collector.was_cut_off() {
        tracing::warn!("the edge file ended in a cut-off commit; no hit of it was answered");
    }
    Ok(collector)
}

/// The country database that the configuration names, or the built-in one.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn countries(config: &Config) -> anyhow::Result<Countries> {
    match &config.country_file {
        Some(path) => {
            Ok(Countries::open(path)
                .map_err(|error| ConfigError(format!("country_file: {error}")))?)
        }
        None => Countries::embedded().context("the built-in country database"),
    }
}
