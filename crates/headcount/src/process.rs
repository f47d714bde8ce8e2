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
use headcount_core::time::{Clock as _, Hour};
use headcount_core::{failpoint, leak};
use headcount_store::StoreError;
use headcount_store::control::admin::{Verdict, hash_text};
use headcount_store::control::{self, Control};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinSet, LocalSet};

use crate::config::{self, Config, ConfigError, Flags};
use crate::door::Door;
use crate::porch::{Entrance, Porch};
use crate::wall_clock::WallClock;
use crate::{folder, harden, who};

/// Threads for what blocks and is no question: looking up tokens, looking after sites, stopping.
const OTHER_THREADS: usize = 3;

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

/// Runs a room's life to its end. It answers so many questions at once, and each has a thread.
///
/// # Errors
/// What ended it.
pub(crate) fn live<T>(
    readers: usize,
    life: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(readers + OTHER_THREADS)
        .build()
        .context("the runtime cannot start")?;
    // The listeners' connections stay on this thread.
    LocalSet::new().block_on(&runtime, life)
}

/// The listeners that are served. None ends by itself.
pub(crate) type Servers = JoinSet<()>;

/// What a process ends with whose listener has ended, which only a failure does.
pub(crate) fn unserved(ended: Result<(), tokio::task::JoinError>) -> anyhow::Result<()> {
    ended.map_err(fallen).context("a listener ended")?;
    bail!("a listener ended")
}

/// Serves a router at an open listener.
///
/// # Errors
/// If the operating system refuses.
pub(crate) fn serve(
    servers: &mut Servers,
    (entrance, listener): (Entrance, TcpListener),
    (router, door): (Router, Door),
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context(entrance.key)?;
    servers.spawn_local(Porch::new(entrance, router, door).serve(listener));
    Ok(())
}

/// A thread that failed, without what it said: that may be a visitor's. Its place is in the log.
pub(crate) fn fallen(_: tokio::task::JoinError) -> anyhow::Error {
    anyhow!("a thread failed; its place is in the log above")
}

/// Opens the file of sites and tokens for a process that begins now: notes whether its settings are
/// new, and looks after the admin log.
///
/// # Errors
/// If the file cannot be opened or written.
pub(crate) fn open_control(config: &Config) -> anyhow::Result<Control> {
    let path = config.data_dir.join(control::FILE_NAME);
    Control::open(&path)?.acting_as(who::user()).note_settings(&config.settings_hash)?;
    let mut control = Control::open(&path)?;
    look_after(&mut control, config.retention_days, WallClock.unix_seconds())?;
    Ok(control)
}

/// Where the admin log stands, as a line for standard output: in a log of the machine that goes
/// elsewhere, it is the hash that is kept. One that does not hold is an error in the process's log.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn told_log(config: &Config) -> anyhow::Result<String> {
    let control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
    Ok(match control.log_verify(None, config.retention_days)? {
        Verdict::Whole { head: Some(head), .. } => {
            format!("admin log   {} {}\n", head.seq, hash_text(&head.hash))
        }
        Verdict::Whole { head: None, .. } => String::new(),
        Verdict::Broken { seq, why } => {
            tracing::error!(entry = seq, "the admin log does not hold: {why}");
            String::new()
        }
    })
}

/// Once a day: notes which tokens have expired, trims the admin log, and forgets what was published of
/// days that are kept no more, and tokens that ended then.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn look_after(
    control: &mut Control,
    retention_days: u32,
    now: u64,
) -> Result<(), StoreError> {
    control.tokens_expire(now)?;
    let oldest = Hour::of_unix(now).day().oldest_kept(retention_days);
    control.published_forget(oldest)?;
    control.tokens_forget(oldest)?;
    control.log_trim(oldest.first_hour().unix_seconds())
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use super::*;

    const READERS: usize = 4;
    /// Longer than any machine takes to start a thread.
    const PATIENCE: Duration = Duration::from_secs(300);

    #[test]
    fn a_look_up_waits_for_no_question() {
        let found = live(READERS, async {
            let slow: Vec<Sender<()>> = (0..READERS)
                .map(|_| {
                    let (end, ended) = channel();
                    drop(tokio::task::spawn_blocking(move || ended.recv()));
                    end
                })
                .collect();
            let look_up = tokio::task::spawn_blocking(|| "token");
            let found = tokio::time::timeout(PATIENCE, look_up).await;
            drop(slow);
            Ok(found.context("every thread is a question's")??)
        });
        assert_eq!(found.unwrap(), "token");
    }
}
