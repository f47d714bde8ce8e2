//! `headcount aggregate`: Kafka's batches into ClickHouse, and nothing else.
//!
//! What it is not: a keeper of anything. It has no folder: progress is in the store's ledger.
//!
//! What surprises: it refuses to start with a topic or a server that would not keep the books. What
//! is merely away is waited for, before the start as well as after.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use headcount_aggregator::Keeping;
use headcount_aggregator::cluster::{ClusterAggregator, ClusterSetting};
use headcount_core::time::Clock;
use headcount_store::clickhouse::Writer;
use headcount_store::clickhouse::grants::Part;
use headcount_store::control::admin::Act;
use headcount_store::control::{self, Control};
use headcount_transport::kafka::{self, KafkaSubscriber, topic};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::cli::AggregateArgs;
use crate::config::{Config, ConfigError, Flags};
use crate::door::Door;
use crate::ops::{self, Health};
use crate::process::{self, Signals};
use crate::up::welcome;
use crate::wall_clock::WallClock;
use crate::{cluster, commands, grants, listen, porch, who};

/// How often it is looked whether the thread still runs.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
///
/// # Errors
/// Anything that keeps it from starting or going on, with what to do.
pub(crate) fn run(args: &AggregateArgs) -> anyhow::Result<()> {
    let flags = Flags { config: args.config.clone(), ..Flags::default() };
    let config = process::prepare(&flags)?;
    let settings = (cluster::kafka(&config)?, cluster::clickhouse(&config)?);
    let set_aside = args.set_aside.iter().map(|text| place(text)).collect::<Result<_, _>>()?;
    note_set_aside(&config, &args.set_aside)?;
    cluster::way::warn_kafka(&config);
    cluster::way::warn_clickhouse(&config);
    process::live(0, live(config, settings, set_aside))
}

/// Writes into the admin log of the data folder what is set aside. This room needs no folder; where
/// there is none, its own log is all that says it.
fn note_set_aside(config: &Config, places: &[String]) -> anyhow::Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let control = config.data_dir.join(control::FILE_NAME);
    if !control.exists() {
        let folder = config.data_dir.display();
        tracing::warn!(
            "records are set aside, and no admin log says so: data_dir = \"{folder}\" has no {}",
            control::FILE_NAME
        );
        return Ok(());
    }
    let mut control = Control::open(&control)?.acting_as(who::user());
    Ok(control.note(Act::SetAside, None, &places.join(" "))?)
}

/// `PARTITION:OFFSET` as partition and position.
fn place(text: &str) -> Result<(u32, u64), ConfigError> {
    let parsed = text.split_once(':').and_then(|(partition, offset)| {
        Some((partition.parse().ok()?, offset.parse::<u64>().ok()?.checked_add(1)?))
    });
    parsed.ok_or_else(|| {
        ConfigError(format!("--set-aside {text}: PARTITION:OFFSET is needed, such as 3:1729"))
    })
}

async fn live(
    config: Config,
    (kafka, clickhouse): (kafka::Settings, headcount_store::clickhouse::Settings),
    set_aside: Vec<(u32, u64)>,
) -> anyhow::Result<()> {
    let (ops_listener, ops_address) = listen::one("ops_listen", config.ops_listen)?;
    let mut registry = Registry::default();
    let room = Arc::new(Room::register(&mut registry));
    let ops = ops::router(Arc::clone(&room) as Arc<dyn Health>, registry);
    let mut servers = process::Servers::new();
    process::serve(
        &mut servers,
        (porch::OPERATORS, ops_listener),
        (ops, Door::new(&config.operators)),
    )?;
    let mut signals = Signals::new()?;
    let create = config.kafka.as_ref().is_some_and(|raw| raw.create_topic);
    let setting = ClusterSetting {
        topic: kafka.topic.clone(),
        keeping: Keeping { retention_days: config.retention_days, k_day: config.k_day },
        set_aside,
    };
    let of_room = Arc::clone(&room);
    let start = tokio::task::spawn_blocking(move || {
        of_room.when_there("kafka", || match topic::ensure(&kafka, create) {
            Err(error) if error.is_retryable() => Ok(Err(error.into())),
            other => Ok(Ok(other?)),
        })?;
        let writer = of_room.when_there("clickhouse", || match Writer::connect(&clickhouse) {
            Err(error) if error.is_retryable() => Ok(Err(error.into())),
            other => Ok(Ok(other?)),
        })?;
        let surplus = writer.surplus(&clickhouse.database);
        grants::warn(Part::Writer, &clickhouse.user, surplus);
        let subscriber = KafkaSubscriber::connect(&kafka)?;
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        Ok::<_, anyhow::Error>(ClusterAggregator::start(writer, subscriber, setting, clock)?)
    });
    let aggregator = tokio::select! {
        () = signals.next() => {
            room.leave();
            return Ok(());
        }
        started = start => started.map_err(process::fallen).context("starting")??,
    };
    room.enter(aggregator);
    commands::say(&format!(
        "headcount {} is aggregating\n\noperations  {}/metrics\n",
        env!("CARGO_PKG_VERSION"),
        welcome::origin(ops_address)
    ))?;
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    let mut fallen = Ok(());
    loop {
        tokio::select! {
            () = signals.next() => break,
            _ = ticks.tick() => if !room.is_alive() { break },
            Some(ended) = servers.join_next() => {
                fallen = process::unserved(ended);
                break;
            }
        }
    }
    servers.shutdown().await;
    let stopped = tokio::task::spawn_blocking(move || room.stop());
    stopped.await.map_err(process::fallen).context("stopping")??;
    fallen
}

/// What the operator may ask.
struct Room {
    state: Mutex<State>,
    audit_delta: Gauge,
    inserts: Gauge,
    cells: Gauge,
    retries: Gauge,
    stopped: Gauge,
    lag: Family<[(&'static str, String); 1], Gauge>,
}

enum State {
    Starting(Option<String>),
    Running(ClusterAggregator),
    Leaving,
}

impl Room {
    fn register(registry: &mut Registry) -> Self {
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let gauge: Gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let lag = Family::default();
        registry.register("headcount_lag_records", "records behind the ledger", lag.clone());
        Self {
            state: Mutex::new(State::Starting(None)),
            audit_delta: gauge(
                registry,
                "headcount_audit_delta",
                "counts less ledger; 0 when balanced",
            ),
            inserts: gauge(registry, "headcount_inserts", "inserts answered well"),
            cells: gauge(registry, "headcount_insert_cells", "cells in them"),
            retries: gauge(registry, "headcount_retries", "failures that were tried again"),
            stopped: gauge(registry, "headcount_partitions_stopped", "partitions with an alarm"),
            lag,
        }
    }

    /// Tries until the part answers; says in the log and to the operator what is missing.
    fn when_there<T>(
        &self,
        part: &str,
        attempt: impl Fn() -> anyhow::Result<anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        loop {
            match attempt()? {
                Ok(done) => return Ok(done),
                Err(error) => {
                    let mut state = self.state();
                    let State::Starting(missing) = &mut *state else { bail!("stopped") };
                    if missing.is_none() {
                        tracing::warn!(part, error = %format!("{error:#}"), "waiting for it");
                    }
                    *missing = Some(format!("{part}: {error:#}"));
                }
            }
            std::thread::sleep(cluster::RETRY_PAUSE);
        }
    }

    fn enter(&self, aggregator: ClusterAggregator) {
        *self.state() = State::Running(aggregator);
    }

    fn leave(&self) -> Option<ClusterAggregator> {
        match std::mem::replace(&mut *self.state(), State::Leaving) {
            State::Running(aggregator) => Some(aggregator),
            State::Starting(_) | State::Leaving => None,
        }
    }

    fn is_alive(&self) -> bool {
        matches!(&*self.state(), State::Running(aggregator) if aggregator.is_alive())
    }

    fn stop(&self) -> anyhow::Result<()> {
        self.leave().map_or(Ok(()), |aggregator| Ok(aggregator.stop()?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for Room {
    fn missing(&self) -> Option<String> {
        let status = match &*self.state() {
            State::Starting(missing) => {
                return Some(missing.clone().unwrap_or_else(|| "starting".to_owned()));
            }
            State::Leaving => return Some("stopping".to_owned()),
            State::Running(aggregator) => aggregator.status(),
        };
        let alarm = status.partitions.iter().find_map(|(partition, status)| {
            status.alarm.as_ref().map(|alarm| format!("partition {partition} stopped: {alarm}"))
        });
        let unbalanced = status.books.is_some_and(|books| !books.balanced());
        alarm
            .or_else(|| {
                let mut troubles = status.troubles.iter();
                troubles.next().map(|(part, error)| format!("{}: {error}", part.as_str()))
            })
            .or_else(|| unbalanced.then(|| "the books do not balance".to_owned()))
    }

    fn refresh(&self) {
        let status = match &*self.state() {
            State::Running(aggregator) => aggregator.status(),
            State::Starting(_) | State::Leaving => return,
        };
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        if let Some(books) = status.books {
            self.audit_delta.set(whole(books.audit_delta));
        }
        self.inserts.set(whole(status.inserts));
        self.cells.set(whole(status.cells));
        self.retries.set(whole(status.retries));
        let stopped = status.partitions.values().filter(|partition| partition.alarm.is_some());
        self.stopped.set(i64::try_from(stopped.count()).unwrap_or(i64::MAX));
        self.lag.clear();
        for (partition, status) in &status.partitions {
            let labels = [("partition", partition.to_string())];
            self.lag.get_or_create(&labels).set(whole(status.lag));
        }
    }
}
