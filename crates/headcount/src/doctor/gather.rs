//! Finds out what the checks must know.
//!
//! What it is not: able to judge. What cannot be read is `None`, never a guess.
//!
//! What surprises: a running process says how much it has locked: its number stands beside the lock
//! that it holds on the data folder.

pub(super) mod folder;
pub(super) mod swap;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use headcount_collector::compat::{Client, Compat};
use headcount_store::clickhouse::Reader;
use headcount_transport::kafka::topic::{self, Life};
use ipnet::IpNet;
use rustix::process::{Resource, getrlimit};

use super::facts::{Facts, LockedMemory, Published, Reach};
use super::page;
use super::proxy::{self, Front, Visited};
use crate::cli::DoctorArgs;
use crate::cluster::way::{self, is_here};
use crate::config::{Config, ConfigError};
use crate::notice::{self, Mode};
use crate::{cluster, datamap};

/// Longest wait for Kafka.
const KAFKA_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for ClickHouse.
const CLICKHOUSE_PATIENCE: Duration = Duration::from_secs(5);
/// What visitors ask for, whatever the settings; one script stands for all of its hashes.
const ROUTES: [&str; 5] = ["/p.gif", "/hit", "/headcount.js", "/headcount.0.js", "/privacy"];
/// What systemd's clock keeper leaves where it has set the clock.
const CLOCK_IS_SET: &str = "/run/systemd/timesync/synchronized";
/// Largest published notice that is read.
const NOTICE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Hexadecimal digits of a notice's hash.
const HASH_DIGITS: usize = 64;

/// Everything that can be known of this configuration here.
///
/// # Errors
/// [`ConfigError`] if a file that was named cannot be read.
pub(super) fn facts(config: &Config, args: &DoctorArgs) -> Result<Facts, ConfigError> {
    let routes = routes(config.compat);
    let page = args.page.as_deref().map(|text| page::address(text, &routes)).transpose()?;
    let is_apart = config.stats_listen != config.listen;
    let kept_days = kept_days(config);
    let kept = Duration::from_secs(kept_days * 86_400);
    let stats_port = Some(config.stats_listen.port()).filter(|_| is_apart);
    let visited = Visited { routes: &routes, stats_port };
    let front = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = text_of("--proxy", path, proxy::FILE_BYTES_MAX)?;
        Ok(Front {
            name,
            logging: proxy::read(&text, Some(path), visited),
            keeps_tickets: proxy::keeps_tickets(&text, visited),
        })
    };
    let needed = u64::try_from(config.limits.visitor_filter_mib * 1024 + 4).unwrap_or(u64::MAX);
    Ok(Facts {
        listen: reach(config.listen.ip().to_canonical().to_string().as_str()),
        stats_listen: reach(config.stats_listen.ip().to_canonical().to_string().as_str()),
        ops_listen: reach(config.ops_listen.ip().to_canonical().to_string().as_str()),
        stats_share_listen: !is_apart,
        analysts_are_listed: !config.addresses.admits_all(),
        operators_are_listed: !config.operators.admits_all(),
        has_proxies: config.addresses.has_proxies(),
        is_reached_by_tls: config.stats_url.as_ref().is_some_and(|it| it.starts_with("https://")),
        has_sites: config.sites.iter().any(|site| !is_here(&site.host))
            || !crate::folder::noted_sites(&config.data_dir)
                .iter()
                .all(|host| is_here(host.as_str())),
        visitors: config.visitors,
        is_strict: config.release.admission,
        crowd: config.release.crowd,
        k: config.k,
        k_day: config.k_day,
        retention_days: config.retention_days,
        kafka: way::to_kafka(config),
        topic: config.kafka.is_some().then(|| topic_life(config)).flatten(),
        clickhouse: way::to_clickhouse(config),
        clickhouse_logs: config.clickhouse.is_some().then(|| clickhouse_logs(config)).flatten(),
        swaps: fs::read_to_string("/proc/swaps")
            .ok()
            .map(|text| swap::swaps(&text, Path::new("/sys"))),
        locked: Some(locked(config, needed)),
        core_pattern: fs::read_to_string("/proc/sys/kernel/core_pattern").ok(),
        clock_is_set: clock_is_set(),
        from_the_future: folder::from_the_future(&config.data_dir),
        folder: folder::folder(&config.data_dir, kept, &datamap::known_files(config)),
        backups: folder::backups(&config.data_dir, kept_days, |it| {
            crate::folder::holder(it).is_some()
        }),
        backups_are_said: config.notice.backup_days > 0,
        has_notice: config.notice.is_begun(),
        notices: args.notice.iter().map(|path| notice(config, path)).collect::<Result<_, _>>()?,
        page: page.map(|url| page::look(&url)),
        fronts: args.proxy.iter().map(front).collect::<Result<_, ConfigError>>()?,
    })
}

fn text_of(flag: &str, path: &Path, bytes_max: u64) -> Result<String, ConfigError> {
    let wrong = |what: &str| ConfigError(format!("{flag} {}: {what}", path.display()));
    let about = fs::metadata(path).map_err(|_| wrong("cannot be read; name a file"))?;
    if about.len() > bytes_max {
        return Err(wrong("is larger than 4 MiB; is it the right file?"));
    }
    let bytes = fs::read(path).map_err(|_| wrong("cannot be read; name a file"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Days that a copy of the data folder may live: what the notice says, else what the store itself takes to
/// let go of a day, a week beyond the retention.
fn kept_days(config: &Config) -> u64 {
    match config.notice.backup_days {
        0 => u64::from(config.retention_days) + 7,
        said => u64::from(said),
    }
}

/// What a published notice was made of.
fn notice(config: &Config, path: &Path) -> Result<(String, Published), ConfigError> {
    let text = text_of("--notice", path, NOTICE_BYTES_MAX)?;
    let published_of = "what was published cannot be read from control.db";
    let facts = notice::Facts::running(config, Mode::of(config), Vec::new())
        .map_err(|error| ConfigError(format!("--notice: {published_of}: {error:#}")))?;
    let hash = facts.hash();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, published(&text, &hash)))
}

/// Whether a text holds this hash, another one, or none.
pub(super) fn published(text: &str, hash: &str) -> Published {
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    let mut hashes = words.filter(|word| word.len() == HASH_DIGITS).peekable();
    if hashes.peek().is_none() {
        Published::WithoutHash
    } else if hashes.any(|found| found == hash) {
        Published::OfThese
    } else {
        Published::OfOthers
    }
}

/// The paths that visitors ask for under these settings.
fn routes(compat: Compat) -> Vec<&'static str> {
    let of = |client| match client {
        Client::Plausible => "/api/event",
        Client::Umami => "/api/send",
        Client::Goatcounter => "/count",
        Client::Matomo => "/matomo.php",
    };
    let more = Client::NAMES.into_iter().map(|(_, client)| client);
    ROUTES.into_iter().chain(more.filter(|client| compat.has(*client)).map(of)).collect()
}

/// Who reaches a listener at this address.
fn reach(address: &str) -> Reach {
    let bits = if address.contains(':') { 128 } else { 32 };
    let Ok(address) = format!("{address}/{bits}").parse::<IpNet>() else { return Reach::Everybody };
    let within = |networks: &[&str]| {
        let mut networks = networks.iter().filter_map(|network| network.parse::<IpNet>().ok());
        networks.any(|network| network.contains(&address))
    };
    if within(&["127.0.0.0/8", "::1/128"]) {
        Reach::Machine
    } else if within(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"]) {
        Reach::Private
    } else {
        Reach::Everybody
    }
}

fn topic_life(config: &Config) -> Option<Life> {
    topic::life(&cluster::kafka(config).ok()?, KAFKA_PATIENCE).ok()
}

fn clickhouse_logs(config: &Config) -> Option<Vec<String>> {
    let settings = cluster::clickhouse(config).ok()?;
    Reader::with_timeout(&settings, CLICKHOUSE_PATIENCE).ok()?.server_logs().ok()
}

fn locked(config: &Config, needed: u64) -> LockedMemory {
    let limit = getrlimit(Resource::Memlock).maximum.map_or(u64::MAX, |bytes| bytes / 1024);
    let is_free = fs::read_to_string("/proc/self/status").is_ok_and(|text| may_lock(&text));
    let process = crate::folder::holder(&config.data_dir);
    let held = process.and_then(|process| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        field(&status, "VmLck:")?.parse().ok()
    });
    LockedMemory {
        needed,
        allowed: if is_free { u64::MAX } else { limit },
        runs: process.is_some(),
        held,
    }
}

/// Whether a process may lock as much as it likes (`CAP_IPC_LOCK`).
pub(super) fn may_lock(status: &str) -> bool {
    let rights = field(status, "CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    rights.is_some_and(|rights| rights & (1 << 14) != 0)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()
}

/// What systemd says about NTP; where nobody can be asked, what its clock keeper left.
fn clock_is_set() -> Option<bool> {
    let mut asked = Command::new("timedatectl");
    let said = asked.args(["show", "--property", "NTPSynchronized", "--value"]).output().ok();
    match said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).as_deref() {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => Path::new(CLOCK_IS_SET).exists().then_some(true),
    }
}
