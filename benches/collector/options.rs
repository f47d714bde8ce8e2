//! The command line of the bench.
//!
//! What it is not: the environment; clippy keeps that to the binary's configuration.
//!
//! What surprises: the bench is also its own control: with `serve-bare PORT` the same program is
//! the bare hyper server.

use std::time::Duration;

use anyhow::{Context, bail};

use crate::generator::Pace;
use crate::requests::Profile;
use crate::servers::Kind;

const USAGE: &str = "cargo bench --bench collector -- [--rounds 7] [--seconds 3] \
[--connections 2000] [--threads 2] [--profile hot|distinct] [--rate PER_SECOND (open loop; without: closed loop)] \
[--servers headcount,bare,nginx] [--binary PATH]";

pub(crate) enum Action {
    ServeBare { port: u16 },
    Measure(Options),
}

/// What is measured, and how long.
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) duration: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) connections: usize,
    /// Threads of the load in a closed loop.
    pub(crate) threads: usize,
    pub(crate) profile: Profile,
    pub(crate) pace: Pace,
    pub(crate) servers: Vec<Kind>,
    pub(crate) binary: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 7,
            duration: Duration::from_secs(3),
            warm_up: Duration::from_millis(500),
            connections: 2_000,
            threads: 2,
            profile: Profile::Hot,
            pace: Pace::Closed,
            servers: vec![Kind::Headcount, Kind::Bare, Kind::Nginx],
            // Set while cargo builds a bench of a package with that binary.
            binary: option_env!("CARGO_BIN_EXE_headcount").map(str::to_owned),
        }
    }
}

pub(crate) fn read(mut words: impl Iterator<Item = String>) -> anyhow::Result<Action> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        // `cargo bench` adds it to every bench.
        if word == "--bench" {
            continue;
        }
        let value = words.next().with_context(|| format!("{word} needs a value; {USAGE}"))?;
        match word.as_str() {
            "serve-bare" => return Ok(Action::ServeBare { port: value.parse()? }),
            "--rounds" => options.rounds = value.parse()?,
            "--seconds" => options.duration = Duration::from_secs_f64(value.parse()?),
            "--connections" => options.connections = value.parse()?,
            "--threads" => options.threads = value.parse()?,
            "--profile" => options.profile = profile(&value)?,
            "--rate" => options.pace = Pace::Open { per_second: value.parse()? },
            "--servers" => {
                options.servers = value.split(',').map(kind).collect::<Result<_, _>>()?
            }
            "--binary" => options.binary = Some(value),
            _ => bail!("{word} is unknown; {USAGE}"),
        }
    }
    Ok(Action::Measure(options))
}

fn profile(word: &str) -> anyhow::Result<Profile> {
    Ok(match word {
        "hot" => Profile::Hot,
        "distinct" => Profile::Distinct,
        _ => bail!("--profile {word}: hot or distinct is needed"),
    })
}

fn kind(word: &str) -> anyhow::Result<Kind> {
    Ok(match word {
        "headcount" => Kind::Headcount,
        "bare" => Kind::Bare,
        "nginx" => Kind::Nginx,
        _ => bail!("--servers {word}: headcount, bare or nginx is needed"),
    })
}
