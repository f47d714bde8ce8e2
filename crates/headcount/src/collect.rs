//! `headcount collect`: the edge alone, with Kafka behind it.
//!
//! What it is not: in need of Kafka to count. While no broker answers, hits are accepted and
//! durable here, until the edge holds as many cells as it may.
//!
//! What surprises: it starts without Kafka, too, and checks the topic as soon as it can. Only what
//! no waiting will mend (a wrong password, a topic that is not fit) ends it.

use std::sync::Arc;

use anyhow::Context;
use headcount_collector::metrics::Metrics;
use headcount_collector::{EpochRule, Fallback};
use headcount_core::time::Clock;
use headcount_store::control::Control;
use headcount_transport::kafka::{KafkaError, KafkaPublisher, Settings, topic};
use prometheus_client::registry::Registry;

use crate::cli::UpArgs;
use crate::config::Config;
use crate::door::Door;
use crate::edge::{self, WayOut};
use crate::notice::Mode;
use crate::notice::page::Privacy;
use crate::process::{self, Signals};
use crate::up::house::House;
use crate::up::{Rooms, flags, wait, welcome};
use crate::wall_clock::WallClock;
use crate::{cluster, folder, listen, ops, porch};

/// Runs until it is told to stop.
///
/// # Errors
/// Anything that keeps it from starting or going on, with what to do.
pub(crate) fn run(args: &UpArgs) -> anyhow::Result<()> {
    let config = process::prepare(&flags(args))?;
    let kafka = cluster::kafka(&config)?;
    let _lock = process::hold_folder(&config)?;
    folder::refuse_counted(&config.data_dir)?;
    cluster::way::warn_kafka(&config);
    process::live(0, live(&config, kafka))
}

/// Drops what an edge without a process holds of the sites to erase.
///
/// # Errors
/// If the edge file cannot be opened or written.
pub(crate) fn settle_erasures(config: &Config, control: &mut Control) -> anyhow::Result<()> {
    folder::refuse_counted(&config.data_dir)?;
    let has_edge = config.data_dir.join(edge::FILE_NAME).exists();
    let collector = if has_edge {
        let kafka = cluster::kafka(config)?;
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        Some(edge::open(config, way_out(&kafka, &clock)?, (&clock, &metrics))?)
    } else {
        None
    };
    for host in control.erasures_open()? {
        if let Some(collector) = &collector {
            collector.erase(&host)?;
        }
        control.erasure_done(&host)?;
    }
    collector.map_or(Ok(()), |collector| Ok(collector.stop()?))
}

fn way_out(kafka: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<WayOut<'static>> {
    Ok(WayOut {
        publisher: Box::new(KafkaPublisher::new(kafka, Arc::clone(clock))?),
        partitions: kafka.partitions,
        rule: EpochRule::EveryStart,
    })
}

async fn live(config: &Config, kafka: Settings) -> anyhow::Result<()> {
    let (listeners, listen) = listen::shared("listen", config.listen, config.cores)?;
    let (ops_listener, ops_listen) = listen::one("ops_listen", config.ops_listen)?;
    let create = config.kafka.as_ref().is_some_and(|raw| raw.create_topic);
    let checked = check_topic(kafka.clone(), create).await?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let control = process::open_control(config)?;
    let collector = edge::open(config, way_out(&kafka, &clock)?, (&clock, &metrics))?;
    let rooms = Rooms { collector, aggregator: None };
    let house = Arc::new(House::new(config, rooms, control, (metrics, clock))?);
    house.renew_sites(true)?;
    let origin = welcome::origin(listen);
    let privacy = Privacy::new(config, Mode::Cluster, House::published(&house));
    house.listen(listeners, &fallback(privacy, Arc::clone(&house), origin.clone()))?;
    let ops = ops::router(Arc::clone(&house) as Arc<dyn ops::Health>, registry);
    let mut servers = process::Servers::new();
    let door = Door::new(&config.operators);
    process::serve(&mut servers, (porch::OPERATORS, ops_listener), (ops, door))?;
    let signals = Signals::new()?;
    let admin_log = process::told_log(config)?;
    let links =
        welcome::Links { origin, dashboard: None, ops: welcome::origin(ops_listen), admin_log };
    welcome::print(&house.hosts(), &links)?;
    let late_check = async move {
        match checked {
            true => std::future::pending().await,
            false => topic_when_there(kafka, create).await,
        }
    };
    let outcome = tokio::select! {
        ended = wait(&house, signals, &mut servers) => ended,
        unfit = late_check => unfit,
    };
    servers.shutdown().await;
    let house = Arc::clone(&house);
    tokio::task::spawn_blocking(move || house.stop())
        .await
        .map_err(process::fallen)
        .context("stopping")??;
    outcome
}

/// Checks the topic; `false` if no broker answers now.
async fn check_topic(kafka: Settings, create: bool) -> anyhow::Result<bool> {
    let checked = tokio::task::spawn_blocking(move || topic::ensure(&kafka, create));
    is_fit(checked.await.map_err(process::fallen).context("checking the topic")?)
}

/// Whether the topic is fit; `false` if that is to be asked again.
fn is_fit(checked: Result<(), KafkaError>) -> anyhow::Result<bool> {
    match checked {
        Ok(()) => Ok(true),
        Err(error) if error.is_retryable() => {
            tracing::warn!(%error, "counting goes on, batches wait here");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends only with a topic that is not fit.
async fn topic_when_there(kafka: Settings, create: bool) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(cluster::RETRY_PAUSE).await;
        if check_topic(kafka.clone(), create).await? {
            tracing::info!("kafka answers, the topic is fit");
            std::future::pending::<()>().await;
        }
    }
}

/// What is not a beacon: the notice, and the demo page where it is the only site.
fn fallback(privacy: Privacy, house: Arc<House>, origin: String) -> Fallback {
    Arc::new(move |request| {
        if let Some(answer) = privacy.answer(&request) {
            return Box::pin(std::future::ready(answer));
        }
        if request.uri().path() == "/demo" && house.has_demo() {
            return welcome::demo_answer(&origin);
        }
        welcome::nothing_here()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_kafka_that_passes_does_not_end_the_counting() {
        let unreachable = KafkaError::Unreachable {
            brokers: "kafka:9092".to_owned(),
            patience_seconds: 10,
            reason: "gone".to_owned(),
        };
        for passing in [unreachable, KafkaError::Tls("the connection broke".to_owned())] {
            assert!(!is_fit(Err(passing)).unwrap());
        }
        for lasting in [
            KafkaError::Login("wrong".to_owned()),
            KafkaError::MissingTopic("batches".to_owned()),
            KafkaError::Topic(vec!["5 partitions".to_owned()]),
        ] {
            assert!(is_fit(Err(lasting)).is_err());
        }
        assert!(is_fit(Ok(())).unwrap());
    }
}
