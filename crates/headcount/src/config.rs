//! The configuration: TOML file, then `HEADCOUNT_*` environment, then flags.
//!
//! What it is not: forgiving. Unknown keys are refused, and everything is checked before a port
//! opens. A [`Config`] is valid or does not exist.
//!
//! What surprises: this is the only file that reads the environment, and it takes it as an
//! argument.

#![expect(clippy::disallowed_types, reason = "listening addresses are settings, not visitors")]

mod check;
mod notice;
mod origin;
mod raw;
mod zones;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use headcount_collector::Limits;
use headcount_collector::compat::Compat;
use headcount_collector::peer::AddressSource;
use headcount_collector::release::ReleaseRule;
use headcount_collector::sites::SiteSetting;
use headcount_core::site::SiteHost;
use headcount_stats::time_zone::TimeZone;

use self::zones::Zones;

pub(crate) use self::check::Preset;
pub(crate) use self::notice::RawNotice;
pub(crate) use self::origin::origins;
pub(crate) use self::raw::{Flags, RawClickhouse, RawKafka, RawSite, layered};

/// What is wrong with the configuration: one line that names the key, its value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A valid configuration.
pub(crate) struct Config {
    /// Where beacons come in.
    pub(crate) listen: SocketAddr,
    /// Where dashboard and API answer; the same listener if equal.
    pub(crate) stats_listen: SocketAddr,
    /// Where people reach the dashboard, if they were told another address.
    pub(crate) stats_url: Option<String>,
    /// Where health and metrics answer.
    pub(crate) ops_listen: SocketAddr,
    /// Who may ask for them. No proxy is believed there.
    pub(crate) operators: AddressSource,
    /// BLAKE3 of all settings, for noticing that they changed.
    pub(crate) settings_hash: String,
    /// The folder with everything that is kept.
    pub(crate) data_dir: PathBuf,
    /// Where visitors' addresses are read from, and from where analysts may ask.
    pub(crate) addresses: AddressSource,
    /// Whether distinct visitors are counted.
    pub(crate) visitors: bool,
    /// When cells leave the edge.
    pub(crate) release: ReleaseRule,
    /// Threshold for attribute values.
    pub(crate) k: u32,
    /// Threshold for attribute values by which a UTC day is closed.
    pub(crate) k_day: u32,
    /// UTC days that counts are kept.
    pub(crate) retention_days: u32,
    /// Another country database than the built-in one.
    pub(crate) country_file: Option<PathBuf>,
    /// Cores that answer visitors.
    pub(crate) cores: usize,
    /// Bounds.
    pub(crate) limits: Limits,
    /// The number of this collector, if it was given a name.
    pub(crate) collector_id: Option<u64>,
    /// Other tools whose trackers are answered.
    pub(crate) compat: Compat,
    /// Where batches travel, in a cluster.
    pub(crate) kafka: Option<RawKafka>,
    /// Where counts rest, in a cluster.
    pub(crate) clickhouse: Option<RawClickhouse>,
    /// What the texts for visitors need of the owner.
    pub(crate) notice: RawNotice,
    /// Sites of the file and of the flags.
    pub(crate) sites: Vec<RawSite>,
    /// Their time zones.
    pub(crate) zones: Zones,
}

impl Config {
    /// Whether hours are told; not where the preset is strict.
    pub(crate) fn hours(&self) -> bool {
        !self.release.admission
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong.
    pub(crate) fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        check::checked(layered(flags, environment)?)
    }

    /// Whether people reach the dashboard over HTTPS.
    pub(crate) fn is_https(&self) -> bool {
        self.stats_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// The time zone of a site.
    pub(crate) fn time_zone(&self, site: &SiteHost) -> TimeZone {
        self.zones.of_site(site)
    }

    /// [`Config::time_zone`] for the stats room.
    pub(crate) fn time_zones(&self) -> Arc<dyn Fn(&SiteHost) -> TimeZone + Send + Sync> {
        let zones = self.zones.clone();
        Arc::new(move |site| zones.of_site(site))
    }
}

/// The setting of one site, checked.
///
/// # Errors
/// [`ConfigError`], naming the host and the entry.
pub(crate) fn site_setting(site: &RawSite) -> Result<SiteSetting, ConfigError> {
    check::site_setting(site)
}

/// Reads a host as sites are named.
///
/// # Errors
/// [`ConfigError`] with the key `key`.
pub(crate) fn host(key: &str, text: &str) -> Result<SiteHost, ConfigError> {
    SiteHost::parse(text).map_err(|error| ConfigError(format!("{key} = \"{text}\": {error}")))
}

/// The process's environment, for [`Config::load`].
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests;
