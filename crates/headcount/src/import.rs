//! `headcount import`: the access logs of a server into the counts, each file once.
//!
//! What it is not: a second way to count. Lines are judged by the edge's judge, and leave by its
//! release rule; but they need no edge file, because a log is there to be read again.
//!
//! What surprises: it runs beside a running `up`. How far a file was counted is a range of lines in
//! the ledger, written together with its counts: a kill at any moment leaves both or neither.

mod count;
mod follow;
pub(crate) mod input;
mod lines;
mod summary;
mod trail;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headcount_collector::import::{LineRules, LogJudge, LogSetting};
use headcount_collector::sites::SiteSetting;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Day};
use headcount_store::control::admin::Act;
use headcount_store::control::{self, Control};
use headcount_store::sqlite::ImportNote;
use indicatif::{ProgressBar, ProgressStyle};

use self::count::{Books, Counting, Taken};
use self::input::{Input, LogFile, Recorder, Stream};
use self::lines::Lines;
use self::summary::Summary;
use self::trail::{Known, SHORT_LINES, recognise};
use crate::cli::ImportArgs;
use crate::config::{self, Config, ConfigError, Flags, RawSite};
use crate::process::{self, Signals};
use crate::wall_clock::WallClock;
use crate::{commands, edge, folder, who};

/// How often it is looked whether the UTC day is over, whose key and marks then end.
const KEEP_INTERVAL: Duration = Duration::from_millis(500);

/// Reads every file to its end, and further if it is told to follow.
///
/// # Errors
/// Anything that keeps it from ending, with what to do. Nothing is counted twice by another run.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let (config_file, data) = (args.data.config.clone(), args.data.data.clone());
    let config = process::prepare(&Flags { config: config_file, data, ..Flags::default() })?;
    let host = config::host("HOST", &args.host)?;
    let rules = rules(args)?;
    let _lock = enter(&config, &host)?;
    note(&config, &host, (Act::Import, args.files.len()))?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let stop = Arc::new(AtomicBool::new(false));
    let commits = (args.commit_lines, Arc::clone(&stop));
    let books = Books::open(&config.data_dir, &host, &clock, commits)?;
    let judge = LogJudge::start(setting(&config, &host, rules, &clock)?)?;
    // A day ends while lines are waited for, too, and while the store refuses them.
    let keeper = judge.keeper();
    let inputs = input::inputs(&args.files)?;
    if config.notice.is_begun() && !config.notice.knows_logs() {
        tracing::warn!(
            "the notice does not tell visitors that logs are counted; set notice.imports_logs = true"
        );
    }
    let bar = bar(&inputs);
    let (summary, anew) = (Summary::default(), args.anew);
    let run = Run {
        books,
        judge,
        summary,
        stop: Arc::clone(&stop),
        bar,
        anew,
        follows: false,
        tidied: None,
    };
    let follow = args.follow;
    let summary = process::live(0, async move {
        let mut signals = Signals::new()?;
        let mut reading = tokio::task::spawn_blocking(move || run.all(&inputs, follow));
        let mut looks = tokio::time::interval(KEEP_INTERVAL);
        let read = loop {
            tokio::select! {
                read = &mut reading => break read,
                () = signals.next() => stop.store(true, Ordering::Relaxed),
                _ = looks.tick() => keeper.keep(),
            }
        };
        read.map_err(process::fallen).context("the import")?
    })?;
    commands::say(&summary.text(host.as_str()))?;
    summary.failure().map_or(Ok(()), |failure| bail!(failure))
}

/// Checks that a site may be imported into the data folder, and holds it against other imports.
///
/// # Errors
/// One line with what to do.
pub(crate) fn enter(config: &Config, host: &SiteHost) -> anyhow::Result<File> {
    refuse_cluster(config)?;
    folder::prepare(&config.data_dir)?;
    folder::refuse_merged(&config.data_dir)?;
    folder::refuse_collected(&config.data_dir)?;
    folder::refuse_held(&config.data_dir)?;
    refuse_unknown(host, config)?;
    match folder::lock_imports(&config.data_dir)? {
        Some(lock) => Ok(lock),
        None => bail!(
            "data_dir = \"{}\": another import runs on it; stop that one, or give it these files too",
            config.data_dir.display()
        ),
    }
}

/// Writes into the admin log that files are given to be counted. Their names are not told: they may
/// say something.
///
/// # Errors
/// If the log cannot be written.
pub(crate) fn note(
    config: &Config,
    host: &SiteHost,
    (act, files): (Act, usize),
) -> anyhow::Result<()> {
    let control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
    let files = format!("{files} {}", if files == 1 { "file" } else { "files" });
    Ok(control.acting_as(who::user()).note(act, Some(host), &files)?)
}

fn rules(args: &ImportArgs) -> Result<LineRules, ConfigError> {
    let standard = LineRules::default();
    if let Some(path) = args.without.iter().find(|path| !path.starts_with('/')) {
        return Err(ConfigError(format!("--without {path}: a path such as /api/ is needed")));
    }
    let lower = |ending: &String| ending.trim_start_matches('.').to_ascii_lowercase();
    let endings: Vec<_> = args.endings.iter().map(lower).collect();
    Ok(LineRules {
        methods: args.methods.iter().map(|method| method.to_ascii_uppercase()).collect(),
        statuses: args.statuses.clone(),
        endings: if endings.is_empty() { standard.endings } else { endings },
        without: args.without.clone(),
    })
}

/// An import into a cluster would need a place in Kafka or ClickHouse that says how far it came.
fn refuse_cluster(config: &Config) -> Result<(), ConfigError> {
    if config.kafka.is_none() && config.clickhouse.is_none() {
        return Ok(());
    }
    Err(ConfigError(
        "[kafka], [clickhouse]: an import counts into a data folder; run it without them, with a new \
         --data, and then bring that folder into the cluster: headcount merge"
            .to_owned(),
    ))
}

/// Refuses a site that is not counted.
///
/// # Errors
/// How to add it.
pub(crate) fn refuse_unknown(host: &SiteHost, config: &Config) -> anyhow::Result<()> {
    let control = Control::open(&config.data_dir.join(control::FILE_NAME))?;
    let is_gone = control.tombstones()?.contains(host);
    if is_gone || !commands::is_known(host, config, Some(&control))? {
        bail!("{host} is no site here; add it with: headcount site add {host}");
    }
    Ok(())
}

/// The setting of a site: the configuration's, or that of a site without one.
///
/// # Errors
/// [`ConfigError`].
pub(crate) fn site(config: &Config, host: &SiteHost) -> Result<SiteSetting, ConfigError> {
    let configured = config.sites.iter().find(|site| site.host == host.as_str()).cloned();
    let site = configured.unwrap_or(RawSite { host: host.to_string(), ..RawSite::default() });
    config::site_setting(&site)
}

fn setting(
    config: &Config,
    host: &SiteHost,
    rules: LineRules,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<LogSetting> {
    Ok(LogSetting {
        site: site(config, host)?,
        addresses: config.addresses.clone(),
        countries: edge::countries(config)?,
        visitors: config.visitors.then_some(config.limits.visitor_filter_mib),
        release: config.release,
        names: config.limits.names,
        oldest: clock.hour().day().oldest_kept(config.retention_days),
        rules,
        clock: Arc::clone(clock),
    })
}

/// A bar of the bytes read; hidden where standard error is no terminal.
fn bar(inputs: &[Input]) -> ProgressBar {
    let bytes = inputs.iter().map(Input::bytes).sum();
    let bar = ProgressBar::new(bytes);
    let style = ProgressStyle::with_template(
        "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// An import on its way.
struct Run {
    books: Books,
    judge: LogJudge,
    summary: Summary,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
    anew: bool,
    /// Whether several files are open at once, so that one of them does not know what others need.
    follows: bool,
    /// The day up to which names were forgotten while following.
    tidied: Option<Day>,
}

/// A file that is open.
struct Open {
    counting: Counting,
    lines: Lines<Stream>,
}

/// Where reading has come to its end.
enum End {
    /// Of what is there.
    OfFile,
    /// Of another file than the one that was recognised: nothing of it is to be written.
    OfAnother,
    /// Of what can be read.
    Failed(io::Error),
}

impl Run {
    fn all(mut self, inputs: &[Input], follow: bool) -> anyhow::Result<Summary> {
        if follow {
            self.follow(inputs)?;
        } else {
            for input in inputs {
                self.one(input)?;
                if self.is_stopped() {
                    break;
                }
            }
        }
        self.bar.finish_and_clear();
        Ok(self.summary)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Counts a file to its end.
    fn one(&mut self, input: &Input) -> anyhow::Result<()> {
        let name = input.name();
        self.bar.set_message(name.clone());
        let (known, stream) = match self.look_at(input)? {
            Ok(looked) => looked,
            Err(error) => {
                self.summary.fail(format!("{error:#}"));
                return Ok(());
            }
        };
        let Some(mut open) = self.begin(name.clone(), known, stream)? else { return Ok(()) };
        let failed = match self.read(&mut open)? {
            End::OfFile => None,
            End::OfAnother => {
                let changed = "was changed while it was read; import it again";
                self.summary.fail(format!("{name}: {changed}"));
                return Ok(());
            }
            End::Failed(error) => Some(error),
        };
        // What came before a damaged end is counted, and known when the file is whole.
        open.counting.write(&mut self.judge, &mut self.books)?;
        open.counting.tidy(&mut self.judge);
        self.close(&open, &name);
        if let Some(error) = failed {
            self.summary.fail(format!("{name}: {error}"));
        }
        Ok(())
    }

    /// Finds out what is known of a file, and gives its lines from the beginning; or why it
    /// cannot be read.
    fn look_at(&self, input: &Input) -> anyhow::Result<anyhow::Result<(Known, Stream)>> {
        let notes = self.books.notes()?;
        let look = || match input {
            Input::Stdin => {
                let mut lines = Lines::new(Recorder::new(input::stdin(&self.bar)?));
                let known = recognise(&mut lines, &notes);
                Ok((known, lines.into_stream().again()?))
            }
            Input::File(path) => {
                let file = LogFile::open(path)?;
                let mut lines = Lines::new(file.stream(&ProgressBar::hidden())?);
                Ok((recognise(&mut lines, &notes), file.stream(&self.bar)?))
            }
        };
        Ok(look())
    }

    /// The note with which a file goes on, itself `None` for a new one; `None` if the file is left
    /// alone.
    #[expect(clippy::option_option, reason = "left alone, new, or known: see above")]
    fn note_of(&mut self, name: &str, known: Known) -> anyhow::Result<Option<Option<ImportNote>>> {
        Ok(match known {
            Known::New => Some(None),
            Known::Short(_) | Known::OlderCopy if self.anew => Some(None),
            // Nothing of it is in the counts, so it can be counted as if it were new.
            Known::Counted(note) if self.anew && self.books.forget_empty(&note)? => Some(None),
            Known::Counted(note) => Some(Some(note)),
            Known::Short(note) => {
                self.summary.remark(format!(
                    "{name}: has fewer than {SHORT_LINES} lines, and was taken for a file that was \
                     counted; if it is another one, use --anew"
                ));
                Some(Some(note))
            }
            Known::OlderCopy => {
                self.summary.remark(format!(
                    "{name}: begins like a file that was counted further, so nothing of it was \
                     counted; if it is another one, use --anew"
                ));
                None
            }
        })
    }

    /// Begins a file, or goes on with it; `None` if it is left alone.
    fn begin(
        &mut self,
        name: String,
        known: Known,
        stream: Stream,
    ) -> anyhow::Result<Option<Open>> {
        let Some(note) = self.note_of(&name, known)? else { return Ok(None) };
        self.summary.file();
        let counting = Counting::begin(name, note, &mut self.books)?;
        Ok(Some(Open { counting, lines: Lines::new(stream) }))
    }

    /// Reads what is there. Stops when told to, at the end of a line.
    ///
    /// # Errors
    /// If counts that must leave cannot be written.
    fn read(&mut self, open: &mut Open) -> anyhow::Result<End> {
        loop {
            let line = match open.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(End::OfFile),
                Err(error) => return Ok(End::Failed(error)),
            };
            let around = (&mut self.books, &mut self.summary);
            match open.counting.take(line, &mut self.judge, around)? {
                Taken::Another => return Ok(End::OfAnother),
                Taken::Tidy if !self.follows => open.counting.tidy(&mut self.judge),
                Taken::Tidy | Taken::Counted => {}
            }
            if open.counting.lines().is_multiple_of(1_024) && self.is_stopped() {
                return Ok(End::OfFile);
            }
        }
    }

    /// Says what is left over of a file.
    fn close(&mut self, open: &Open, name: &str) {
        if let Some(lines) = open.counting.in_vain() {
            self.summary.remark(format!(
                "{name}: none of its {lines} lines was counted, for the reasons above; if that is \
                 wrong, change --methods, --statuses, --endings, --without or the site's aliases, \
                 and give it again with --anew"
            ));
        }
        let waiting = open.counting.waiting();
        if waiting > 0 {
            self.summary.remark(format!(
                "{name}: countries, browsers and the like of its last {waiting} lines wait for a \
                 crowd or for the end of the UTC day; run this again then"
            ));
        }
        if open.lines.has_rest() && !self.is_stopped() {
            self.summary.remark(format!(
                "{name}: its last line has no end, and is counted when it has one"
            ));
        }
    }
}
