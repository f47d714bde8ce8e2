//! What every long-running command begins and ends with: log, configuration, lock, signals.
//!
//! What it is not: a room.
//!
//! What surprises: nothing is opened before the configuration is checked whole.

use std::fs::File;
use std::future::Future;
use std::net::TcpListener;

use anyhow::{Context, anyhow, bail};
use axum::Router;
use headcount_core::{failpoint, leak};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::{self, Config, ConfigError, Flags};
use crate::{folder, harden};

/// Starts the log, reads and checks the configuration, and closes the process to others.
///
/// # Errors
/// [`ConfigError`].
pub(crate) fn prepare(flags: &Flags) -> anyhow::Result<Config> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let config = Config::load(flags, config::environment())?;
    arm_failpoint()?;
    arm_leak()?;
    harden::harden();
    Ok(config)
}

/// Makes the data folder and holds it against other processes.
///
/// # Errors
/// If another process has it.
pub(crate) fn hold_folder(config: &Config) -> anyhow::Result<File> {
    folder::prepare(&config.data_dir)?;
    let Some(lock) = folder::lock(&config.data_dir)? else {
        let folder = config.data_dir.display();
        bail!(
            "data_dir = \"{folder}\": another headcount runs on it; stop that one or choose another"
        );
    };
    Ok(lock)
}

/// Runs a room's life to its end.
///
/// # Errors
/// What ended it.
pub(crate) fn live<T>(life: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("the runtime cannot start")?;
    runtime.block_on(life)
}

/// The listeners that are served; one that ends is an error with its key.
pub(crate) type Servers = JoinSet<anyhow::Result<()>>;

/// Serves a router at an open listener, which the configuration names `key`.
///
/// # Errors
/// If the operating system refuses.
pub(crate) fn serve(
    servers: &mut Servers,
    (key, listener): (&'static str, TcpListener),
    router: Router,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context(key)?;
    servers.spawn(async move { axum::serve(listener, router).await.context(key) });
    Ok(())
}

/// A thread that failed, without what it said: that may be a visitor's. Its place is in the log.
pub(crate) fn fallen(_: tokio::task::JoinError) -> anyhow::Error {
    anyhow!("a thread failed; its place is in the log above")
}

/// The signals that end a process in order.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on. Do it before anything is printed: who reads may send one at once.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Says what a test build is, and which leak was asked for.
fn arm_leak() -> anyhow::Result<()> {
    let asked = config::environment().into_iter().find(|(key, _)| key == "HEADCOUNT_LEAK");
    if let Some((_, text)) = asked {
        leak::arm(&text).map_err(ConfigError)?;
    }
    if headcount_core::keeps_all() {
        tracing::warn!("test build: keeps what it is sent; never count people with it");
    }
    Ok(())
}

fn arm_failpoint() -> anyhow::Result<()> {
    let armed = config::environment().into_iter().find(|(key, _)| key == "HEADCOUNT_FAILPOINT");
    match armed {
        Some((_, text)) => Ok(failpoint::arm(&text).map_err(ConfigError)?),
        None => Ok(()),
    }
}
