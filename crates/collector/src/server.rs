//! A running collector: its cores, its committer, and the handle that stops them.
//!
//! What it is not: configured from files; the binary checks everything first.
//!
//! What surprises: stopping is the way of a hit in order: no new connection, the last requests
//! answered, the last group committed, the last batches written down on the other side.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Day};
use headcount_transport::Publisher;
use thiserror::Error;

use crate::client::{ClientRules, Clients, RulesError};
use crate::committer::{Answer, Command, Committer};
use crate::compat::Compat;
use crate::country::Countries;
use crate::edge_file::{EdgeFile, EdgeFileError, Recovered};
use crate::http::Fallback;
use crate::judge::{Judge, Shared};
use crate::locked::LooseKey;
use crate::metrics::Metrics;
use crate::names::{NameLimits, Names};
use crate::peer::AddressSource;
use crate::rate::RateLimit;
use crate::release::ReleaseRule;
use crate::room::ConnectionLimits;
use crate::shard::{Doorbell, Shard};
use crate::sites::{SiteSetting, SiteTable};
use crate::visitors::{Visitors, VisitorsError};
use crate::worker::{WorkerParts, run};

/// Commands waiting at most.
const COMMANDS_MAX: usize = 16;
/// How long an answer of the committer may take: two slow commits and a drain.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// Why a collector cannot start, or has stopped by itself.
#[derive(Debug, Error)]
pub enum CollectorError {
    /// The edge file.
    #[error(transparent)]
    EdgeFile(#[from] EdgeFileError),
    /// The edge file refused what was asked; it may take it later.
    #[error(transparent)]
    Refused(#[from] Arc<EdgeFileError>),
    /// What was asked is not done yet.
    #[error("the edge is still at it: its disk, or what takes its batches, is slow or away")]
    Late,
    /// The edge file was begun under another number.
    #[error(
        "the edge file belongs to another collector_id; give each collector a data_dir of its own, \
         or set collector_id back"
    )]
    OtherCollector,
    /// The edge file has batches for a partition that the transport does not have.
    #[error(
        "the edge file has batches for partition {partition}, and there are {partitions} partitions \
         here (numbered from 0): start it with the command and the configuration that made them \
         until all are sent"
    )]
    Partitions {
        /// The partition.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The visitors' key.
    #[error(transparent)]
    Visitors(#[from] VisitorsError),
    /// The lists of browsers and robots.
    #[error("the lists of browsers and robots cannot be read")]
    Clients(#[from] RulesError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// A thread or a runtime could not be started, or a socket failed.
    #[error("a core cannot run")]
    Core(#[source] std::io::Error),
    /// A thread of the edge has failed.
    #[error("a thread of the edge has failed")]
    Stopped,
}

/// Bounds of what the edge keeps in memory. All have an answer when reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Names.
    pub names: NameLimits,
    /// Hits of one network to one site in a minute; 0 is off.
    pub hits_per_prefix_per_minute: u32,
    /// Cells that have not left; beyond, 503.
    pub held_cells: usize,
    /// Open connections; beyond, accepting waits.
    pub connections: usize,
    /// Open connections from one network; beyond, closed at once.
    pub connections_per_prefix: usize,
    /// MiB of the visitors' filter.
    pub visitor_filter_mib: usize,
}

/// A collector's settings, checked.
pub struct Setting {
    /// Where the edge file lies.
    pub edge_file: PathBuf,
    /// The collector's number, if it was given one; else one is drawn with the edge file.
    pub collector_id: Option<u64>,
    /// Where addresses are read from.
    pub addresses: AddressSource,
    /// Whether visitors are counted.
    pub visitors: bool,
    /// When cells leave.
    pub release: ReleaseRule,
    /// Bounds.
    pub limits: Limits,
    /// Cores to use, one listener each.
    pub cores: usize,
    /// Other tools' trackers that are answered.
    pub compat: Compat,
}

/// What a collector is made with.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Networks to countries.
    pub countries: Countries,
    /// The way out.
    pub publisher: Box<dyn Publisher>,
    /// Its partitions.
    pub partitions: u32,
}

/// How a start makes sure that a batch's number is never given to other counts a second time,
/// although the edge file may be an older copy.
pub enum EpochRule<'a> {
    /// The other side can be asked how far it has applied a collector and epoch. If that is more
    /// than the file ever sent, a new epoch begins and what the file holds is dropped.
    Applied(Box<dyn FnOnce(u64, u64) -> u64 + 'a>),
    /// Nobody can be asked: every start begins a new epoch.
    EveryStart,
}

/// What waits in an edge file that no collector has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The collector's number.
    pub collector: u64,
    /// Cells that have not left yet: they wait for a crowd, or for the end of their day.
    pub cells: usize,
    /// Batches that the other side has not said it has.
    pub batches: usize,
}

/// Looks what waits in an edge file.
///
/// # Errors
/// [`CollectorError`] if it cannot be read.
pub fn waiting(edge_file: &std::path::Path) -> Result<Waiting, CollectorError> {
    let (file, recovered) = EdgeFile::open(edge_file, number()?)?;
    let (collector, _) = file.lane();
    Ok(Waiting { collector, cells: recovered.held.len(), batches: recovered.outbox.len() })
}

/// A collector that is running, or about to.
pub struct Collector {
    shared: Arc<Shared>,
    shards: Vec<Arc<Shard>>,
    clients: Arc<ClientRules>,
    limits: Limits,
    compat: Compat,
    doorbell: Arc<Doorbell>,
    commands: SyncSender<Command>,
    sites: Arc<Mutex<Arc<SiteTable>>>,
    sites_version: Arc<AtomicU64>,
    committer: JoinHandle<Result<(), EdgeFileError>>,
    cores: Vec<JoinHandle<std::io::Result<()>>>,
    stop: tokio::sync::watch::Sender<bool>,
    lane: (u64, u64),
    cut_off: bool,
}

impl Collector {
    /// Opens the edge file and starts the committer. No port is open yet: [`Collector::listen`].
    ///
    /// # Errors
    /// [`CollectorError`].
    pub fn start(
        setting: Setting,
        parts: Parts,
        rule: EpochRule<'_>,
    ) -> Result<Self, CollectorError> {
        let partitions = parts.partitions.max(1);
        let (file, recovered) = open(&setting.edge_file, setting.collector_id, rule, partitions)?;
        let lane = file.lane();
        let cut_off = recovered.cut_off;
        let clients = Arc::new(ClientRules::load()?);
        let names = Arc::new(Names::new(setting.limits.names, recovered.names.iter().cloned()));
        let visitors = if setting.visitors {
            let day = parts.clock.hour().day();
            Some(visitors(setting.limits.visitor_filter_mib, day)?)
        } else {
            None
        };
        let shared = Arc::new(Shared {
            addresses: setting.addresses,
            countries: parts.countries,
            visitors,
            images_need_a_page: setting.release.admission,
            rate: RateLimit::new(setting.limits.hits_per_prefix_per_minute, random()?),
            // One key for all cores: a visitor's connections may land on any of them.
            agents: Arc::new(LooseKey::new(&random()?)),
            day: parts.clock.hour().day().0.into(),
            names: Arc::clone(&names),
            clock: Arc::clone(&parts.clock),
            metrics: Arc::clone(&parts.metrics),
        });
        let shards: Vec<Arc<Shard>> = (0..setting.cores.max(1)).map(|_| Arc::default()).collect();
        let doorbell = Arc::new(Doorbell::default());
        let (commands, inbox): (_, Receiver<Command>) = sync_channel(COMMANDS_MAX);
        let sites: Arc<Mutex<Arc<SiteTable>>> = Arc::default();
        let committer = Committer {
            file,
            recovered,
            shards: shards.clone(),
            doorbell: Arc::clone(&doorbell),
            commands: inbox,
            publisher: parts.publisher,
            names,
            sites: Arc::clone(&sites),
            rule: setting.release,
            held_cells_max: setting.limits.held_cells,
            partitions,
            clock: parts.clock,
            metrics: parts.metrics,
        };
        let committer = std::thread::Builder::new()
            .name("committer".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || wiping(&shared, || committer.run())
            })
            .map_err(CollectorError::Core)?;
        let stop = tokio::sync::watch::Sender::new(false);
        Ok(Self {
            shared,
            shards,
            clients,
            limits: setting.limits,
            compat: setting.compat,
            doorbell,
            commands,
            sites,
            sites_version: Arc::default(),
            committer,
            cores: Vec::new(),
            stop,
            lane,
            cut_off,
        })
    }

    /// Starts a core on each listener (non-blocking, all on one port).
    ///
    /// # Errors
    /// [`CollectorError`] if a core cannot be started.
    pub fn listen(
        &mut self,
        listeners: Vec<std::net::TcpListener>,
        fallback: Option<&Fallback>,
    ) -> Result<(), CollectorError> {
        let cores = listeners.len().max(1);
        let limits = ConnectionLimits {
            total: (self.limits.connections / cores).max(1),
            per_prefix: (self.limits.connections_per_prefix / cores).max(1),
        };
        for (listener, shard) in listeners.into_iter().zip(&self.shards) {
            let clients =
                Clients::sharing(Arc::clone(&self.clients), Arc::clone(&self.shared.agents));
            let parts = WorkerParts {
                judge: Judge::new(Arc::clone(&self.shared), clients),
                shared: Arc::clone(&self.shared),
                shard: Arc::clone(shard),
                doorbell: Arc::clone(&self.doorbell),
                sites: Arc::clone(&self.sites),
                sites_version: Arc::clone(&self.sites_version),
                fallback: fallback.cloned(),
                limits,
                compat: self.compat,
                stop: self.stop.subscribe(),
            };
            let shared = Arc::clone(&self.shared);
            let core = std::thread::Builder::new()
                .name("core".into())
                .spawn(move || wiping(&shared, || run(parts, listener)))
                .map_err(CollectorError::Core)?;
            self.cores.push(core);
        }
        Ok(())
    }

    /// Replaces the sites.
    ///
    /// # Errors
    /// [`CollectorError`] if the edge file cannot number a new one.
    pub fn set_sites(&self, settings: Vec<SiteSetting>) -> Result<(), CollectorError> {
        let hosts = settings.iter().map(|setting| setting.host.clone()).collect();
        let ids = self.ask(|reply| Command::Sites(hosts, reply))?;
        let table = SiteTable::new(ids.into_iter().zip(settings));
        *self.sites.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        self.sites_version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Drops every count of a host that has not left, and returns when those that had left are in
    /// the store. Take the host out of the sites before.
    ///
    /// # Errors
    /// [`CollectorError`] if the edge file cannot be written.
    pub fn erase(&self, host: &SiteHost) -> Result<(), CollectorError> {
        let erasing = self.begin_erasing(host)?;
        if erasing.is_done_within(COMMAND_PATIENCE)? { Ok(()) } else { Err(CollectorError::Late) }
    }

    /// [`Collector::erase`] for who does not want to wait.
    ///
    /// # Errors
    /// [`CollectorError`] if the committer has ended.
    pub fn begin_erasing(&self, host: &SiteHost) -> Result<Erasing, CollectorError> {
        Ok(Erasing(self.command(|reply| Command::Erase(host.clone(), reply))?))
    }

    /// The collector's number and the epoch of its edge file.
    pub fn lane(&self) -> (u64, u64) {
        self.lane
    }

    /// Whether the edge file ended in a commit that was cut off.
    pub fn was_cut_off(&self) -> bool {
        self.cut_off
    }

    /// The probability that a new visitor is taken for one seen before; `None` if visitors are
    /// not counted.
    pub fn miss_rate(&self) -> Option<f64> {
        self.shared.visitors.as_ref().map(Visitors::miss_rate)
    }

    /// The UTC day of the key by which visitors are marked, none while there is none, and how many
    /// keys there were since the start; `None` if visitors are not counted.
    pub fn key_day(&self) -> Option<(Option<Day>, u64)> {
        self.shared.visitors.as_ref().map(Visitors::key_day)
    }

    /// Whether the committer and every core still run. If not, [`Collector::stop`] tells why.
    pub fn is_alive(&self) -> bool {
        !self.committer.is_finished() && !self.cores.iter().any(JoinHandle::is_finished)
    }

    /// Stops in order and waits for the end.
    ///
    /// # Errors
    /// Why the committer or a core ended, if not because of this.
    pub fn stop(self) -> Result<(), CollectorError> {
        self.stop.send_replace(true);
        let mut outcome = Ok(());
        for core in self.cores {
            match core.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => outcome = Err(CollectorError::Core(error)),
                Err(_) => outcome = Err(CollectorError::Stopped),
            }
        }
        // No hit comes any more: what could recognise a visitor need not wait for the last batches.
        self.shared.end();
        // A committer that has ended already hears nothing; joining it tells why.
        drop(self.commands.send(Command::Stop));
        self.doorbell.ring();
        match self.committer.join() {
            Ok(Ok(())) => outcome,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(CollectorError::Stopped),
        }
    }

    fn ask<T>(
        &self,
        command: impl FnOnce(SyncSender<Answer<T>>) -> Command,
    ) -> Result<T, CollectorError> {
        match self.command(command)?.recv_timeout(COMMAND_PATIENCE) {
            Ok(answer) => Ok(answer?),
            Err(RecvTimeoutError::Timeout) => Err(CollectorError::Late),
            Err(RecvTimeoutError::Disconnected) => Err(CollectorError::Stopped),
        }
    }

    fn command<T>(
        &self,
        command: impl FnOnce(SyncSender<Answer<T>>) -> Command,
    ) -> Result<Receiver<Answer<T>>, CollectorError> {
        let (reply, answer) = sync_channel(1);
        self.commands.send(command(reply)).map_err(|_| CollectorError::Stopped)?;
        self.doorbell.ring();
        Ok(answer)
    }
}

/// An erasure that was asked for.
#[derive(Debug)]
pub struct Erasing(Receiver<Answer<()>>);

impl Erasing {
    /// Whether it is done; waits `patience` at most. When it is, or has failed, it says so once.
    ///
    /// # Errors
    /// [`CollectorError`] if the edge file refused it, or the committer has ended.
    pub fn is_done_within(&self, patience: Duration) -> Result<bool, CollectorError> {
        match self.0.recv_timeout(patience) {
            Ok(answer) => Ok(answer.map(|()| true)?),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(CollectorError::Stopped),
        }
    }
}

/// Runs a thread of the edge. Without it the process ends, so when it fails or panics, what could
/// recognise a visitor goes at once, and not when the other threads have ended, too.
fn wiping<T, E>(shared: &Shared, thread: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    struct Wipe<'a>(Option<&'a Shared>);
    impl Drop for Wipe<'_> {
        fn drop(&mut self) {
            if let Some(shared) = self.0 {
                shared.end();
            }
        }
    }
    let mut wipe = Wipe(Some(shared));
    let outcome = thread();
    if outcome.is_ok() {
        wipe.0 = None;
    }
    outcome
}

/// Opens the edge file and settles it with what the other side has applied.
fn open(
    path: &std::path::Path,
    collector_id: Option<u64>,
    rule: EpochRule<'_>,
    partitions: u32,
) -> Result<(EdgeFile, Recovered), CollectorError> {
    let fresh = number()?;
    let (mut file, mut recovered) = EdgeFile::open(path, collector_id.unwrap_or(fresh))?;
    let (collector, epoch) = file.lane();
    if collector_id.is_some_and(|id| id != collector) {
        return Err(CollectorError::OtherCollector);
    }
    if let Some(record) = recovered.outbox.iter().find(|of| of.partition >= partitions) {
        return Err(CollectorError::Partitions { partition: record.partition, partitions });
    }
    match rule {
        EpochRule::EveryStart => file.renew_epoch(fresh)?,
        EpochRule::Applied(applied) => {
            if applied(collector, epoch) > file.last_seq(0) {
                tracing::warn!("the edge file is older than the store, beginning a new epoch");
                file.begin_epoch(fresh)?;
                recovered.outbox.clear();
                recovered.held = crate::release::Held::default();
            }
        }
    }
    Ok((file, recovered))
}

/// Key and filter, with a warning if the operator lets too little memory be locked.
fn visitors(filter_mib: usize, day: Day) -> Result<Visitors, VisitorsError> {
    let visitors = Visitors::new(filter_mib, day)?;
    let unlocked_kib = visitors.unlocked_bytes() / 1024;
    if unlocked_kib > 0 {
        tracing::warn!(
            unlocked_kib,
            needed_kib = filter_mib * 1024 + 4,
            "part of the marks of visitors may be swapped out; raise `ulimit -l` (LimitMEMLOCK=) \
             to what is needed, or switch swap off"
        );
    }
    Ok(visitors)
}

fn number() -> Result<u64, CollectorError> {
    random().map(u64::from_le_bytes)
}

pub(crate) fn random<const BYTES: usize>() -> Result<[u8; BYTES], CollectorError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|_| CollectorError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
