//! Who may read, what was done, and what the tables are: tokens, the admin log, rights on ClickHouse,
//! the map of the tables, small cells of closed days.
//!
//! What it is not: a doctor. What weakens a machine is `headcount doctor`'s.
//!
//! What surprises: tokens, admin log and tables are looked at by the commands that everybody has, as the
//! owner of the folder: a file that one makes beside a database must be the running process's to write.

use std::collections::BTreeMap;

use headcount_audit::evidence::{SmallCells, Tokens};
use headcount_audit::report::{Control, Status};
use headcount_store::clickhouse::Reader;
use headcount_store::clickhouse::grants::{Allowed, Part, check};
use headcount_store::{StoreError, shape, sqlite};
use headcount_transport::kafka::topic::{self, Life};

use super::client::{self, Reply};
use super::commands::Commands;
use super::finder::{API, Finder};
use super::{Audit, SITE};
use crate::cluster;
use crate::notice::Mode;

/// The names of checks, as sentences rest on them.
pub(super) const TABLES: &str = "tables, columns and rows";
pub(super) const NOBODY: &str = "without a token";
pub(super) const TOPIC: &str = "how long Kafka's topic keeps records";
const GRANTS: &str = "rights of ClickHouse's user";
/// Longest wait for a broker that does not answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// How long ClickHouse may look for small cells.
const SMALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
/// What a difference says where a place did not answer (`datamap::compare`).
const NOT_LOOKED_AT: &str = "was not looked at";
/// What the admin log's check says of an entry that is not as it was.
const BROKEN: &str = "does not hold";

fn told(name: &str, status: Status, said: impl Into<String>) -> Control {
    Control { name: name.to_owned(), status, said: said.into(), needed: true }
}

/// Tokens that open something, for each folder, before the audit makes its own.
pub(super) fn tokens(audit: &Audit<'_>, finder: &mut Finder) -> (Vec<Tokens>, Vec<Control>) {
    let (mut all, mut checks) = (Vec::new(), Vec::new());
    for (folder, commands) in audit.commands.folders(audit.mode) {
        let name = format!("tokens of {folder}");
        match commands.must(&["token", "list"], "", finder) {
            Ok(list) => match counted(folder, &list) {
                Some(found) => {
                    let count: u64 = found.iter().map(|it| it.count).sum();
                    checks.push(told(&name, Status::AsFound, format!("{count} open something")));
                    all.extend(found);
                }
                None => {
                    let said = "headcount token list said something else than expected";
                    checks.push(told(&name, Status::NotTested, said));
                }
            },
            Err(error) => checks.push(told(&name, Status::NotTested, error.to_string())),
        }
    }
    (all, checks)
}

/// Counts the lines of `headcount token list` that are valid; `None` if one cannot be read.
fn counted(folder: &str, list: &str) -> Option<Vec<Tokens>> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for line in list.lines().skip(1) {
        let words: Vec<&str> = line.split('\t').collect();
        match words.as_slice() {
            [_, _, kind, role, _, _, _, "valid", ..] => {
                *counts.entry((kind, role)).or_default() += 1;
            }
            [_, _, _, _, _, _, _, "revoked" | "expired", ..] => {}
            _ => return None,
        }
    }
    let row = |((kind, role), count): ((&str, &str), u64)| Tokens {
        folder: folder.to_owned(),
        kind: kind.to_owned(),
        role: role.to_owned(),
        count,
    };
    Some(counts.into_iter().map(row).collect())
}

/// Asks for the numbers of the audit's site without a token.
pub(super) fn nobody(audit: &Audit<'_>, finder: &mut Finder) -> Control {
    let address = &audit.running.analysts;
    let question =
        format!("{{\"site_id\":\"{SITE}\",\"metrics\":[\"pageviews\"],\"date_range\":\"7d\"}}");
    let export = format!("GET /api/v1/export.csv?site={SITE}&by=page");
    let mut statuses: Vec<u16> = Vec::new();
    for (line, body) in [("POST /api/v2/query", question.as_str()), (export.as_str(), "")] {
        let headers = format!("Host: {address}\r\n{}", audit.asking());
        let request = client::request(line, &headers, body);
        let Some(Reply { status, bytes, .. }) = client::send(address, &request) else {
            return told(NOBODY, Status::NotTested, "the listener for analysts did not answer");
        };
        finder.bytes(API, "without a token", &bytes);
        statuses.push(status);
    }
    let words: Vec<String> = statuses.iter().map(u16::to_string).collect();
    told(NOBODY, closed(&statuses), format!("API and export answered {}", words.join(" and ")))
}

/// What answers to nobody come to. Where a network may not ask (403), or there was no time, nothing is
/// shown about tokens.
fn closed(statuses: &[u16]) -> Status {
    let is_unknown = |status: &u16| matches!(*status, 403 | 408 | 429 | 500..);
    if statuses.iter().any(|status| *status != 401 && !is_unknown(status)) {
        Status::Failed
    } else if statuses.iter().any(is_unknown) || statuses.is_empty() {
        Status::NotTested
    } else {
        Status::Passed
    }
}

/// The tables as the map has them, the admin log, and the rights on ClickHouse.
pub(super) fn checks(audit: &Audit<'_>, finder: &mut Finder) -> Vec<Control> {
    let mut all = vec![tables(&audit.commands, finder)];
    for (folder, commands) in audit.commands.folders(audit.mode) {
        all.push(admin_log(folder, commands, finder));
    }
    all.push(match audit.mode {
        Mode::Embedded => told(GRANTS, Status::NotApplicable, "there is no ClickHouse"),
        Mode::Cluster => grants(audit),
    });
    all.push(match audit.mode {
        Mode::Embedded => told(TOPIC, Status::NotApplicable, "there is no Kafka"),
        Mode::Cluster => topic_life(audit),
    });
    all
}

/// What the broker says. Only of a topic that Headcount makes does the notice name the days.
fn topic_life(audit: &Audit<'_>) -> Control {
    let life = cluster::kafka(audit.config)
        .map_err(|error| format!("{error:#}"))
        .and_then(|settings| topic::life(&settings, PATIENCE).map_err(|error| error.to_string()));
    let is_ours = audit.config.kafka.as_ref().is_some_and(|kafka| kafka.create_topic);
    let (status, said) = lives(life, is_ours);
    told(TOPIC, status, said)
}

fn lives(life: Result<Life, String>, is_ours: bool) -> (Status, String) {
    match life.map(Life::excess) {
        Err(why) => (Status::NotTested, why),
        Ok(None) => (Status::Passed, format!("{} days at most", topic::LIFE_DAYS_MAX)),
        Ok(Some(excess)) if is_ours => (Status::Failed, format!("it {excess}")),
        Ok(Some(excess)) => (Status::AsFound, format!("it {excess}")),
    }
}

fn tables(commands: &Commands, finder: &mut Finder) -> Control {
    let output = match commands.run(&["schema", "--check"], "", finder) {
        Ok(output) => output,
        Err(error) => return told(TABLES, Status::NotTested, error.to_string()),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let (status, said) = judged(output.status.success(), &said);
    told(TABLES, status, said)
}

/// What `headcount schema --check` came to: a place that did not answer is no difference here.
fn judged(is_so: bool, said: &str) -> (Status, String) {
    let lines: Vec<&str> = said.lines().map(|line| line.trim_start_matches("- ")).collect();
    let is_unseen = |line: &&str| line.contains(NOT_LOOKED_AT);
    let status = match is_so {
        true => Status::Passed,
        false if lines.iter().all(is_unseen) => Status::NotTested,
        false => Status::Failed,
    };
    (status, if lines.is_empty() { "nothing was said".to_owned() } else { lines.join("; ") })
}

fn admin_log(folder: &str, commands: &Commands, finder: &mut Finder) -> Control {
    let name = format!("admin log of {folder}");
    let output = match commands.run(&["admin-log", "verify"], "", finder) {
        Ok(output) => output,
        Err(error) => return told(&name, Status::NotTested, error.to_string()),
    };
    let (said, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.success() {
        // The hash of the end is the operator's to keep.
        true => {
            let entries = said.split(',').next().unwrap_or_default();
            told(&name, Status::Passed, format!("{entries}, each as it was written"))
        }
        false if errors.contains(BROKEN) => told(&name, Status::Failed, errors.trim()),
        false => told(&name, Status::NotTested, errors.trim()),
    }
}

fn grants(audit: &Audit<'_>) -> Control {
    let settings = match cluster::clickhouse(audit.config) {
        Ok(settings) => settings,
        Err(error) => return told(GRANTS, Status::NotTested, format!("{error:#}")),
    };
    let mut said = Vec::new();
    for part in Part::ALL {
        match check(&settings, part) {
            Ok(allowed) if allowed == Allowed::default() => {
                let said = format!("those of {} and no others", part.role());
                return told(GRANTS, Status::Passed, said);
            }
            Ok(Allowed { missing, surplus }) => {
                for (word, rights) in [("lacks", missing), ("needs no", surplus)] {
                    if !rights.is_empty() {
                        said.push(format!("as {}: {word} {}", part.role(), rights.join(", ")));
                    }
                }
            }
            Err(error) => return told(GRANTS, Status::NotTested, error.to_string()),
        }
    }
    told(GRANTS, Status::AsFound, format!("{}; see headcount grants", said.join("; ")))
}

/// How small the cells of closed days are.
pub(super) fn small_cells(audit: &Audit<'_>) -> Vec<SmallCells> {
    let k_day = audit.config.k_day;
    let (store, found) = match audit.mode {
        Mode::Embedded => {
            let path = audit.config.data_dir.join(sqlite::FILE_NAME);
            (sqlite::FILE_NAME, shape::small_cells(&path, k_day).map_err(|it| it.to_string()))
        }
        Mode::Cluster => ("ClickHouse", of_clickhouse(audit)),
    };
    let store = store.to_owned();
    vec![match found {
        Ok(shape::SmallCells { named, smallest, below, folded, sites, unusable }) => {
            let said = if named == 0 { "no closed day has a named value yet" } else { "" };
            let said = said.to_owned();
            SmallCells { store, named, smallest, below, k_day, folded, said, sites, unusable }
        }
        Err(why) => {
            SmallCells { store, k_day, said: format!("not tested: {why}"), ..SmallCells::default() }
        }
    }]
}

fn of_clickhouse(audit: &Audit<'_>) -> Result<shape::SmallCells, String> {
    let settings = cluster::clickhouse(audit.config).map_err(|error| format!("{error:#}"))?;
    let look = || Reader::with_timeout(&settings, SMALL_TIMEOUT)?.small_cells(audit.config.k_day);
    look().map_err(|error: StoreError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_that_open_something_are_counted() {
        let list = "id\tsite\tkind\trole\tmade\texpires\tused\tstate\tname\n\
            1\ta.example\tapi\towner\t2026-11-21\tnever\t-\tvalid\tvalid\n\
            2\t(all)\tapi\towner\t2026-11-21\tnever\t-\trevoked\tvalid\n\
            3\ta.example\tshare\tviewer\t2026-11-21\tnever\t-\tvalid\t\n\
            4\ta.example\tapi\towner\t2026-11-21\tnever\t-\tvalid\t\n\
            5\ta.example\tlink\tviewer\t2026-11-21\t2026-11-21\t-\texpired\t\n";
        let found = counted("up", list).unwrap();
        let found: Vec<_> = found.into_iter().map(|it| (it.kind, it.role, it.count)).collect();
        let row = |kind: &str, role: &str, count| (kind.to_owned(), role.to_owned(), count);
        assert_eq!(found, [row("api", "owner", 2), row("share", "viewer", 1)]);
        assert!(counted("up", &list.replace("revoked", "borrowed")).is_none());
        assert!(counted("up", &list.replace('\t', " ")).is_none());
    }

    #[test]
    fn only_a_missing_token_shows_that_one_is_needed() {
        for (statuses, expect) in [
            (&[401, 401][..], Status::Passed),
            (&[403, 403], Status::NotTested),
            (&[401, 403], Status::NotTested),
            (&[401, 503], Status::NotTested),
            (&[], Status::NotTested),
            (&[401, 200], Status::Failed),
            (&[200, 403], Status::Failed),
            (&[400, 401], Status::Failed),
        ] {
            assert_eq!(closed(statuses), expect, "{statuses:?}");
        }
    }

    #[test]
    fn a_topic_that_keeps_more_than_the_notice_says_fails_where_the_notice_says_it() {
        let life = |retention_ms| Ok(Life { retention_ms, segment_ms: 86_400_000, ahead_ms: None });
        assert_eq!(lives(life(Some(604_800_000)), true).0, Status::Passed);
        assert_eq!(lives(life(Some(604_800_001)), true).0, Status::Failed);
        assert_eq!(lives(life(None), true).0, Status::Failed);
        assert_eq!(lives(life(None), false).0, Status::AsFound);
        assert_eq!(lives(Err("no answer".to_owned()), true).0, Status::NotTested);
    }

    #[test]
    fn a_place_that_did_not_answer_is_not_tested() {
        let unseen = "- clickhouse: was not looked at: the server is silent\n";
        let odd = "- counts.db: the table visitors is there and not in the map\n";
        assert_eq!(judged(true, "every table is as it may be\n").0, Status::Passed);
        assert_eq!(judged(false, unseen).0, Status::NotTested);
        assert_eq!(judged(false, &[unseen, odd].concat()).0, Status::Failed);
        assert!(judged(false, odd).1.contains("visitors"));
    }
}
