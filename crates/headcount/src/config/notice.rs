//! `[notice]`: what only the owner knows and the texts for visitors need.
//!
//! What it is not: needed to count. What is missing is asked for when a text is made.
//!
//! What surprises: the owner's words pass the same check as ours. A claim that no program can keep
//! is refused before a port opens.

use headcount_collector::totals::Tool;
use headcount_core::time::Day;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::raw::{RawConfig, one_or_many};
use crate::notice::claims;

/// Bytes of one text at most.
const TEXT_BYTES_MAX: usize = 1_000;
/// Largest number of days that backups and logs are said to be kept.
const DAYS_MAX: u32 = 3_650;

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawNotice {
    /// Language of `GET /privacy` without `lang`.
    pub(crate) language: String,
    /// `script` or `pixel`: what the pages carry; `log`: they carry nothing, and the log of the web
    /// server is counted; empty: not said.
    pub(crate) tracker: String,
    /// Whether logs of the web server are counted besides.
    pub(crate) imports_logs: bool,
    /// Days that these logs are kept; 0: not said.
    pub(crate) log_days: u32,
    /// Tools whose totals were taken over, as `headcount import-totals` names them.
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) imports_totals: Vec<String>,
    /// Who is responsible.
    pub(crate) controller: String,
    /// Where to write to.
    pub(crate) contact: String,
    /// The supervisory authority.
    pub(crate) authority: String,
    /// The data protection officer.
    pub(crate) dpo: String,
    /// Who runs the counting on behalf of the one who is responsible.
    pub(crate) processor: String,
    /// The authority for cookies and the like, if it is another one.
    pub(crate) cookie_authority: String,
    /// Where the report of the last audit can be read.
    pub(crate) audit_report: String,
    /// The day since which the text applies.
    pub(crate) since: String,
    /// Days that backups of the counts are kept; 0: not said.
    pub(crate) backup_days: u32,
    pub(crate) storage_en: String,
    pub(crate) storage_sv: String,
    pub(crate) legal_ground_en: String,
    pub(crate) legal_ground_sv: String,
    pub(crate) purpose_en: String,
    pub(crate) purpose_sv: String,
    pub(crate) recipients_en: String,
    pub(crate) recipients_sv: String,
    pub(crate) changes_en: String,
    pub(crate) changes_sv: String,
}

impl Default for RawNotice {
    fn default() -> Self {
        Self {
            language: "en".into(),
            tracker: String::new(),
            imports_logs: false,
            log_days: 0,
            imports_totals: Vec::new(),
            controller: String::new(),
            contact: String::new(),
            authority: String::new(),
            dpo: String::new(),
            processor: String::new(),
            cookie_authority: String::new(),
            audit_report: String::new(),
            since: String::new(),
            backup_days: 0,
            storage_en: String::new(),
            storage_sv: String::new(),
            legal_ground_en: String::new(),
            legal_ground_sv: String::new(),
            purpose_en: String::new(),
            purpose_sv: String::new(),
            recipients_en: String::new(),
            recipients_sv: String::new(),
            changes_en: String::new(),
            changes_sv: String::new(),
        }
    }
}

impl RawNotice {
    /// Every text of the owner, by its key.
    pub(crate) fn texts(&self) -> [(&'static str, &str); 18] {
        [
            ("notice.controller", &self.controller),
            ("notice.contact", &self.contact),
            ("notice.authority", &self.authority),
            ("notice.dpo", &self.dpo),
            ("notice.processor", &self.processor),
            ("notice.cookie_authority", &self.cookie_authority),
            ("notice.audit_report", &self.audit_report),
            ("notice.since", &self.since),
            ("notice.storage_en", &self.storage_en),
            ("notice.storage_sv", &self.storage_sv),
            ("notice.legal_ground_en", &self.legal_ground_en),
            ("notice.legal_ground_sv", &self.legal_ground_sv),
            ("notice.purpose_en", &self.purpose_en),
            ("notice.purpose_sv", &self.purpose_sv),
            ("notice.recipients_en", &self.recipients_en),
            ("notice.recipients_sv", &self.recipients_sv),
            ("notice.changes_en", &self.changes_en),
            ("notice.changes_sv", &self.changes_sv),
        ]
    }

    /// Whether anything is said at all.
    pub(crate) fn is_begun(&self) -> bool {
        self.texts().iter().any(|(_, text)| !text.is_empty()) || !self.tracker.is_empty()
    }

    /// Whether the log of the web server is all that is counted.
    pub(crate) fn is_log_alone(&self) -> bool {
        self.tracker == "log"
    }

    /// Whether the texts say that totals of a tool were taken over.
    pub(crate) fn knows_totals(&self, tool: &str) -> bool {
        self.imports_totals.iter().any(|known| known == tool)
    }

    /// Whether the texts say that logs are counted.
    pub(crate) fn knows_logs(&self) -> bool {
        self.is_log_alone() || self.imports_logs
    }
}

/// What the settings have beside a log that is said to be all that is counted.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    /// Trackers of other tools are answered.
    trackers: bool,
    /// Kafka or ClickHouse is named.
    cluster: bool,
}

impl Beside {
    pub(super) fn of(raw: &RawConfig) -> Self {
        let cluster = !raw.kafka.brokers.is_empty() || !raw.clickhouse.url.is_empty();
        Self { trackers: !raw.compat.is_empty(), cluster }
    }
}

/// The section, checked.
pub(super) fn checked(raw: RawNotice, beside: Beside) -> Result<RawNotice, ConfigError> {
    super::check::one_of("notice.language", &raw.language, ["en", "sv"])?;
    if !raw.tracker.is_empty() {
        super::check::one_of("notice.tracker", &raw.tracker, ["script", "pixel", "log"])?;
    }
    refuse_contradiction(&raw, beside)?;
    let tools = Tool::ALL.map(Tool::as_str);
    for tool in &raw.imports_totals {
        super::check::one_of("notice.imports_totals", tool, tools)?;
    }
    for (key, text) in raw.texts() {
        if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(ConfigError(format!(
                "{key}: one line of at most {TEXT_BYTES_MAX} bytes is needed"
            )));
        }
        if let Some(claim) = claims::found(text) {
            return Err(ConfigError(format!(
                "{key} = \"{text}\": `{claim}` is a claim that no program can keep; say what is \
                 done instead"
            )));
        }
    }
    if !raw.since.is_empty() && Day::parse(&raw.since).is_none() {
        let since = &raw.since;
        return Err(ConfigError(format!(
            "notice.since = \"{since}\": a day such as 2026-11-21 is needed"
        )));
    }
    for (key, days) in [("backup_days", raw.backup_days), ("log_days", raw.log_days)] {
        if days > DAYS_MAX {
            return Err(ConfigError(format!(
                "notice.{key} = {days}: a number from 0 (not said) to {DAYS_MAX} is needed"
            )));
        }
    }
    Ok(raw)
}

/// Refuses a text that would say that nothing but a log is counted, where more is.
fn refuse_contradiction(raw: &RawNotice, beside: Beside) -> Result<(), ConfigError> {
    let why = match beside {
        _ if !raw.is_log_alone() => return Ok(()),
        Beside { trackers: true, .. } => "the pages carry a tracker that compat names",
        Beside { cluster: true, .. } => "a log is counted into a data folder, not into a cluster",
        Beside { .. } => return Ok(()),
    };
    Err(ConfigError(format!(
        "notice.tracker = \"log\": {why}; \"script\" or \"pixel\" is needed, and \
         notice.imports_logs = true where logs are counted, too"
    )))
}
