//! The findings: what weakens the promises, why, and the line that mends it.
//!
//! What it is not: a scan of the machine. A check is a function of the facts, and each has a test
//! that it speaks and one that it is silent.
//!
//! What surprises: "ok" is a finding, too, so that a list shows what was looked at.

mod folder;
mod listeners;
mod machine;
mod page;

use serde::Serialize;

use super::facts::Facts;
use super::proxy::{Front, Logging};
use crate::config::Preset;

/// Days of 13 months: what is usual for counts (`notes/privacy.md`, row 34).
const RETENTION_DAYS_USUAL: u32 = 396;

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
const CHECKS: [Check; 25] = [
    ("listen", listeners::listen),
    ("trusted_proxies", listeners::trusted_proxies),
    ("stats_listen", listeners::stats_listen),
    ("stats_url", listeners::stats_url),
    ("ops_listen", listeners::ops_listen),
    ("swap", machine::swap),
    ("locked_memory", machine::locked_memory),
    ("core_pattern", machine::core_pattern),
    ("clock", machine::clock),
    ("folder_mode", folder::folder_mode),
    ("folder_files", folder::folder_files),
    ("folder_copies", folder::folder_copies),
    ("backups", folder::backups),
    ("edge_version", folder::edge_version),
    ("crowd", crowd),
    ("k", k),
    ("retention", retention),
    ("kafka", kafka),
    ("kafka_topic", kafka_topic),
    ("clickhouse", clickhouse),
    ("clickhouse_logs", clickhouse_logs),
    ("notice", folder::notice),
    ("page_cookies", page::cookies),
    ("page_others", page::others),
    ("page_snippet", page::snippet),
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
        add("proxy_tickets", tickets(front));
    }
    found
}

fn crowd(facts: &Facts) -> Option<Said> {
    let least = u64::from(Preset::of(facts.is_strict).crowd);
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
    let Preset { k: least, k_day: least_day, .. } = Preset::of(facts.is_strict);
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
    Some(if way.is_open() {
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

fn kafka_topic(facts: &Facts) -> Option<Said> {
    facts.kafka.as_ref()?;
    let mend = "kafka-configs.sh --alter --topic TOPIC --add-config \
                retention.ms=604800000,segment.ms=86400000";
    let Some(life) = facts.topic else {
        return Some(not_tested("Kafka could not be asked how long the topic keeps records", mend));
    };
    Some(if let Some(excess) = life.excess() {
        (
            Level::Weakens,
            format!("the topic {excess}"),
            "names of pages stay in it that no count has any more, those of erased sites too",
            mend,
        )
    } else if life.takes_the_future() {
        (
            Level::Advice,
            "the topic takes records from more than a day ahead".to_owned(),
            "a collector whose clock is ahead makes its records stay as much longer",
            "kafka-configs.sh --alter --topic TOPIC --add-config \
             message.timestamp.after.max.ms=3600000",
        )
    } else {
        ok("the topic lets go of a record within 8 days")
    })
}

fn clickhouse(facts: &Facts) -> Option<Said> {
    let way = facts.clickhouse.as_ref()?;
    Some(if way.is_open() {
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

fn tickets(front: &Front) -> Option<Said> {
    front.keeps_tickets.then(|| {
        (
            Level::Advice,
            format!("{}: Caddy gives each browser a TLS ticket", front.name),
            "while the ticket is good, up to a week, the proxy could know the browser again; it is not told on",
            "in Caddy's JSON: apps.tls.session_tickets.disabled = true; its Caddyfile has no line for it",
        )
    })
}

/// Three names at most.
fn some(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let end = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{end}", shown.join(", "))
}
