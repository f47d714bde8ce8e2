//! `headcount serve`: dashboard and API over ClickHouse, and nothing else.
//!
//! What it is not: a writer. It needs a user that may read the views.
//!
//! What surprises: sites are those of its configuration, of its own data folder, and those that
//! have counts; nothing has to be said twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use headcount_core::failpoint;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock as _, Day};
use headcount_stats::backend::{Backend, Doors};
use headcount_stats::{Stats, router};
use headcount_store::clickhouse::Reader;
use headcount_store::clickhouse::grants::Part;
use headcount_store::control::{self, Control};
use prometheus_client::registry::Registry;

use crate::cli::UpArgs;
use crate::commands::known_sites;
use crate::config::{Config, Flags};
use crate::door::Door;
use crate::ops::{self, Health};
use crate::process::{self, Signals};
use crate::start_link::StartLink;
use crate::up::{flags, welcome};
use crate::wall_clock::WallClock;
use crate::{cluster, commands, grants, listen, porch};

/// Questions answered at once.
const READERS: usize = 4;
/// How often the server is asked whether it is there, and the sites of this folder are looked up.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How often the sites that have counts are looked up, which takes a look at every row.
const LIST_INTERVAL: Duration = Duration::from_secs(60);

/// What the number of visitors means in a cluster.
const VISITORS_NOTE: &str =
    "each collector counts its own: who is sent to two in a day counts twice";
/// Stands for the collectors' address, which only the owner knows.
const COLLECTOR: &str = "https://count.example.org";
/// As `up` says it.
const NO_VISITORS_NOTE: &str = "visitors are not counted (visitors = \"off\")";

/// Runs until it is told to stop.
///
/// # Errors
/// Anything that keeps it from starting, with what to do.
pub(crate) fn run(args: &UpArgs) -> anyhow::Result<()> {
    let config = process::prepare(&shown(args))?;
    let settings = cluster::clickhouse(&config)?;
    let _lock = process::hold_folder(&config)?;
    cluster::way::warn_clickhouse(&config);
    let reader = Arc::new(Reader::connect(&settings)?);
    grants::warn(Part::Reader, &settings.user, reader.surplus(&settings.database));
    // The reader has a runtime of its own, which must end outside of ours.
    let outcome = process::live(READERS, live(Arc::new(config), Arc::clone(&reader)));
    drop(reader);
    outcome
}

/// What the command line adds: `--listen` is where it shows, whatever a file says of that.
fn shown(args: &UpArgs) -> Flags {
    Flags { stats_listen: args.listen.clone(), ..flags(args) }
}

async fn live(config: Arc<Config>, reader: Arc<Reader>) -> anyhow::Result<()> {
    let (listener, address) = listen::one("stats_listen", config.stats_listen)?;
    let (ops_listener, ops_address) = listen::one("ops_listen", config.ops_listen)?;
    let desk = Arc::new(Desk {
        control: Mutex::new(process::open_control(&config)?),
        looked_after: Mutex::default(),
        sites: Mutex::default(),
        counted: Mutex::default(),
        is_blind: AtomicBool::new(false),
        trouble: Mutex::default(),
        reader,
    });
    let (first, of_first) = (Arc::clone(&desk), Arc::clone(&config));
    tokio::task::spawn_blocking(move || first.look(&of_first))
        .await
        .map_err(process::fallen)
        .context("the sites")??;
    let link = StartLink::draw(WallClock.unix_seconds())?;
    let stats = router(desk.stats(&config, &link)?);
    let mut servers = process::Servers::new();
    process::serve(
        &mut servers,
        (porch::ANALYSTS, listener),
        (stats, Door::new(&config.addresses)),
    )?;
    let ops = ops::router(Arc::clone(&desk) as Arc<dyn Health>, Registry::default());
    let door = Door::new(&config.operators);
    process::serve(&mut servers, (porch::OPERATORS, ops_listener), (ops, door))?;
    let mut signals = Signals::new()?;
    let origin = config.stats_url.clone().unwrap_or_else(|| welcome::origin(address));
    commands::say(&format!(
        "headcount {} is showing\n\ndashboard   {}\n{}operations  {}/metrics\n",
        env!("CARGO_PKG_VERSION"),
        link.told(&origin),
        process::told_log(&config)?,
        welcome::origin(ops_address)
    ))?;
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = signals.next() => break,
            Some(ended) = servers.join_next() => return process::unserved(ended),
            _ = ticks.tick() => {
                let (desk, config) = (Arc::clone(&desk), Arc::clone(&config));
                tokio::task::spawn_blocking(move || desk.note(desk.look(&config)))
                    .await
                    .map_err(process::fallen)
                    .context("looking up the sites")?;
            }
        }
    }
    servers.shutdown().await;
    Ok(())
}

/// What the room works with.
struct Desk {
    control: Mutex<Control>,
    /// The day of the last look after tokens and admin log.
    looked_after: Mutex<Day>,
    sites: Mutex<Vec<SiteHost>>,
    counted: Mutex<Counted>,
    /// Whether the last look at the erased sites failed.
    is_blind: AtomicBool,
    /// Why the last look failed.
    trouble: Mutex<Option<String>>,
    reader: Arc<Reader>,
}

/// The sites that have counts, and when they were looked for.
#[derive(Default)]
struct Counted {
    sites: Vec<SiteHost>,
    looked_at: Option<Instant>,
}

impl Desk {
    /// Whether the server answers; and looks up the sites.
    fn look(&self, config: &Config) -> anyhow::Result<()> {
        failpoint::hit("sites-looked-up");
        self.reader.ping()?;
        let (counted, erased) = (self.counted(), self.erased());
        let mut control = lock(&self.control);
        // Nothing of a site is held here, so there is nothing to wait for.
        for host in control.erasures_open()? {
            control.erasure_done(&host)?;
        }
        let (today, mut looked_after) = (WallClock.hour().day(), lock(&self.looked_after));
        for host in erased {
            // Added again, the site is not theirs any more.
            let tokens = control.tokens_end(&host, today)?;
            if tokens > 0 {
                tracing::info!(site = %host, tokens, "a site was erased, and its tokens are revoked");
            }
        }
        if *looked_after != today {
            process::look_after(&mut control, config.retention_days, WallClock.unix_seconds())?;
            *looked_after = today;
        }
        let gone = control.tombstones()?;
        let mut sites = known_sites(config, Some(&control))?;
        sites.extend(counted);
        sites.retain(|host| !gone.contains(host));
        sites.sort();
        sites.dedup();
        *lock(&self.sites) = sites;
        Ok(())
    }

    /// The sites that have counts. A list that does not come in time is no sign that the server is
    /// gone: the last one is good until the next.
    fn counted(&self) -> Vec<SiteHost> {
        let mut counted = lock(&self.counted);
        if counted.looked_at.is_none_or(|at| at.elapsed() >= LIST_INTERVAL) {
            match self.reader.sites_with_counts() {
                Ok(sites) => counted.sites = sites,
                Err(error) => tracing::warn!(%error, "the sites with counts are not listed anew"),
            }
            counted.looked_at = Some(Instant::now());
        }
        counted.sites.clone()
    }

    /// The sites that a command on another folder has erased. A user of before may lack the right to
    /// ask for them, which is said once.
    fn erased(&self) -> Vec<SiteHost> {
        let erased = self.reader.erased_sites();
        let was_blind = self.is_blind.swap(erased.is_err(), Ordering::Relaxed);
        if let Err(error) = &erased
            && !was_blind
        {
            tracing::warn!(
                %error,
                "which sites were erased is not known, so their tokens stay; the rights that are \
                 needed for it: headcount grants"
            );
        }
        erased.unwrap_or_default()
    }

    /// Says once what is wrong, and once that it is over.
    fn note(&self, looked: anyhow::Result<()>) {
        let mut trouble = lock(&self.trouble);
        match (looked, &*trouble) {
            (Err(error), None) => {
                tracing::warn!(error = %format!("{error:#}"), "clickhouse does not answer");
                *trouble = Some(format!("clickhouse: {error:#}"));
            }
            (Ok(()), Some(_)) => {
                tracing::info!("clickhouse answers again");
                *trouble = None;
            }
            (Ok(()), None) | (Err(_), Some(_)) => {}
        }
    }

    fn stats(self: &Arc<Self>, config: &Config, link: &StartLink) -> anyhow::Result<Stats> {
        let of_sites = Arc::clone(self);
        let note = visitors_note(config);
        let control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
        let doors = Doors::of(control, Arc::new(WallClock));
        Ok(Stats::new(headcount_stats::Parts {
            backend: Backend::clickhouse(Arc::clone(&self.reader), doors),
            readers: READERS,
            clock: Arc::new(WallClock),
            sites: Arc::new(move || lock(&of_sites.sites).clone()),
            time_zone: config.time_zones(),
            snippet: Arc::new(|site| welcome::snippet(site, COLLECTOR)),
            visitors_note: Arc::new(move || note.to_owned()),
            k: config.k,
            k_day: config.k_day,
            hours: config.hours(),
            retention_days: config.retention_days,
            https: config.is_https(),
            signin_codes: link.codes(),
            codes_until: link.until(),
        }))
    }
}

/// What the dashboard says beside the number of visitors.
fn visitors_note(config: &Config) -> &'static str {
    if config.visitors { VISITORS_NOTE } else { NO_VISITORS_NOTE }
}

impl Health for Desk {
    fn missing(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    fn refresh(&self) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn config(text: &str, args: &[&str]) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headcount.toml");
        std::fs::write(&path, text).unwrap();
        let line = ["headcount", "serve", "--config", path.to_str().unwrap()];
        match Cli::parse_from(line.iter().chain(args)).command {
            Some(Command::Serve(args)) => Config::load(&shown(&args), []).unwrap(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn the_flag_wins_over_the_file() {
        let file = "listen = \"127.0.0.1:1\"\nstats_listen = \"127.0.0.1:2\"";
        assert_eq!(config(file, &[]).stats_listen.port(), 2);
        assert_eq!(config(file, &["--listen", "127.0.0.1:3"]).stats_listen.port(), 3);
        assert_eq!(config("", &["--listen", "127.0.0.1:3"]).stats_listen.port(), 3);
    }

    #[test]
    fn says_that_visitors_are_not_counted() {
        assert_eq!(visitors_note(&config("", &[])), VISITORS_NOTE);
        let note = visitors_note(&config("visitors = \"off\"", &[]));
        assert_eq!(note, "visitors are not counted (visitors = \"off\")");
    }
}
