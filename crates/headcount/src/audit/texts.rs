//! What the report says of itself: who, when, what is outside, and how to do it again.
//!
//! What it is not: what was found.
//!
//! What surprises: what a running deployment cannot be made to do (an outage, another day) is
//! listed as not examined, with the test that does it.

use std::path::Path;

use headcount_audit::channel::CHANNELS;
use headcount_audit::evidence::Evidence;
use headcount_audit::forms;
use headcount_audit::report::{
    Artefact, Control, Identity, Outside, Report, SCHEMA, Status, Verdict,
};
use headcount_audit::search::Hit;
use headcount_core::time::{Clock as _, Hour};

use super::{Audit, SITE};
use crate::cli::AuditArgs;
use crate::notice::{Facts, Mode};
use crate::wall_clock::WallClock;

/// What is not examined, and who does it.
const NOT_EXAMINED: [(&str, &str); 10] = [
    ("memory of the processes", "the tests of the key and the marks look at memory images"),
    ("swap, hibernation, snapshots", "they are the operating system's; see headcount doctor"),
    (
        "outage of Kafka, ClickHouse or the store",
        "it is not caused on a running deployment; tests/cluster/audit/outage.rs and \
         tests/audit/outage.rs audit through one",
    ),
    (
        "change of the day's key",
        "it is not caused on a running deployment; tests/audit/midnight.rs and \
         tests/cluster/audit/midnight.rs audit through two",
    ),
    (
        "re-joining, differencing, sybils, what a device keeps",
        "tests of the program attack it, with seeds and figures; tests/README.md lists them",
    ),
    ("proxies in front and their logs", "not examined, unless their files were named with --also"),
    ("backups and exports elsewhere", "not examined, unless their files were named with --also"),
    ("other collectors and machines", "run the audit on each"),
    ("the network, and TLS in front", "not examined; requests are sent to the listener itself"),
    ("trackers of other tools (compat)", "not examined; tests/compat sends what they send"),
];

/// Now, as reports write it.
pub(super) fn now() -> String {
    let seconds = WallClock.unix_seconds();
    let hour = Hour::of_unix(seconds);
    let rest = seconds - hour.unix_seconds();
    format!("{}T{:02}:{:02}:{:02}Z", hour.day(), hour.of_day(), rest / 60, rest % 60)
}

/// A time in the past, as a server's log writes it.
pub(super) fn log_time(seconds_ago: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let hour = Hour::of_unix(WallClock.unix_seconds().saturating_sub(seconds_ago));
    let (year, month, day) = hour.day().civil();
    let month = usize::try_from(month).ok().and_then(|at| MONTHS.get(at.saturating_sub(1)));
    format!("{day:02}/{}/{year}:{:02}:00:00 +0000", month.copied().unwrap_or("Jan"), hour.of_day())
}

/// A form that was there before.
pub(super) fn forgotten(hit: &Hit) -> String {
    format!("{}, {}", hit.name, hit.form)
}

/// A report that has nothing of the outcome yet.
pub(super) fn report(audit: &Audit<'_>, facts: &Facts, began: String) -> Report {
    let mode = if audit.mode == Mode::Cluster { "cluster" } else { "embedded" };
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: hash(Path::new("/proc/self/exe")).unwrap_or_else(|| "unknown".to_owned()),
        running_build: audit.running.binary().and_then(|path| hash(&path)),
        configuration: facts.hash(),
        mode: mode.to_owned(),
        site: SITE.to_owned(),
        began,
        ended: String::new(),
        seconds: 0,
        machine: machine(),
        ran_as: ran_as(&audit.config.data_dir).to_owned(),
    };
    let repeat = vec![
        again(audit.args),
        "headcount audit --help".to_owned(),
        "# the same outcome has the same hash, whatever the day".to_owned(),
    ];
    Report { identity, repeat, ..empty() }
}

/// The machine, without its name.
fn machine() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{system} {} {processor}, {cores} cores", kernel.trim())
}

/// As which user it runs, without a name.
fn ran_as(data_dir: &Path) -> &'static str {
    use std::os::unix::fs::MetadataExt as _;
    let owner = |path: &Path| std::fs::metadata(path).ok().map(|found| found.uid());
    match (owner(Path::new("/proc/self")), owner(data_dir)) {
        (Some(0), _) => "root",
        (Some(own), Some(of_data)) if own == of_data => "the owner of the data folder",
        _ => "another user than the owner of the data folder",
    }
}

/// A report of nobody.
pub(super) fn empty() -> Report {
    let outside = NOT_EXAMINED
        .iter()
        .map(|(what, why)| Outside { what: (*what).to_owned(), why: (*why).to_owned() });
    Report {
        schema: SCHEMA,
        verdict: Verdict::Incomplete,
        hash: String::new(),
        identity: Identity::default(),
        channels: CHANNELS.map(|channel| channel.name.to_owned()).to_vec(),
        requests: Vec::new(),
        artefacts: Vec::new(),
        controls: Vec::new(),
        not_examined: outside.collect(),
        forms: forms::NAMES.map(str::to_owned).to_vec(),
        forgotten: Vec::new(),
        repeat: Vec::new(),
        evidence: Evidence::default(),
    }
}

/// The command as it was given, without what only this machine has.
fn again(args: &AuditArgs) -> String {
    let mut line = "headcount audit --data DIR".to_owned();
    let given =
        |is_given: bool, flag: &str| if is_given { format!(" {flag}") } else { String::new() };
    line += &given(args.data.config.is_some(), "--config FILE");
    line += &given(args.listen.is_some(), "--listen ADDR");
    line += &given(args.stats_listen.is_some(), "--stats-listen ADDR");
    line += &given(args.serve_data.is_some(), "--serve-data DIR");
    for (values, flag) in [
        (args.ops_listen.len(), "--ops-listen ADDR"),
        (args.log.len(), "--log FILE"),
        (args.also.len(), "--also PATH"),
        (args.pid.len(), "--pid PID"),
    ] {
        line += &given(true, flag).repeat(values);
    }
    line += &given(args.control.is_some(), "--control REPORT");
    format!("{line} --seconds {} --json FILE --html FILE", args.seconds)
}

fn hash(path: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path).ok()?).ok()?;
    Some(hasher.finalize().to_hex().to_string())
}

/// A few lines for the terminal.
pub(super) fn summary(report: &Report) -> String {
    let mut text = format!("canary audit: {}\n", report.verdict.as_str());
    for Control { name, status, said, .. } in &report.controls {
        text += &format!("  {}: {name}: {said}\n", status.as_str());
    }
    for Artefact { name, status, said, findings, .. } in &report.artefacts {
        match status {
            Status::NotTested => text += &format!("  not tested: {name}: {said}\n"),
            Status::Failed => {
                let mut places: Vec<_> =
                    findings.iter().map(|found| found.place.as_str()).collect();
                places.sort_unstable();
                places.dedup();
                text += &format!("  found: {name}: {}\n", places.join(", "));
            }
            Status::Passed | Status::NotApplicable | Status::AsFound => {}
        }
    }
    for Control { name, status, said, .. } in &report.evidence.checks {
        if matches!(status, Status::Failed | Status::NotTested) {
            text += &format!("  {}: {name}: {said}\n", status.as_str());
        }
    }
    for claim in report.evidence.claims.iter().filter(|it| it.status == Status::Failed) {
        text += &format!("  not so: {}: {}\n", claim.id, claim.said);
    }
    for sent in report.requests.iter().filter(|sent| sent.unexpected > 0) {
        let (kind, unexpected) = (&sent.kind, sent.unexpected);
        text += &format!("  answered otherwise than they should: {unexpected} requests, {kind}\n");
    }
    text + &format!("  hash of the outcome: {}\n", report.hash)
}
