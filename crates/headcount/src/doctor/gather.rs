//! Finds out what the checks must know.
//!
//! What it is not: able to judge. What cannot be read is `None`, never a guess.
//!
//! What surprises: a running process says how much it has locked: its number stands beside the lock
//! that it holds on the data folder.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use headcount_collector::compat::{Client, Compat};
use headcount_store::clickhouse::Reader;
use ipnet::IpNet;
use rustix::process::{Resource, getrlimit};

use super::facts::{Facts, Folder, LockedMemory, Reach, Swap, Way};
use super::proxy::{self, Front, Visited};
use crate::config::{Config, ConfigError};
use crate::{cluster, datamap, edge, folder};

/// Longest wait for ClickHouse.
const CLICKHOUSE_PATIENCE: Duration = Duration::from_secs(5);
/// What visitors ask for, whatever the settings; one script stands for all of its hashes.
const ROUTES: [&str; 5] = ["/p.gif", "/hit", "/headcount.js", "/headcount.0.js", "/privacy"];
/// Where SQLite keeps `user_version` in the head of a file.
const USER_VERSION_AT: usize = 60;

/// Everything that can be known of this configuration here.
///
/// # Errors
/// [`ConfigError`] if a proxy's file cannot be read.
pub(super) fn facts(config: &Config, proxies: &[PathBuf]) -> Result<Facts, ConfigError> {
    let routes = routes(config.compat);
    let is_apart = config.stats_listen != config.listen;
    let stats_port = Some(config.stats_listen.port()).filter(|_| is_apart);
    let visited = Visited { routes: &routes, stats_port };
    let front = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Front { name, logging: proxy::read(&text_of(path)?, visited) })
    };
    let needed = u64::try_from(config.limits.visitor_filter_mib * 1024 + 4).unwrap_or(u64::MAX);
    Ok(Facts {
        listen: reach(config.listen.ip().to_canonical().to_string().as_str()),
        stats_listen: reach(config.stats_listen.ip().to_canonical().to_string().as_str()),
        ops_listen: reach(config.ops_listen.ip().to_canonical().to_string().as_str()),
        has_proxies: config.addresses.has_proxies(),
        has_sites: config.sites.iter().any(|site| !is_here(&site.host))
            || !folder::noted_sites(&config.data_dir).iter().all(|host| is_here(host.as_str())),
        visitors: config.visitors,
        is_strict: config.release.admission,
        crowd: config.release.crowd,
        k: config.k,
        k_day: config.k_day,
        retention_days: config.retention_days,
        kafka: config.kafka.as_ref().map(|raw| Way {
            to: raw.brokers.join(", "),
            leaves_machine: !raw.brokers.iter().all(|broker| is_here(host_of(broker))),
            is_encrypted: raw.security.ends_with("tls"),
        }),
        clickhouse: config.clickhouse.as_ref().map(|raw| {
            let (scheme, rest) = raw.url.split_once("://").unwrap_or(("", &raw.url));
            let to = rest.split('/').next().unwrap_or_default().to_owned();
            let leaves_machine = !is_here(host_of(&to));
            Way { to, leaves_machine, is_encrypted: scheme == "https" }
        }),
        clickhouse_logs: config.clickhouse.is_some().then(|| clickhouse_logs(config)).flatten(),
        swaps: fs::read_to_string("/proc/swaps").ok().map(|text| swaps(&text)),
        locked: Some(locked(config, needed)),
        core_pattern: fs::read_to_string("/proc/sys/kernel/core_pattern").ok(),
        clock_is_set: clock_is_set(),
        folder: look_into(&config.data_dir, config.retention_days, &datamap::known_files(config)),
        fronts: proxies.iter().map(front).collect::<Result<_, ConfigError>>()?,
    })
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let wrong = |what: &str| ConfigError(format!("--proxy {}: {what}", path.display()));
    let about = fs::metadata(path).map_err(|_| wrong("cannot be read; name a file"))?;
    if about.len() > proxy::FILE_BYTES_MAX {
        return Err(wrong("is larger than 4 MiB; name the file of the proxy in front"));
    }
    let bytes = fs::read(path).map_err(|_| wrong("cannot be read; name a file"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || reach(host) == Reach::Machine
}

fn clickhouse_logs(config: &Config) -> Option<Vec<String>> {
    let settings = cluster::clickhouse(config).ok()?;
    Reader::with_timeout(&settings, CLICKHOUSE_PATIENCE).ok()?.server_logs().ok()
}

/// The table of `/proc/swaps`.
pub(super) fn swaps(text: &str) -> Vec<Swap> {
    let row = |line: &str| {
        let name = line.split_whitespace().next()?;
        Some(Swap { name: name.to_owned(), is_safe: is_safe(name) })
    };
    text.lines().skip(1).filter_map(row).collect()
}

/// Whether a swap space is encrypted, or compressed memory. Of a file nobody here knows.
fn is_safe(name: &str) -> Option<bool> {
    let device = fs::canonicalize(name).unwrap_or_else(|_| name.into());
    let device = device.file_name()?.to_str()?;
    if device.starts_with("zram") {
        return Some(true);
    }
    if !name.starts_with("/dev/") {
        return None;
    }
    match fs::read_to_string(format!("/sys/class/block/{device}/dm/uuid")) {
        Ok(uuid) => Some(uuid.starts_with("CRYPT-")).filter(|crypt| *crypt),
        // A plain partition; what lies beneath a machine is not seen from within.
        Err(_) => Some(false),
    }
}

fn locked(config: &Config, needed: u64) -> LockedMemory {
    let limit = getrlimit(Resource::Memlock).maximum.map_or(u64::MAX, |bytes| bytes / 1024);
    let is_free = fs::read_to_string("/proc/self/status").is_ok_and(|text| may_lock(&text));
    let running = fs::read_to_string("/proc/locks").ok();
    let held = running.and_then(|locks| holder(&locks, &config.data_dir)).and_then(|process| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        field(&status, "VmLck:")?.parse().ok()
    });
    LockedMemory { needed, allowed: if is_free { u64::MAX } else { limit }, held }
}

/// Whether a process may lock as much as it likes (`CAP_IPC_LOCK`).
pub(super) fn may_lock(status: &str) -> bool {
    let rights = field(status, "CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    rights.is_some_and(|rights| rights & (1 << 14) != 0)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()
}

/// The process that holds the lock of the data folder, by the table of `/proc/locks`.
fn holder(locks: &str, data_dir: &Path) -> Option<u32> {
    let inode = fs::metadata(folder::lock_path(data_dir)).ok()?.ino().to_string();
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let of = words.get(5)?.rsplit(':').next()?;
        (of == inode).then(|| words.get(4)?.parse().ok())?
    })
}

/// What systemd says about NTP.
fn clock_is_set() -> Option<bool> {
    let mut asked = Command::new("timedatectl");
    let said = asked.args(["show", "--property", "NTPSynchronized", "--value"]).output().ok()?;
    match String::from_utf8_lossy(&said.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn look_into(data_dir: &Path, retention_days: u32, known: &[String]) -> Option<Folder> {
    let about = fs::metadata(data_dir).ok()?;
    let mut found = Folder { mode: about.mode() & 0o7777, ..Folder::default() };
    // A week beyond the retention is what the store itself takes to let go of the disk.
    let expired = Duration::from_secs((u64::from(retention_days) + 7) * 86_400);
    for entry in fs::read_dir(data_dir).ok()?.flatten() {
        let (name, Ok(about)) =
            (entry.file_name().to_string_lossy().into_owned(), entry.metadata())
        else {
            continue;
        };
        if about.mode() & 0o077 != 0 {
            found.open_files.push(name.clone());
        }
        if about.uid() != fs::metadata(data_dir).ok()?.uid() {
            found.foreign_files.push(name.clone());
        }
        let is_ours = datamap::is_known_file(known, &name);
        if !is_ours {
            found.unknown_files.push(name.clone());
        }
        let age = about.modified().ok().and_then(|at| at.elapsed().ok());
        if !is_ours && age.is_some_and(|age| age > expired) {
            found.expired_files.push(name);
        }
    }
    for names in [
        &mut found.open_files,
        &mut found.foreign_files,
        &mut found.unknown_files,
        &mut found.expired_files,
    ] {
        names.sort();
    }
    found.edge_version = edge_version(&data_dir.join(edge::FILE_NAME));
    Some(found)
}

/// The version in the head of an SQLite file; such a head can be read beside a running process.
fn edge_version(path: &Path) -> Option<u32> {
    use std::io::Read as _;
    let mut head = [0; USER_VERSION_AT + 4];
    fs::File::open(path).ok()?.read_exact(&mut head).ok()?;
    head.last_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
