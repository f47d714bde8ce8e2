//! What the configuration means: every rule a key must obey.
//!
//! What it is not: reading. What comes in has the right types already.
//!
//! What surprises: a rule's message always says what would be right.

#![expect(clippy::disallowed_types, reason = "listening addresses are settings, not visitors")]

use std::collections::HashSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use headcount_collector::Limits;
use headcount_collector::compat::{Client, Compat};
use headcount_collector::names::NameLimits;
use headcount_collector::peer::AddressSource;
use headcount_collector::release::ReleaseRule;
use headcount_collector::sites::SiteSetting;
use headcount_core::page::{OwnerRules, PagePolicy};
use headcount_core::rules::SiteRules;
use headcount_store::clickhouse;
use headcount_transport::kafka::{self, KafkaError};

use super::raw::{RawClickhouse, RawConfig, RawKafka, RawLimits, RawSite};
use super::zones::Zones;
use super::{Config, ConfigError, host, notice};

/// What a preset sets (`notes/privacy.md`, sections 5.2 and 5.3).
#[derive(Clone, Copy)]
pub(crate) struct Preset {
    pub(crate) crowd: u32,
    pub(crate) k: u32,
    pub(crate) k_day: u32,
}

/// `preset = "standard"`.
const STANDARD: Preset = Preset { crowd: 8, k: 5, k_day: 3 };
/// `preset = "strict"`.
const STRICT: Preset = Preset { crowd: 20, k: 10, k_day: 10 };

impl Preset {
    /// The preset that is in force.
    pub(crate) const fn of(is_strict: bool) -> Self {
        if is_strict { STRICT } else { STANDARD }
    }
}

/// Largest retention: France's advice is 25 months.
const RETENTION_DAYS_MAX: u32 = 760;
/// Largest number that any bound may have: 1 GiB of anything is more than a laptop keeps.
const LIMIT_MAX: usize = 1 << 30;

pub(super) fn checked(raw: RawConfig) -> Result<Config, ConfigError> {
    let listen = address("listen", &raw.listen)?;
    let stats_listen = if raw.stats_listen.is_empty() {
        listen
    } else {
        address("stats_listen", &raw.stats_listen)?
    };
    let ops_listen = address("ops_listen", &raw.ops_listen)?;
    let header = Some(raw.client_address_header.as_str()).filter(|name| !name.is_empty());
    let addresses = AddressSource::new(&raw.trusted_proxies, header)
        .map_err(|error| ConfigError(format!("trusted_proxies, client_address_header: {error}")))?;
    let addresses = addresses
        .admitting(&raw.analyst_networks)
        .map_err(|error| ConfigError(format!("analyst_networks: {error}")))?;
    // No proxy belongs in front of these: who comes with its header came through one.
    let operators = AddressSource::new(&[], header)
        .map_err(|error| ConfigError(format!("client_address_header: {error}")))?;
    let operators = operators
        .admitting(&raw.ops_networks)
        .map_err(|error| ConfigError(format!("ops_networks: {error}")))?;
    if raw.trusted_proxies.is_empty() != header.is_none() {
        return wrong(
            "trusted_proxies and client_address_header",
            "only one of them set",
            "set both (trusted_proxies = [\"127.0.0.1\"], client_address_header = \
             \"X-Forwarded-For\") or neither",
        );
    }
    let visitors = one_of("visitors", &raw.visitors, ["daily", "off"])? == "daily";
    let strict = one_of("preset", &raw.preset, ["standard", "strict"])? == "strict";
    let preset = Preset::of(strict);
    let crowd = at_least_one("crowd", raw.crowd.unwrap_or(preset.crowd))?;
    let k = at_least_one("k", raw.k.unwrap_or(preset.k))?;
    let k_day = at_least_one("k_day", raw.k_day.unwrap_or(preset.k_day.min(k)))?;
    if !(1..=RETENTION_DAYS_MAX).contains(&raw.retention_days) {
        return wrong("retention_days", raw.retention_days, "a number from 1 to 760 is needed");
    }
    let data_dir = PathBuf::from(&raw.data_dir);
    if raw.data_dir.is_empty() {
        return wrong("data_dir", "", "the path of a folder is needed");
    }
    let settings_hash = settings_hash(&raw)?;
    let beside = notice::Beside::of(&raw);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sites = checked_sites(raw.sites)?;
    let zones = Zones::of(&raw.time_zone, &sites)?;
    Ok(Config {
        listen,
        stats_listen,
        stats_url: url(&raw.stats_url)?,
        ops_listen,
        operators,
        settings_hash,
        data_dir,
        addresses,
        visitors,
        release: ReleaseRule { crowd: u64::from(crowd), admission: strict },
        k,
        k_day,
        retention_days: raw.retention_days,
        country_file: Some(PathBuf::from(&raw.country_file))
            .filter(|path| !path.as_os_str().is_empty()),
        cores: checked_cores(raw.cores, cores)?,
        limits: limits(&raw.limits)?,
        collector_id: collector_number(&raw.collector_id),
        compat: checked_compat(&raw.compat)?,
        kafka: checked_kafka(raw.kafka)?,
        clickhouse: checked_clickhouse(raw.clickhouse)?,
        notice: notice::checked(raw.notice, beside)?,
        sites,
        zones,
    })
}

/// A hash of everything that is set. Passwords are in files of their own and no part of it.
fn settings_hash(raw: &RawConfig) -> Result<String, ConfigError> {
    let text = toml::to_string(raw).map_err(|error| ConfigError(format!("settings: {error}")))?;
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// The origin under which people reach the dashboard.
fn url(text: &str) -> Result<Option<String>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    let origin = text.strip_suffix('/').unwrap_or(text);
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    match rest {
        Some(rest) if !rest.is_empty() && rest.chars().all(is_host) => Ok(Some(origin.to_owned())),
        _ => wrong(
            "stats_url",
            format!("\"{}\"", shown(text)),
            "an origin such as https://count.example.org is needed",
        ),
    }
}

/// The tools whose trackers are answered.
fn checked_compat(names: &[String]) -> Result<Compat, ConfigError> {
    let words = Client::NAMES.map(|(word, _)| word);
    let add = |all: Compat, name: &String| {
        let word = one_of("compat", name, words)?;
        let clients = Client::NAMES.into_iter().filter(|(known, _)| *known == word);
        Ok(clients.fold(all, |all, (_, client)| all.with(client)))
    };
    names.iter().try_fold(Compat::default(), add)
}

/// A collector's number from its name: the first bytes of its BLAKE3 hash.
fn collector_number(name: &str) -> Option<u64> {
    let hash = blake3::hash(name.as_bytes());
    let number = hash.as_bytes().first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    number.filter(|_| !name.is_empty())
}

/// Kafka's section; `None` if it names no broker.
fn checked_kafka(raw: RawKafka) -> Result<Option<RawKafka>, ConfigError> {
    if raw.brokers.is_empty() {
        return Ok(None);
    }
    let settings = kafka::Settings {
        brokers: raw.brokers.join(","),
        topic: raw.topic.clone(),
        group: raw.group.clone(),
        partitions: raw.partitions,
        // What these say is checked when the files are read that they name.
        security: kafka::Security::Plaintext,
        login: None,
    };
    match settings.check() {
        Err(KafkaError::Setting { key, found, right }) => {
            return wrong(&format!("kafka.{key}"), found, &format!("needed is {right}"));
        }
        other => other.map_err(|error| ConfigError(error.to_string()))?,
    }
    let words = ["plaintext", "tls", "sasl_plaintext", "sasl_tls"];
    let security = one_of("kafka.security", &raw.security, words)?;
    one_of(
        "kafka.sasl_mechanism",
        &raw.sasl_mechanism,
        ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
    )?;
    let has_password = !raw.user.is_empty() && !raw.password_file.is_empty();
    if security.starts_with("sasl") && !has_password {
        return wrong(
            "kafka.security",
            security,
            "kafka.user and kafka.password_file are needed too",
        );
    }
    Ok(Some(raw))
}

/// ClickHouse's section; `None` if it names no server.
fn checked_clickhouse(raw: RawClickhouse) -> Result<Option<RawClickhouse>, ConfigError> {
    if raw.url.is_empty() {
        return Ok(None);
    }
    if !clickhouse::is_address(&raw.url) {
        return wrong(
            "clickhouse.url",
            shown(&raw.url),
            "such as http://127.0.0.1:8123 is needed; user and password have keys of their own, \
             clickhouse.user and clickhouse.password_file",
        );
    }
    let legal = |text: &str| {
        text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !text.starts_with(|c: char| c.is_ascii_digit())
    };
    if raw.database.is_empty() || !legal(&raw.database) {
        return wrong("clickhouse.database", &raw.database, "letters, digits and `_` are needed");
    }
    if !legal(&raw.cluster) {
        return wrong("clickhouse.cluster", &raw.cluster, "letters, digits and `_` are needed");
    }
    Ok(Some(raw))
}

/// An address as it may be shown: where a password can stand, nothing is.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

pub(super) fn site_setting(site: &RawSite) -> Result<SiteSetting, ConfigError> {
    let name = host("sites.host", &site.host)?;
    let at = |key: &str| format!("sites.{key} of {name}");
    let aliases = site
        .aliases
        .iter()
        .map(|alias| host(&at("aliases"), alias))
        .collect::<Result<Vec<_>, _>>()?;
    let (templates, known_pages) = site.pages.iter().cloned().partition(|page| page.contains('*'));
    let owner = OwnerRules {
        known_pages,
        templates,
        strong: site.strong_words.clone(),
        weak: site.weak_words.clone(),
    };
    let policy =
        PagePolicy::new(owner).map_err(|error| ConfigError(format!("{}: {error}", at("pages"))))?;
    let rules = SiteRules::new(name.clone(), aliases.clone(), policy, site.events.clone())
        .map_err(|error| ConfigError(format!("{}: {error}", at("events"))))?;
    let umami_id = site.umami_id.to_ascii_lowercase();
    if !umami_id.is_empty() && !is_uuid(&umami_id) {
        return wrong(
            &at("umami_id"),
            format!("\"{}\"", site.umami_id),
            "the website id of Umami is needed, such as 0b0a1bdd-4a1b-4ad1-8f80-0d9c4c6ff1c5",
        );
    }
    Ok(SiteSetting {
        host: name,
        aliases,
        rules,
        umami_id: Some(umami_id).filter(|id| !id.is_empty()),
        matomo_id: Some(site.matomo_id).filter(|id| *id != 0),
    })
}

/// 8-4-4-4-12 hex digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Cores that count at most.
const CORES_MAX: usize = 256;

/// How many cores count; 0 is all that there are.
fn checked_cores(wanted: usize, found: usize) -> Result<usize, ConfigError> {
    match wanted {
        0 => Ok(found),
        1..=CORES_MAX => Ok(wanted),
        _ => wrong("cores", wanted, "a number from 0 (all of the machine's) to 256 is needed"),
    }
}

/// Checks every site, and that no host or number is named twice. Hosts are from here on as those of
/// requests and commands are: `Example.org.` is `example.org`.
fn checked_sites(mut sites: Vec<RawSite>) -> Result<Vec<RawSite>, ConfigError> {
    let mut seen = HashSet::new();
    let mut numbers = HashSet::new();
    for site in &mut sites {
        let setting = site_setting(site)?;
        site.host = setting.host.to_string();
        site.aliases = setting.aliases.iter().map(ToString::to_string).collect();
        for host in std::iter::once(setting.host).chain(setting.aliases) {
            if !seen.insert(host.clone()) {
                return wrong("sites", host, "named twice; name each host and alias once");
            }
        }
        let umami = setting.umami_id.map(|id| ("sites.umami_id", id));
        let matomo = setting.matomo_id.map(|id| ("sites.matomo_id", id.to_string()));
        for (key, id) in umami.into_iter().chain(matomo) {
            if !numbers.insert((key, id.clone())) {
                return wrong(key, id, "named twice; give it to one site");
            }
        }
    }
    Ok(sites)
}

fn limits(raw: &RawLimits) -> Result<Limits, ConfigError> {
    let bounded = |key: &str, value: usize| {
        if (1..=LIMIT_MAX).contains(&value) {
            Ok(value)
        } else {
            wrong(&format!("limits.{key}"), value, "a number from 1 to 1073741824 is needed")
        }
    };
    if !(1..=4_096).contains(&raw.visitor_filter_mib) {
        return wrong(
            "limits.visitor_filter_mib",
            raw.visitor_filter_mib,
            "a number from 1 to 4096 is needed",
        );
    }
    Ok(Limits {
        names: NameLimits {
            pages_per_site_day: bounded("pages_per_site_day", raw.pages_per_site_day)?,
            targets_per_site_day: bounded("targets_per_site_day", raw.targets_per_site_day)?,
            sources_per_site_day: bounded("sources_per_site_day", raw.sources_per_site_day)?,
            campaigns_per_site_day: bounded("campaigns_per_site_day", raw.campaigns_per_site_day)?,
            names_total: bounded("names_total", raw.names_total)?,
        },
        hits_per_prefix_per_minute: raw.hits_per_prefix_per_minute,
        held_cells: bounded("held_cells", raw.held_cells)?,
        connections: bounded("connections", raw.connections)?,
        connections_per_prefix: bounded("connections_per_prefix", raw.connections_per_prefix)?,
        visitor_filter_mib: raw.visitor_filter_mib,
    })
}

fn at_least_one(key: &str, value: u32) -> Result<u32, ConfigError> {
    if value == 0 { wrong(key, value, "a number from 1 on is needed") } else { Ok(value) }
}

fn address(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        ConfigError(format!(
            "{key} = \"{text}\": an address and port is needed, such as 127.0.0.1:8080"
        ))
    })
}

pub(super) fn one_of<const N: usize>(
    key: &str,
    value: &str,
    words: [&'static str; N],
) -> Result<&'static str, ConfigError> {
    match words.into_iter().find(|word| *word == value) {
        Some(word) => Ok(word),
        None => wrong(key, format!("\"{value}\""), &format!("one of {words:?} is needed")),
    }
}

fn wrong<T>(key: &str, value: impl std::fmt::Display, right: &str) -> Result<T, ConfigError> {
    Err(ConfigError(format!("{key} = {value}: {right}")))
}
