//! The findings: what weakens the promises, why, and the line that mends it.
//!
//! What it is not: a scan of the machine. A check is a function of the facts, and each has a test
//! that it speaks and one that it is silent.
//!
//! What surprises: "ok" is a finding, too, so that a list shows what was looked at.

use serde::Serialize;

use super::facts::{Facts, Reach};
use super::proxy::{Front, Logging};

/// A preset's crowd and k: `config/check.rs` has the same.
const STANDARD: (u64, u32) = (8, 5);
/// See [`STANDARD`].
const STRICT: (u64, u32) = (20, 10);
/// The standard preset's threshold of a closed day; the strict preset's is its k.
const K_DAY: u32 = 3;
/// Days of 13 months: what is usual for counts (`notes/privacy.md`, row 34).
const RETENTION_DAYS_USUAL: u32 = 396;
/// The version of the edge file that this build writes.
pub(super) const EDGE_VERSION: u32 = 2;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Ok,
    /// It could not be found out here.
    NotTested,
    /// It keeps the promises, and could be better.
    Advice,
    /// A promise does not hold as it is written.
    Weakens,
}

/// What one check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) what: String,
    /// Why it matters; empty where it is well.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) why: &'static str,
    /// The line that mends it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) mend: &'static str,
}

/// A finding without its check.
type Said = (Level, String, &'static str, &'static str);

fn ok(what: &str) -> Said {
    (Level::Ok, what.to_owned(), "", "")
}

fn not_tested(what: &str, mend: &'static str) -> Said {
    (Level::NotTested, what.to_owned(), "", mend)
}

/// A check: its name and what it makes of the facts; `None` where there is nothing to look at.
type Check = (&'static str, fn(&Facts) -> Option<Said>);

/// Every check but those of proxies, in the order of a hit's way.
const CHECKS: [Check; 18] = [
    ("listen", listen),
    ("trusted_proxies", trusted_proxies),
    ("stats_listen", stats_listen),
    ("ops_listen", ops_listen),
    ("swap", swap),
    ("locked_memory", locked_memory),
    ("core_pattern", core_pattern),
    ("clock", clock),
    ("folder_mode", folder_mode),
    ("folder_files", folder_files),
    ("folder_copies", folder_copies),
    ("edge_version", edge_version),
    ("crowd", crowd),
    ("k", k),
    ("retention", retention),
    ("kafka", kafka),
    ("clickhouse", clickhouse),
    ("clickhouse_logs", clickhouse_logs),
];

/// Everything that is to say.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |check, said: Option<Said>| {
        found.extend(said.map(|(level, what, why, mend)| Finding {
            check,
            level,
            what,
            why,
            mend,
        }));
    };
    for (name, check) in CHECKS {
        add(name, check(facts));
    }
    if facts.fronts.is_empty() && facts.has_proxies {
        let mend = "headcount doctor --proxy /etc/nginx/nginx.conf";
        add("proxy", Some(not_tested("the configuration of the proxy was not named", mend)));
    }
    for front in &facts.fronts {
        add("proxy", Some(proxy(front)));
    }
    found
}

fn listen(facts: &Facts) -> Option<Said> {
    let why = "without TLS, whoever is on the way reads which page a visitor opens";
    Some(match (facts.listen, facts.has_proxies) {
        (Reach::Machine, _) => ok("beacons come in on this machine only"),
        (_, true) => (
            Level::Advice,
            "beacons come in past the proxy, too".to_owned(),
            "who comes past it is not encrypted",
            "listen = \"127.0.0.1:8080\", or a firewall that lets the proxy alone through",
        ),
        (Reach::Private | Reach::Everybody, false) => (
            Level::Weakens,
            "beacons come in from other machines without TLS".to_owned(),
            why,
            "put deploy/proxy/ in front, and listen = \"127.0.0.1:8080\"",
        ),
    })
}

fn trusted_proxies(facts: &Facts) -> Option<Said> {
    if facts.has_proxies {
        return Some(ok("visitors' addresses come from the proxies that are named"));
    }
    (facts.listen == Reach::Machine && facts.has_sites).then(|| {
        (
            Level::Advice,
            "sites are counted behind a proxy that is not named".to_owned(),
            "every visitor has the proxy's address: one visitor, one country, one limit for all",
            "trusted_proxies = [\"127.0.0.1\"], client_address_header = \"X-Forwarded-For\"",
        )
    })
}

fn stats_listen(facts: &Facts) -> Option<Said> {
    Some(match facts.stats_listen {
        Reach::Machine => ok("dashboard and API answer on this machine only"),
        Reach::Private => ok("dashboard and API answer in a private network, to who has a token"),
        Reach::Everybody => (
            Level::Advice,
            "dashboard and API answer to everybody who has a link or a token".to_owned(),
            "a link that got lost is enough from anywhere, and it travels without TLS",
            "stats_listen = \"127.0.0.1:8081\", behind a proxy with an allow list (deploy/proxy/)",
        ),
    })
}

fn ops_listen(facts: &Facts) -> Option<Said> {
    Some(match facts.ops_listen {
        Reach::Machine => ok("health and metrics answer on this machine only"),
        Reach::Private => (
            Level::Advice,
            "health and metrics answer to every machine of a private network".to_owned(),
            "they ask for no token; they hold counts of hits, of no site by name",
            "ops_listen = \"127.0.0.1:9464\", or a firewall that lets the monitoring alone through",
        ),
        Reach::Everybody => (
            Level::Weakens,
            "health and metrics answer to everybody".to_owned(),
            "they ask for no token, and who polls them sees each hit arrive",
            "ops_listen = \"127.0.0.1:9464\"",
        ),
    })
}

fn swap(facts: &Facts) -> Option<Said> {
    let mend = "swapoff -a and out of /etc/fstab, or encrypt it, or MemorySwapMax=0 in the unit";
    let Some(swaps) = &facts.swaps else {
        return Some(not_tested("whether memory is swapped out cannot be read", mend));
    };
    let named = |safe: fn(&Option<bool>) -> bool| {
        let names = swaps.iter().filter(|swap| safe(&swap.is_safe)).map(|swap| swap.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (open, unknown) = (named(|safe| *safe == Some(false)), named(Option::is_none));
    let why = "requests of the moment, with addresses, can be written to the disk and stay there";
    Some(if !open.is_empty() {
        (Level::Weakens, format!("swap is on and not encrypted: {open}"), why, mend)
    } else if !unknown.is_empty() {
        (Level::Weakens, format!("swap is on, and not known to be encrypted: {unknown}"), why, mend)
    } else if swaps.is_empty() {
        ok("swap is off")
    } else {
        ok("swap is encrypted, or in memory")
    })
}

fn locked_memory(facts: &Facts) -> Option<Said> {
    if !facts.visitors {
        return None;
    }
    let mend = "LimitMEMLOCK=infinity in the unit; ulimit -l unlimited; --ulimit memlock=-1";
    let why = "part of today's marks can be swapped out";
    let Some(locked) = facts.locked else {
        return Some(not_tested("how much memory may be locked cannot be read", mend));
    };
    let needed = locked.needed;
    Some(match locked.held {
        Some(held) if held >= needed => ok("the running process has locked its key and its marks"),
        Some(held) => {
            let what = format!("the running process has locked {held} of {needed} KiB");
            (Level::Weakens, what, why, mend)
        }
        None if locked.allowed >= needed => ok("key and marks may be locked in memory"),
        None => {
            let what = format!("only {} of {needed} KiB may be locked", locked.allowed);
            (Level::Weakens, what, why, mend)
        }
    })
}

fn core_pattern(facts: &Facts) -> Option<Said> {
    let Some(pattern) = &facts.core_pattern else {
        return Some(not_tested("where core dumps go cannot be read", ""));
    };
    Some(if pattern.starts_with('|') {
        (
            Level::Advice,
            "core dumps of this machine are handed to a program".to_owned(),
            "Headcount makes none, but a proxy that crashes takes requests with addresses along",
            "sysctl -w kernel.core_pattern=/dev/null, or LimitCORE=0 in the proxy's unit",
        )
    } else {
        ok("no program collects core dumps")
    })
}

fn clock(facts: &Facts) -> Option<Said> {
    let mend = "timedatectl set-ntp true";
    Some(match facts.clock_is_set {
        Some(true) => ok("the clock is set by NTP"),
        Some(false) => (
            Level::Advice,
            "the clock is not set by NTP".to_owned(),
            "days begin late or early; a key still lives no longer than a day",
            mend,
        ),
        None => not_tested("whether the clock is set by NTP cannot be read", mend),
    })
}

fn folder_mode(facts: &Facts) -> Option<Said> {
    let Some(folder) = &facts.folder else {
        return Some(not_tested("there is no data folder yet", "headcount doctor --data DIR"));
    };
    let open = folder.mode & 0o077;
    Some(if open != 0 {
        (
            Level::Weakens,
            format!("others than its owner may enter the data folder (mode {:o})", folder.mode),
            "it holds attribute values below k, and until they leave today's page names",
            "chmod 700 on the data folder",
        )
    } else if !folder.open_files.is_empty() {
        (
            Level::Advice,
            format!("files in it are open to others: {}", some(&folder.open_files)),
            "the folder protects them only as long as nobody opens it, or copies them",
            "chmod 600 on the files in the data folder",
        )
    } else {
        ok("only its owner may look into the data folder")
    })
}

fn folder_files(facts: &Facts) -> Option<Said> {
    let folder = facts.folder.as_ref()?;
    Some(if folder.foreign_files.is_empty() {
        ok("everything in the data folder has one owner")
    } else {
        (
            Level::Advice,
            format!("files of another owner: {}", some(&folder.foreign_files)),
            "a command was run as somebody else; the process may not be able to write them",
            "chown -R the data folder to the user of the process",
        )
    })
}

fn folder_copies(facts: &Facts) -> Option<Said> {
    let folder = facts.folder.as_ref()?;
    Some(if !folder.expired_files.is_empty() {
        (
            Level::Weakens,
            format!("older than counts are kept: {}", some(&folder.expired_files)),
            "counts in them outlive retention_days, and an erased site is still in them",
            "delete them",
        )
    } else if folder.unknown_files.is_empty() {
        ok("the data folder holds nothing but Headcount's files")
    } else {
        (
            Level::Advice,
            format!("not Headcount's: {}", some(&folder.unknown_files)),
            "retention and erasing do not reach copies",
            "keep copies elsewhere, and delete them after notice.backup_days",
        )
    })
}

fn edge_version(facts: &Facts) -> Option<Said> {
    let version = facts.folder.as_ref()?.edge_version?;
    Some(if version < EDGE_VERSION {
        (
            Level::Advice,
            format!("the edge file is of an older version ({version})"),
            "it is brought up to date at the next start",
            "restart headcount",
        )
    } else {
        ok("the edge file is of this version")
    })
}

const fn preset(facts: &Facts) -> (u64, u32) {
    if facts.is_strict { STRICT } else { STANDARD }
}

fn crowd(facts: &Facts) -> Option<Said> {
    let (least, _) = preset(facts);
    Some(if facts.crowd < least {
        (
            Level::Weakens,
            format!("crowd = {} is below the preset's {least}", facts.crowd),
            "a batch with few visitors comes close to a visitor's row",
            "leave crowd out of the settings",
        )
    } else {
        ok("attribute counts leave in crowds")
    })
}

fn k(facts: &Facts) -> Option<Said> {
    let (_, least) = preset(facts);
    let least_day = if facts.is_strict { least } else { K_DAY };
    Some(if facts.k_day < least_day {
        (
            Level::Weakens,
            format!("k_day = {} is below the preset's {least_day}", facts.k_day),
            "closed days keep the names of values that point at few, for as long as counts are kept",
            "leave k and k_day out of the settings",
        )
    } else if facts.k < least {
        (
            Level::Weakens,
            format!("k = {} is below the preset's {least}", facts.k),
            "a value that few share points at them",
            "leave k out of the settings",
        )
    } else {
        ok("attribute values of few visitors are folded")
    })
}

fn retention(facts: &Facts) -> Option<Said> {
    Some(if facts.retention_days > RETENTION_DAYS_USUAL {
        (
            Level::Advice,
            format!("counts are kept for {} days", facts.retention_days),
            "13 months allow a comparison with last year; nothing needs more",
            "retention_days = 396",
        )
    } else {
        ok("counts are kept for 13 months at most")
    })
}

fn kafka(facts: &Facts) -> Option<Said> {
    let way = facts.kafka.as_ref()?;
    Some(if way.leaves_machine && !way.is_encrypted {
        (
            Level::Weakens,
            format!("batches travel in plain text to {}", way.to),
            "whoever is on the way reads page names and counts, and can change them",
            "kafka.security = \"sasl_tls\"",
        )
    } else {
        ok("the way to Kafka is encrypted, or does not leave the machine")
    })
}

fn clickhouse(facts: &Facts) -> Option<Said> {
    let way = facts.clickhouse.as_ref()?;
    Some(if way.leaves_machine && !way.is_encrypted {
        (
            Level::Weakens,
            format!("counts and password travel in plain text to {}", way.to),
            "whoever is on the way reads them, and can change them",
            "clickhouse.url = \"https://…:8443\"",
        )
    } else {
        ok("the way to ClickHouse is encrypted, or does not leave the machine")
    })
}

fn clickhouse_logs(facts: &Facts) -> Option<Said> {
    facts.clickhouse.as_ref()?;
    let mend =
        "deploy/clickhouse/quiet.xml into config.d, and DROP TABLE system.query_log and the others";
    Some(match &facts.clickhouse_logs {
        None => not_tested("ClickHouse could not be asked for its logs", mend),
        Some(logs) if logs.is_empty() => {
            not_tested("no log of ClickHouse's own is seen by the configured user", mend)
        }
        Some(logs) => (
            Level::Weakens,
            format!("ClickHouse keeps logs of its own: {}", some(logs)),
            "they are a second record beside the counts, with what analysts asked and when",
            mend,
        ),
    })
}

fn proxy(front: &Front) -> Said {
    let name = &front.name;
    let why = "an access log holds address, browser, page and time of every visitor";
    let mend = "see deploy/proxy/ for the lines";
    match &front.logging {
        Logging::Off => ok(&format!("{name}: no access log for the routes of visitors")),
        Logging::On(routes) => {
            let what = format!("{name}: the access log is on for {}", some(routes));
            (Level::Weakens, what, why, mend)
        }
        Logging::Unknown(reason) => not_tested(&format!("{name}: {reason}"), mend),
    }
}

/// Three names at most.
fn some(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let end = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{end}", shown.join(", "))
}
