//! `headcount up`: every room in one process, started in the order of a hit's way, backwards.
//!
//! What it is not: another product than the cluster. The same rooms, with the local transport and
//! the embedded store between them.
//!
//! What surprises: nothing is printed before everything is checked, open and ready; and nothing is
//! lost by Ctrl-C, because stopping is the same way forwards.

pub(crate) mod house;
pub(crate) mod welcome;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use headcount_aggregator::{Aggregator, Keeping, local_src};
use headcount_collector::metrics::Metrics;
use headcount_collector::{Collector, EpochRule, Fallback};
use headcount_core::site::SiteHost;
use headcount_core::time::Clock;
use headcount_stats::backend::{Backend, Doors};
use headcount_stats::{Stats, router};
use headcount_store::control::{self, Control};
use headcount_store::sqlite::{self, Writer};
use headcount_transport::local;
use prometheus_client::registry::Registry;

use self::house::House;
use crate::cli::UpArgs;
use crate::config::{Config, Flags};
use crate::door::Door;
use crate::edge::{self, WayOut};
use crate::notice::Mode;
use crate::notice::page::Privacy;
use crate::process::{self, Signals};
use crate::start_link::StartLink;
use crate::wall_clock::WallClock;
use crate::{folder, listen, ops, porch};

/// The site of a data folder that has no other.
pub(crate) const DEMO_HOST: &str = "localhost";
/// Hosts that are the demo site, too.
pub(crate) const DEMO_ALIASES: [&str; 2] = ["127.0.0.1", "[::1]"];
/// Records between edge and aggregator at most.
const RECORDS_MAX: usize = 16;
/// How often sites, erasures and threads are looked after.
const HOUSE_INTERVAL: Duration = Duration::from_millis(500);
/// Questions answered at once.
const READERS: usize = 2;

/// Whether a host is the demo site.
pub(crate) fn is_demo(host: &SiteHost) -> bool {
    host.as_str() == DEMO_HOST
}

/// Runs until it is told to stop.
///
/// # Errors
/// Anything that keeps it from starting or going on, with what to do.
pub(crate) fn run(args: &UpArgs) -> anyhow::Result<()> {
    let config = process::prepare(&flags(args))?;
    let _lock = process::hold_folder(&config)?;
    folder::refuse_merged(&config.data_dir)?;
    process::live(READERS, live(&config))
}

/// What the command line adds to the configuration.
pub(crate) fn flags(args: &UpArgs) -> Flags {
    Flags {
        config: args.data.config.clone(),
        data: args.data.data.clone(),
        listen: args.listen.clone(),
        stats_listen: None,
        sites: args.site.clone(),
    }
}

/// The rooms, running.
pub(crate) struct Rooms {
    pub(crate) collector: Collector,
    /// In a cluster it is another process.
    pub(crate) aggregator: Option<Aggregator>,
}

impl Rooms {
    /// Removes every count of a host, first where it comes from.
    fn erase(&self, host: &SiteHost) -> anyhow::Result<()> {
        self.collector.erase(host)?;
        match &self.aggregator {
            Some(aggregator) => Ok(aggregator.erase(host)?),
            None => Ok(()),
        }
    }

    /// The way forwards to the end: no hit that was answered stays behind.
    fn stop(self) -> anyhow::Result<()> {
        let collector = self.collector.stop().context("the edge did not stop well");
        let aggregator = self.aggregator.map_or(Ok(()), Aggregator::join);
        collector.and(aggregator.context("the aggregator did not stop well"))
    }
}

async fn live(config: &Config) -> anyhow::Result<()> {
    let (listeners, listen) = listen::shared("listen", config.listen, config.cores)?;
    let stats_apart = config.stats_listen != config.listen;
    let (stats_listener, stats_listen) = if stats_apart {
        let (listener, address) = listen::one("stats_listen", config.stats_listen)?;
        (Some(listener), address)
    } else {
        (None, listen)
    };
    let (ops_listener, ops_listen) = listen::one("ops_listen", config.ops_listen)?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let control = process::open_control(config)?;
    let rooms = start(config, &clock, &metrics)?;
    let house = Arc::new(House::new(config, rooms, control, (metrics, clock))?);
    house.renew_sites(true)?;
    let link = StartLink::draw(WallClock.unix_seconds())?;
    let origin = welcome::origin(listen);
    // Behind one port one proxy leads to both.
    let reached = config.stats_url.clone().filter(|_| !stats_apart);
    let reached = reached.unwrap_or_else(|| origin.clone());
    let stats = router(stats(config, &house, (&link, reached))?);
    let stats_here = (!stats_apart).then(|| stats.clone());
    let privacy = Privacy::new(config, Mode::Embedded, House::published(&house));
    let door = Door::new(&config.addresses);
    let stats_here = stats_here.map(|stats| (stats, door.clone()));
    let fallback = fallback(stats_here, privacy, Arc::clone(&house), origin.clone());
    house.listen(listeners, &fallback)?;
    let mut servers = process::Servers::new();
    if let Some(listener) = stats_listener {
        process::serve(&mut servers, (porch::ANALYSTS, listener), (stats, door))?;
    }
    let ops = ops::router(Arc::clone(&house) as Arc<dyn ops::Health>, registry);
    let door = Door::new(&config.operators);
    process::serve(&mut servers, (porch::OPERATORS, ops_listener), (ops, door))?;
    let stats_url = config.stats_url.clone().unwrap_or_else(|| welcome::origin(stats_listen));
    let dashboard = Some(link.told(&stats_url));
    let signals = Signals::new()?;
    let admin_log = process::told_log(config)?;
    let links = welcome::Links { origin, dashboard, ops: welcome::origin(ops_listen), admin_log };
    welcome::print(&house.hosts(), &links)?;
    let outcome = wait(&house, signals, &mut servers).await;
    servers.shutdown().await;
    let house = Arc::clone(&house);
    tokio::task::spawn_blocking(move || house.stop())
        .await
        .map_err(process::fallen)
        .context("stopping")??;
    outcome
}

/// Opens the store and the edge, and starts the way between them.
fn start(config: &Config, clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> anyhow::Result<Rooms> {
    folder::refuse_merged(&config.data_dir)?;
    folder::refuse_collected(&config.data_dir)?;
    let store = config.data_dir.join(sqlite::FILE_NAME);
    let edge_file = config.data_dir.join(edge::FILE_NAME);
    if store.exists() && !edge_file.exists() {
        tracing::warn!("the edge file is new although the store has counts; was it removed?");
    }
    let is_empty = std::fs::metadata(&edge_file).is_ok_and(|file| file.len() == 0);
    if store.exists() && is_empty {
        bail!(
            "{}: the edge file is damaged (it is empty); restore it, or delete it to begin a new \
             one: counts that had not left it are then lost",
            edge_file.display()
        );
    }
    let mut writer = Writer::open(&store)?;
    let (publisher, subscriber) = local::pair(RECORDS_MAX);
    let mut unread = None;
    let applied = |collector, epoch| match writer.progress(&local_src(collector, epoch)) {
        Ok(progress) => progress.applied,
        Err(error) => {
            unread = Some(error);
            0
        }
    };
    let way_out = WayOut {
        publisher: Box::new(publisher),
        partitions: 1,
        rule: EpochRule::Applied(Box::new(applied)),
    };
    let collector = edge::open(config, way_out, (clock, metrics))?;
    if let Some(error) = unread {
        return Err(error.into());
    }
    let lane = collector.lane();
    let keeping = Keeping { retention_days: config.retention_days, k_day: config.k_day };
    let aggregator = Aggregator::start(writer, subscriber, lane, keeping, Arc::clone(clock))?;
    Ok(Rooms { collector, aggregator: Some(aggregator) })
}

/// The analyst's side, with a link that signs in, and with the origin under which visitors reach us.
fn stats(
    config: &Config,
    house: &Arc<House>,
    (link, origin): (&StartLink, String),
) -> anyhow::Result<Stats> {
    let control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
    let doors = Doors::of(control, Arc::new(WallClock));
    let (of_sites, of_note) = (Arc::clone(house), Arc::clone(house));
    Ok(Stats::new(headcount_stats::Parts {
        backend: Backend::embedded(config.data_dir.join(sqlite::FILE_NAME), doors),
        readers: READERS,
        clock: Arc::new(WallClock),
        sites: Arc::new(move || of_sites.hosts()),
        time_zone: config.time_zones(),
        snippet: Arc::new(move |site| welcome::snippet(site, &origin)),
        visitors_note: Arc::new(move || of_note.visitors_note()),
        k: config.k,
        k_day: config.k_day,
        hours: config.hours(),
        retention_days: config.retention_days,
        https: config.is_https(),
        signin_codes: link.codes(),
        codes_until: link.until(),
    }))
}

/// What is not a beacon: the notice, the demo page, and the dashboard where it shares the port.
fn fallback(
    stats: Option<(axum::Router, Door)>,
    privacy: Privacy,
    house: Arc<House>,
    origin: String,
) -> Fallback {
    Arc::new(move |request| {
        if let Some(answer) = privacy.answer(&request) {
            return Box::pin(std::future::ready(answer));
        }
        if request.uri().path() == "/demo" && house.has_demo() {
            return welcome::demo_answer(&origin);
        }
        match &stats {
            Some((stats, door)) => welcome::ask(stats, door, request),
            None => welcome::nothing_here(),
        }
    })
}

/// Looks after the house until a signal comes or a room falls.
pub(crate) async fn wait(
    house: &Arc<House>,
    mut signals: Signals,
    servers: &mut process::Servers,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(HOUSE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let keeping = async {
        loop {
            ticks.tick().await;
            if !house.is_alive() {
                bail!("a room has stopped, see above; nothing that was answered is lost");
            }
            let house = Arc::clone(house);
            tokio::task::spawn_blocking(move || house.keep())
                .await
                .map_err(process::fallen)
                .context("the house")?;
        }
    };
    tokio::select! {
        () = signals.next() => Ok(()),
        fallen = keeping => fallen,
        Some(ended) = servers.join_next() => process::unserved(ended),
    }
}

/// Does the erasures that were asked for, without opening a port.
///
/// # Errors
/// If a file cannot be opened or written.
pub(crate) fn settle_erasures(config: &Config, control: &mut Control) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let metrics = Arc::new(Metrics::register(&mut Registry::default()));
    let rooms = start(config, &clock, &metrics)?;
    for host in control.erasures_open()? {
        let _lock = folder::lock_erasing(&config.data_dir)?;
        rooms.erase(&host)?;
        control.erasure_done(&host)?;
    }
    rooms.stop()
}
