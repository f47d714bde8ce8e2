//! What each command does.
//!
//! What it is not: `up`, which has a file of its own.
//!
//! What surprises: every command works on a data folder while `up` runs on it. Sites and tokens go
//! through a file that both read; erasing is left to the running process, which alone can reach
//! what it holds in memory.

use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use headcount_collector::peer;
use headcount_core::explain;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Day};
use headcount_stats::breakdown::Breakdown;
use headcount_stats::query::date::{self, Bounds};
use headcount_stats::{check_time, terminal};
use headcount_store::StoreError;
use headcount_store::clickhouse::{self, Writer};
use headcount_store::control::{self, Control};
use headcount_store::question::{Answer, Question, Refused, TimeBucket};
use headcount_store::sqlite;
use headcount_transport::kafka;

use crate::cli::{CatArgs, Cli, Command, DataArgs, ExplainArgs, Kind, SiteCommand, StatsArgs};
use crate::config::{self, Config, ConfigError, Flags, RawSite};
use crate::wall_clock::WallClock;
use crate::{
    admin_log, aggregate, audit, cluster, collect, datamap, doctor, folder, grants, import, merge,
    notice, publish, serve, token, totals, up, who,
};

/// How long `site erase` waits for a running `up`.
const ERASE_PATIENCE: Duration = Duration::from_secs(90);
/// How often it looks.
const ERASE_PAUSE: Duration = Duration::from_millis(100);
/// Rows that `stats` prints at most.
const STATS_ROWS_MAX: u32 = 10_000;

/// Does what was asked.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    cli.refuse_misplaced()?;
    match cli.command {
        None => up::run(&cli.up),
        Some(Command::Up(args)) => up::run(&args),
        Some(Command::Collect(args)) => collect::run(&args),
        Some(Command::Aggregate(args)) => aggregate::run(&args),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Merge(args)) => merge::run(&args),
        Some(Command::Cat(args)) => cat(&args),
        Some(Command::Site(args)) => site(args.command),
        Some(Command::Token(args)) => token::run(args.command),
        Some(Command::Signin(args)) => token::signin(&args),
        Some(Command::AdminLog(args)) => admin_log::run(args),
        Some(Command::Grants(args)) => grants::run(&args),
        Some(Command::Stats(args)) => stats(&args),
        Some(Command::Publish(args)) => publish::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::ImportTotals(args)) => totals::run(&args),
        Some(Command::Explain(args)) => explain(args),
        Some(Command::Audit(args)) => audit::run(&args),
        Some(Command::Notice(args)) => notice::commands::notice(&args),
        Some(Command::Dsar(args)) => notice::commands::text(notice::Kind::Dsar, &args),
        Some(Command::BreachSheet(args)) => notice::commands::text(notice::Kind::Breach, &args),
        Some(Command::Datamap(args)) => datamap::print(&args),
        Some(Command::Schema(args)) => datamap::schema(&args),
        Some(Command::Doctor(args)) => doctor::run(&args),
    }
}

fn load(data: &DataArgs) -> Result<Config, ConfigError> {
    let flags = Flags { config: data.config.clone(), data: data.data.clone(), ..Flags::default() };
    Config::load(&flags, config::environment())
}

/// The same for a command that only looks: it makes no folder and no file, and changes no rights.
/// `None` where nothing was ever run.
pub(crate) fn look(data: &DataArgs) -> anyhow::Result<(Config, Option<Control>)> {
    let config = load(data)?;
    let control = folder::look(&config.data_dir)?;
    Ok((config, control))
}

/// [`look`] for a command that has nothing to say without the file.
pub(crate) fn look_at(data: &DataArgs) -> anyhow::Result<(Config, Control)> {
    let (config, control) = look(data)?;
    match control {
        Some(control) => Ok((config, control)),
        None => Err(nothing_there(&config)),
    }
}

fn nothing_there(config: &Config) -> anyhow::Error {
    ConfigError(format!(
        "data_dir = \"{}\": has no {}; name the folder with --data or, if it is this one, restore \
         that file and {} from one backup",
        config.data_dir.display(),
        control::FILE_NAME,
        control::admin::MARK_FILE_NAME
    ))
    .into()
}

/// The data folder's file of sites and tokens, for a command of this user.
pub(crate) fn control(data: &DataArgs) -> anyhow::Result<(Config, Control)> {
    let config = load(data)?;
    folder::prepare(&config.data_dir)?;
    let control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
    Ok((config, control.acting_as(who::user())))
}

/// The sites of the configuration, of the commands and of the last `up`, erased ones too.
pub(crate) fn known_sites(
    config: &Config,
    control: Option<&Control>,
) -> anyhow::Result<Vec<SiteHost>> {
    let mut hosts: Vec<SiteHost> = config
        .sites
        .iter()
        .filter_map(|site| SiteHost::parse(&site.host).ok())
        .chain(control.map(Control::site_list).transpose()?.unwrap_or_default())
        .chain(folder::noted_sites(&config.data_dir))
        .collect();
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

/// Whether a host is one of [`known_sites`], or the demo site.
pub(crate) fn is_known(
    host: &SiteHost,
    config: &Config,
    control: Option<&Control>,
) -> anyhow::Result<bool> {
    Ok(up::is_demo(host) || known_sites(config, control)?.contains(host))
}

/// Prints the batches of the topic. A reader that closes its end early is no error.
fn cat(args: &CatArgs) -> anyhow::Result<()> {
    let flags = Flags { config: args.config.clone(), ..Flags::default() };
    let config = Config::load(&flags, config::environment())?;
    let settings = cluster::kafka(&config)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    kafka::cat(&settings, |line| match writeln!(out, "{line}") {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    })?;
    out.flush().ok();
    Ok(())
}

fn site(command: SiteCommand) -> anyhow::Result<()> {
    match command {
        SiteCommand::Add { host, data } => {
            let host = config::host("HOST", &host)?;
            let (config, mut control) = control(&data)?;
            let is_new = control.site_add(&host, WallClock.hour().day())?;
            if config.clickhouse.is_some() {
                Writer::connect(&cluster::clickhouse(&config)?)?.restore_site(&host)?;
            }
            say(&if is_new {
                format!("{host} is counted\n")
            } else {
                format!("{host} was counted already\n")
            })
        }
        SiteCommand::List { data } => {
            let (config, control) = look(&data)?;
            let gone = control.as_ref().map(Control::tombstones).transpose()?.unwrap_or_default();
            let mut hosts = known_sites(&config, control.as_ref())?;
            if control.is_none() && hosts.is_empty() {
                return Err(nothing_there(&config));
            }
            hosts.retain(|host| !gone.contains(host));
            say(&hosts.iter().map(|host| format!("{host}\n")).collect::<String>())
        }
        SiteCommand::Erase { host, data } => erase(&host, &data),
    }
}

fn erase(host: &str, data: &DataArgs) -> anyhow::Result<()> {
    let host = config::host("HOST", host)?;
    let (config, mut control) = control(data)?;
    refuse_unknown(&host, &config, &control)?;
    control.erasure_request(&host, WallClock.hour().day())?;
    if config.clickhouse.is_some() {
        return erase_in_cluster(&host, &config, &mut control);
    }
    // A running `up` does it; without one, this process becomes it for a moment.
    settle(&host, (&config, &mut control), up::settle_erasures, || {
        format!("the running `headcount up` has not erased {host} yet; it will go on trying")
    })?;
    say(&format!("every count of {host} is gone, and it is counted no more\n"))
}

/// Refuses to erase what is no site, before anything is noted. A site is known by configuration and
/// commands, by an erasure that may have been cut short, or by counts that are still there.
fn refuse_unknown(host: &SiteHost, config: &Config, control: &Control) -> anyhow::Result<()> {
    let known = known_sites(config, Some(control))?;
    if known.contains(host) || control.erasures_open()?.contains(host) || has_counts(host, config)?
    {
        return Ok(());
    }
    if let Some(site) = site_of_alias(host, config, &known) {
        bail!(
            "{host} is an alias of {site} and has no counts of its own; to erase both: headcount \
             site erase {site}"
        );
    }
    if control.tombstones()?.contains(host) {
        return Ok(());
    }
    bail!("{host} is no site here and has no counts; see: headcount site list");
}

/// The site that counts what comes from an alias.
fn site_of_alias(alias: &SiteHost, config: &Config, known: &[SiteHost]) -> Option<String> {
    let is_alias = |site: &&RawSite| {
        site.aliases.iter().any(|name| SiteHost::parse(name).is_ok_and(|name| name == *alias))
    };
    let configured = config.sites.iter().find(is_alias).map(|site| site.host.clone());
    let of_demo = up::DEMO_ALIASES.contains(&alias.as_str()) && known.iter().any(up::is_demo);
    configured.or_else(|| of_demo.then(|| up::DEMO_HOST.to_owned()))
}

/// Whether the store holds anything of a site, or the note of its erasure.
fn has_counts(host: &SiteHost, config: &Config) -> anyhow::Result<bool> {
    if config.clickhouse.is_some() {
        let settings = cluster::clickhouse(config)?;
        let is_noted = Writer::connect(&settings)?.has_erased(host)?;
        let reader = clickhouse::Reader::connect(&settings)?;
        return Ok(is_noted || reader.first_day(host)?.is_some());
    }
    match Numbers::open(config) {
        Ok(numbers) => Ok(numbers.sites()?.contains(host)),
        Err(error) => match error.downcast_ref() {
            Some(StoreError::Missing { .. }) => Ok(false),
            // The erasure itself brings it up to date.
            Some(StoreError::OlderSchema { .. }) => Ok(true),
            _ => Err(error),
        },
    }
}

/// Waits until the process on this folder has erased a site, or does it where none runs. `late`
/// says what is wrong when that takes too long.
fn settle(
    host: &SiteHost,
    (config, control): (&Config, &mut Control),
    erase: impl Fn(&Config, &mut Control) -> anyhow::Result<()>,
    late: impl Fn() -> String,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + ERASE_PATIENCE;
    while control.erasures_open()?.contains(host) {
        if let Some(lock) = folder::lock(&config.data_dir)? {
            erase(config, control)?;
            drop(lock);
        } else if Instant::now() >= deadline {
            bail!(late());
        } else {
            std::thread::sleep(ERASE_PAUSE);
        }
    }
    Ok(())
}

/// Removes a site from ClickHouse, where it also keeps out what is still on its way, and from this
/// folder's edge, if it has one.
fn erase_in_cluster(host: &SiteHost, config: &Config, control: &mut Control) -> anyhow::Result<()> {
    Writer::connect(&cluster::clickhouse(config)?)?.erase_site(host)?;
    // A running `collect` drops what it holds, a running `serve` has nothing to drop.
    settle(host, (config, control), collect::settle_erasures, || {
        format!("{host} is erased from clickhouse; the process on this folder still holds counts")
    })?;
    say(&format!(
        "every count of {host} is gone from clickhouse and from this folder; do the same on the \
         folder of each other collector, which stops counting it, and on that of `headcount serve`, \
         which ends its tokens and shared links\n"
    ))
}

/// Where the numbers rest.
pub(crate) enum Numbers {
    File(sqlite::Reader),
    Cluster(Box<clickhouse::Reader>),
}

impl Numbers {
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        if config.clickhouse.is_some() {
            let reader = clickhouse::Reader::connect(&cluster::clickhouse(config)?)?;
            return Ok(Self::Cluster(Box::new(reader)));
        }
        Ok(Self::File(sqlite::Reader::open(&config.data_dir.join(sqlite::FILE_NAME))?))
    }

    fn sites(&self) -> Result<Vec<SiteHost>, StoreError> {
        match self {
            Self::File(reader) => reader.sites_with_counts(),
            Self::Cluster(reader) => reader.sites_with_counts(),
        }
    }

    pub(crate) fn closed_before(&self) -> Result<Day, StoreError> {
        match self {
            Self::File(reader) => reader.closed_before(),
            Self::Cluster(reader) => reader.closed_before(),
        }
    }

    pub(crate) fn ask(&self, question: &Question) -> Result<Answer, StoreError> {
        match self {
            Self::File(reader) => reader.ask(question),
            Self::Cluster(reader) => reader.ask(question),
        }
    }

    fn refused(&self, host: &SiteHost, from: Day, to: Day) -> Result<Vec<Refused>, StoreError> {
        match self {
            Self::File(reader) => reader.refused(host, from, to),
            Self::Cluster(reader) => reader.refused(host, from, to),
        }
    }
}

fn stats(args: &StatsArgs) -> anyhow::Result<()> {
    let config = load(&args.data)?;
    let host = config::host("HOST", &args.host)?;
    let usage = |error: &dyn std::fmt::Display| ConfigError(error.to_string());
    let by = Breakdown::parse(&args.by).map_err(|error| usage(&error))?;
    let format = terminal::Format::parse(&args.format).ok_or_else(|| {
        ConfigError(format!("--format {}: one of table, json, csv is needed", args.format))
    })?;
    let time_zone = config.time_zone(&host);
    let today = time_zone.zone().day_at(WallClock.unix_seconds());
    let oldest = WallClock.hour().day().oldest_kept(config.retention_days);
    let oldest = date::oldest_whole(oldest, time_zone.zone()).min(today);
    let day = |flag: &str, text: &Option<String>, default| match text {
        None => Ok(default),
        Some(text) => date::day_of(text, time_zone.zone())
            .ok_or_else(|| ConfigError(format!("{flag} {text}: a day such as {today} is needed"))),
    };
    let to = day("--to", &args.to, today)?;
    let from = day("--from", &args.from, to.minus(29).max(oldest))?;
    let range = date::between(
        from,
        to,
        &Bounds { today, oldest, first: None, zone: time_zone.zone().clone() },
    )
    .map_err(|error| usage(&error))?;
    let reader = Numbers::open(&config)?;
    let control = folder::look(&config.data_dir)?;
    if !is_known(&host, &config, control.as_ref())? && !reader.sites()?.contains(&host) {
        bail!("{host} is no site here; see: headcount site list");
    }
    match by.question(&host, range, config.k, STATS_ROWS_MAX) {
        Some(question) => {
            check_time(question.time, config.hours()).map_err(|error| usage(&error))?;
            let open_k = config.hours().then_some(config.k_day);
            let question = Question { zone: time_zone.zone().clone(), open_k, ..question };
            let answer = reader.ask(&question)?;
            let mut text = String::new();
            let by_day = Breakdown::Time(TimeBucket::Day);
            let days = by_day.question(&host, range, config.k, date::RANGE_DAYS_MAX + 1);
            if let (terminal::Format::Table, Some(days)) = (format, days) {
                let days = Question { zone: time_zone.zone().clone(), ..days };
                text = terminal::days(&days, &reader.ask(&days)?);
            }
            unless_reader_left(say(&(text + &terminal::show(format, &question, &answer))))
        }
        None => say(&terminal::show_refused(format, &reader.refused(&host, range.from, range.to)?)),
    }
}

fn explain(args: ExplainArgs) -> anyhow::Result<()> {
    let host = config::host("--site", &args.site)?;
    let configured = load(&args.data)?.sites.into_iter().find(|site| site.host == host.as_str());
    let mut site = configured.unwrap_or(RawSite { host: host.to_string(), ..RawSite::default() });
    site.events.extend(args.event);
    let rules = config::site_setting(&site)?.rules;
    let kept = |value: &str| match args.kind {
        Kind::Page => explain::page(&rules, value),
        Kind::Source => explain::source(&rules, value),
        Kind::Click => explain::click(&rules, value),
        Kind::Utm => explain::utm(&rules, value),
        Kind::Event => explain::event(&rules, value),
        Kind::Ip => peer::explain_ip(value),
        Kind::Client => peer::explain_client(value),
    };
    let print = || {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        if args.values.is_empty() {
            for line in std::io::stdin().lock().split(b'\n') {
                let line = line.context("standard input")?;
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                let kept = kept(&String::from_utf8_lossy(line));
                writeln!(out, "{kept}").context("standard output")?;
            }
        }
        for value in &args.values {
            writeln!(out, "{}", kept(value)).context("standard output")?;
        }
        out.flush().context("standard output")
    };
    unless_reader_left(print())
}

/// A reader that closes its end early, as `head` does, is no error.
pub(crate) fn unless_reader_left(printed: anyhow::Result<()>) -> anyhow::Result<()> {
    let left = |error: &anyhow::Error| {
        let error = error.downcast_ref::<std::io::Error>();
        error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    match printed {
        Err(error) if left(&error) => Ok(()),
        printed => printed,
    }
}

/// Prints to standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("standard output")
}
