//! What a doctor must know: of the settings, of the machine, of the folder, of the proxy.
//!
//! What it is not: looked up here. `gather` does that; the checks take these and nothing else.
//!
//! What surprises: what could not be found out is `None`, and then the check was not made.

use headcount_transport::kafka::topic::Life;

use super::page::Page;
use super::proxy::Front;
use crate::cluster::way::Way;

/// Who can reach a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// This machine only.
    Machine,
    /// A network of private addresses.
    Private,
    /// Whoever can reach the machine.
    Everybody,
}

/// One swap space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    pub(super) name: String,
    /// `None` where that cannot be known from here.
    pub(super) is_safe: Option<bool>,
}

/// Memory that may be, and is, locked. KiB; `u64::MAX` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LockedMemory {
    /// What the day's key and marks need.
    pub(super) needed: u64,
    /// What a process that is started from here may lock.
    pub(super) allowed: u64,
    /// A process runs on the data folder.
    pub(super) runs: bool,
    /// What it has locked; `None` also where that cannot be read.
    pub(super) held: Option<u64>,
}

/// The data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Folder {
    /// Permission bits of the folder.
    pub(super) mode: u32,
    /// Files that others than their owner may read.
    pub(super) open_files: Vec<String>,
    /// Files of another owner than the folder's.
    pub(super) foreign_files: Vec<String>,
    /// Files that no Headcount makes: copies, say.
    pub(super) unknown_files: Vec<String>,
    /// Those of them that look like copies, and that nobody wrote to for longer than such are kept.
    pub(super) expired_files: Vec<String>,
    /// The version of the edge file's tables; `None` if there is no such file, or it cannot be read.
    pub(super) edge_version: Option<u32>,
    /// What could not be looked at, and why.
    pub(super) unread: Option<String>,
}

/// A copy of the data folder, or what looks like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) name: String,
    /// Since the newest count in it, or since it was packed.
    pub(super) age_days: u64,
    /// It holds a database of Headcount's, as it can be seen.
    pub(super) is_certain: bool,
}

/// Copies beside the data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backups {
    /// Days that a copy may live.
    pub(super) kept_days: u64,
    pub(super) copies: Vec<Copy>,
    /// What could not be looked at, and why.
    pub(super) unseen: Option<String>,
}

/// What a published notice was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// These settings.
    OfThese,
    /// Other settings.
    OfOthers,
    /// It does not say.
    WithoutHash,
}

/// Everything that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) listen: Reach,
    pub(super) stats_listen: Reach,
    /// Dashboard and API are behind the visitors' listener.
    pub(super) stats_share_listen: bool,
    /// Not every network may ask for them.
    pub(super) analysts_are_listed: bool,
    pub(super) ops_listen: Reach,
    /// Not every network may ask for health and metrics.
    pub(super) operators_are_listed: bool,
    pub(super) has_proxies: bool,
    /// `stats_url` begins with https.
    pub(super) is_reached_by_tls: bool,
    /// Sites besides the demo site.
    pub(super) has_sites: bool,
    pub(super) visitors: bool,
    pub(super) is_strict: bool,
    pub(super) crowd: u64,
    pub(super) k: u32,
    pub(super) k_day: u32,
    pub(super) retention_days: u32,
    pub(super) kafka: Option<Way>,
    /// How long the topic keeps records; `None`: not asked, or no answer.
    pub(super) topic: Option<Life>,
    pub(super) clickhouse: Option<Way>,
    /// Logs of ClickHouse's own that the configured user sees; `None`: not asked, or no answer.
    pub(super) clickhouse_logs: Option<Vec<String>>,
    pub(super) swaps: Option<Vec<Swap>>,
    pub(super) locked: Option<LockedMemory>,
    pub(super) core_pattern: Option<String>,
    pub(super) clock_is_set: Option<bool>,
    /// A file of the data folder that was written later than now.
    pub(super) from_the_future: Option<String>,
    pub(super) folder: Option<Folder>,
    pub(super) backups: Backups,
    /// The notice says how long they are kept.
    pub(super) backups_are_said: bool,
    /// The settings have what a notice is made of.
    pub(super) has_notice: bool,
    /// Published notices that were named.
    pub(super) notices: Vec<(String, Published)>,
    /// The page that was named.
    pub(super) page: Option<Page>,
    /// The configurations of proxies that were named.
    pub(super) fronts: Vec<Front>,
}
