//! `headcount audit`: sends markers to a running deployment and looks for them in all that it has.
//!
//! What it is not: a look at memory, at other machines, or at what a proxy in front keeps. The
//! report says what was not examined.
//!
//! What surprises: it counts into a site of its own, which it adds, and erases at the end, by the
//! commands that everybody has. The owner's numbers are not touched.

mod access;
mod answers;
mod claims;
mod client;
mod cluster;
mod commands;
mod files;
mod finder;
mod kept;
mod keys;
mod places;
mod requests;
mod risks;
mod running;
mod scrub;
mod sending;
mod settings;
mod texts;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use headcount_audit::channel::{CHANNELS, index};
use headcount_audit::evidence::{Evidence, Setting};
use headcount_audit::marker::Markers;
use headcount_audit::report::{Control, Report, Status, Verdict};
use headcount_audit::{html, markdown};
use indicatif::{ProgressBar, ProgressStyle};

use self::commands::Commands;
use self::finder::Finder;
use self::kept::Kept;
use self::running::Running;
use self::sending::Told;
use crate::cli::AuditArgs;
use crate::config::{self, Config, ConfigError, Flags};
use crate::folder;
use crate::notice::{Facts, Mode};

/// The site that is audited. The ending is reserved (RFC 2606): nobody's site has it.
pub(crate) const SITE: &str = "audit.invalid";
/// Exit code: a marker was found, or a control failed.
const EXIT_FAILED: u8 = 1;
/// Exit code: nothing was found, but something could not be examined.
const EXIT_INCOMPLETE: u8 = 2;
/// How often markers are drawn anew that were there before.
const REDRAWS_MAX: usize = 8;
/// Least and most seconds of an audit.
const SECONDS: std::ops::RangeInclusive<u64> = 10..=3_600;
/// After the counts are there: the log, the release, the store's own logs.
const SETTLING: Duration = Duration::from_millis(2_500);
/// Bytes of a control's report at most.
const CONTROL_BYTES_MAX: u64 = 64 << 20;

/// An audit that did not pass.
#[derive(Debug)]
pub(crate) struct NotPassed(Verdict);

impl NotPassed {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        if self.0 == Verdict::Failed { EXIT_FAILED } else { EXIT_INCOMPLETE }
    }
}

impl std::fmt::Display for NotPassed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Verdict::Failed => "the audit failed; the report names what was found where",
            _ => "the audit is incomplete: something could not be examined",
        })
    }
}

impl std::error::Error for NotPassed {}

/// What one audit works with.
struct Audit<'a> {
    args: &'a AuditArgs,
    config: &'a Config,
    mode: Mode,
    running: Running,
    commands: Commands,
    /// Settings that are not the default.
    settings: Vec<Setting>,
    deadline: Instant,
    bar: ProgressBar,
}

/// Audits, and writes the report.
///
/// # Errors
/// [`ConfigError`] for what is wrong in settings or flags; everything else, what kept it from its end
/// too, is [`NotPassed`].
pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<()> {
    run_to_end(args).map_err(|error| {
        let has_code = error.is::<ConfigError>() || error.is::<NotPassed>();
        if has_code { error } else { unexamined(error) }
    })
}

/// What kept it from its end kept it from examining.
fn unexamined(error: anyhow::Error) -> anyhow::Error {
    error.context(NotPassed(Verdict::Incomplete))
}

fn run_to_end(args: &AuditArgs) -> anyhow::Result<()> {
    let flags = Flags {
        config: args.data.config.clone(),
        data: args.data.data.clone(),
        ..Flags::default()
    };
    let config = Config::load(&flags, config::environment())?;
    if !SECONDS.contains(&args.seconds) {
        let given = args.seconds;
        return Err(ConfigError(format!("--seconds {given}: 10 to 3600 are needed")).into());
    }
    let control = args.control.as_deref().map(read_control).transpose()?;
    let running = Running::find(args, &config)?;
    let settings = settings::settings(&flags, config::environment(), &config)?;
    let _lock = lock(&config)?;
    // Before anything is sent: a report that cannot be written would be lost.
    let kept = Kept::open(args)?;
    let audit = Audit {
        mode: Mode::of(&config),
        commands: Commands::new(args, &config)?,
        deadline: Instant::now() + Duration::from_secs(args.seconds),
        bar: bar(),
        args,
        config: &config,
        running,
        settings,
    };
    let report = audit.report(control.as_ref()).map_err(unexamined)?;
    audit.bar.finish_and_clear();
    let written = kept.write(&report);
    match (report.verdict, written) {
        (Verdict::Passed, written) => written,
        (verdict, Ok(())) => Err(NotPassed(verdict).into()),
        (verdict, Err(error)) => Err(error.context(NotPassed(verdict))),
    }
}

fn lock(config: &Config) -> anyhow::Result<std::fs::File> {
    let folder = config.data_dir.display();
    if !config.data_dir.is_dir() {
        let text = format!("data_dir = \"{folder}\": there is no such folder to audit");
        return Err(ConfigError(text).into());
    }
    folder::lock_audits(&config.data_dir)?
        .with_context(|| format!("data_dir = \"{folder}\": another audit runs on it"))
}

impl Audit<'_> {
    fn report(&self, control: Option<&Report>) -> anyhow::Result<Report> {
        let (began, started) = (texts::now(), Instant::now());
        self.step("looking for what is there before");
        let (markers, mut finder, forgotten) = self.markers()?;
        let before = cluster::before(self);
        let (tokens, mut checks) = access::tokens(self, &mut finder);
        self.step("adding the site");
        self.commands.site_begin(&mut finder, &self.running.visitors, self.deadline)?;
        let told = self.told(&markers, &mut finder);
        self.step("looking for markers");
        self.files(&mut finder);
        cluster::look(self, before, &mut finder);
        self.step("erasing the site");
        self.commands.site_end(&mut finder)?;
        let (told, liveness, nobody) = told?;
        checks.push(nobody);
        checks.extend(access::checks(self, &mut finder));
        let evidence = Evidence { tokens, checks, ..Evidence::default() };
        let evidence = self.evidence(evidence, &markers, &mut finder);
        let facts = Facts::running(self.config, self.mode, Vec::new())?;
        let mut report = texts::report(self, &facts, began);
        report.requests = told.sent;
        report.not_examined.extend(told.unsent);
        report.forgotten = forgotten;
        report.controls = vec![liveness, self_control(&markers, &finder), positive(control)];
        let search = std::mem::take(&mut finder.search);
        report.artefacts = finder.artefacts();
        report.evidence = evidence;
        (report.evidence.notice, report.evidence.claims) = claims::claims(&facts, &report);
        report.identity.ended = texts::now();
        report.identity.seconds = started.elapsed().as_secs();
        report.finish();
        // It is handed on, so it may be no copy of what it looks for.
        let told = [report.json()?, html::html(&report), markdown::markdown(&report)].concat();
        anyhow::ensure!(search.within(told.as_bytes()).is_empty(), "a marker is in the report");
        Ok(report)
    }

    /// What is said besides the markers, once their site is erased.
    fn evidence(&self, evidence: Evidence, markers: &Markers, finder: &mut Finder) -> Evidence {
        let (scrubbed, policy) = scrub::scrubbed(markers);
        let (keys, key) = keys::look(self, finder);
        let (places, map) = places::look(self, finder);
        let (taken, taken_said) = scrub::taken(self);
        let mut checks = evidence.checks;
        checks.extend([map, policy, key]);
        Evidence {
            settings: self.settings.clone(),
            small_cells: access::small_cells(self),
            risks: risks::risks(self.mode),
            checks,
            places,
            scrubbed,
            taken,
            taken_said,
            keys,
            ..evidence
        }
    }

    /// Markers none of which is there yet, and forms that cannot be drawn anew.
    fn markers(&self) -> anyhow::Result<(Markers, Finder, Vec<String>)> {
        let mut markers = Markers::draw(random).context("no random bytes for the markers")?;
        let mut forgotten = Vec::new();
        for _ in 0..REDRAWS_MAX {
            let mut finder = Finder::new(markers.search(), self.deadline);
            forgotten.iter().for_each(|hit| finder.search.forget(hit));
            self.files(&mut finder);
            let found = finder.hits();
            if found.is_empty() {
                let forgotten = forgotten.iter().map(texts::forgotten).collect();
                return Ok((markers, Finder::new(finder.search, self.deadline), forgotten));
            }
            for hit in found {
                // Shortened addresses of this network are the same whatever is drawn.
                if hit.form == "shortened" && hit.name.contains("IPv4") {
                    forgotten.push(hit);
                } else if let Some(at) = index(&hit.name) {
                    markers.redraw(at, random).context("no random bytes for the markers")?;
                }
            }
        }
        anyhow::bail!("markers are found before they are sent; is there a copy of what is audited?")
    }

    /// Sends everything, waits for the counts, and asks for them.
    fn told(
        &self,
        markers: &Markers,
        finder: &mut Finder,
    ) -> anyhow::Result<(Told, Control, Control)> {
        self.step("sending");
        let mut told = sending::tell(self, markers, finder);
        if self.mode == Mode::Embedded {
            told.views += self.commands.import(markers, finder)?;
        } else {
            told.not_sent("channel \"log: user\"", "not sent; a cluster takes no import");
        }
        self.step("waiting for the counts");
        let liveness = self.commands.liveness(&told, finder, self.deadline);
        std::thread::sleep(SETTLING);
        self.step("asking");
        answers::look(self, markers, finder);
        Ok((told, liveness, access::nobody(self, finder)))
    }

    /// Everything that is a file, or belongs to a process.
    fn files(&self, finder: &mut Finder) {
        files::data_folder(&self.config.data_dir, finder);
        if let Some(serve) = &self.args.serve_data {
            files::data_folder(serve, finder);
        }
        files::named(&self.args.also, finder);
        self.running.look(self, finder);
    }

    /// What a proxy in front says for an analyst: a header with an address that may ask.
    fn asking(&self) -> String {
        let addresses = &self.config.addresses;
        match (addresses.header_name(), addresses.admitted_value()) {
            (Some(name), Some(value)) => format!("{name}: {value}\r\n"),
            _ => String::new(),
        }
    }

    fn step(&self, doing: &'static str) {
        self.bar.set_message(doing);
        self.bar.tick();
    }
}

fn random() -> Result<u8, getrandom::Error> {
    let mut byte = [0];
    getrandom::fill(&mut byte)?;
    Ok(byte[0])
}

/// Shows that the search finds each marker in each form, as it is and packed.
fn self_control(markers: &Markers, finder: &Finder) -> Control {
    let seen = |text: &str| {
        let packed = zstd::encode_all(text.as_bytes(), 1).unwrap_or_default();
        [text.as_bytes().to_vec(), packed]
            .iter()
            .all(|bytes| !finder.search.look(bytes).hits.is_empty())
    };
    let blind: Vec<_> =
        CHANNELS.iter().filter(|it| !seen(&markers.text(it.name))).map(|it| it.name).collect();
    let (status, said) = if blind.is_empty() {
        (Status::Passed, format!("each of {} markers was found where it was put", CHANNELS.len()))
    } else {
        (Status::Failed, format!("not found where it was put: {}", blind.join(", ")))
    };
    Control { name: "the search".to_owned(), status, said, needed: true }
}

/// Whether a build without the sanitiser was caught.
fn positive(control: Option<&Report>) -> Control {
    let (status, said) = match control {
        None => (
            Status::NotTested,
            "not run with this binary, which cannot keep what it is sent; build the one that does \
             and audit it as tests/README.md says, then give its report with --control"
                .to_owned(),
        ),
        Some(control) => match control.unseen().as_slice() {
            [] => (
                Status::Passed,
                format!(
                    "a build that keeps what it is sent (version {}, {}) was caught on every \
                     channel whose text is read; its audit ended {}",
                    control.identity.version,
                    control.identity.running_build.as_deref().unwrap_or("of unknown hash"),
                    control.identity.ended,
                ),
            ),
            unseen => (Status::Failed, format!("the control did not find: {}", unseen.join(", "))),
        },
    };
    Control { name: "positive control".to_owned(), status, said, needed: false }
}

fn read_control(path: &Path) -> Result<Report, ConfigError> {
    let wrong = |reason: &str| {
        let path = path.display();
        ConfigError(format!(
            "--control {path}: {reason}; give a file that headcount audit --json has written"
        ))
    };
    let size = std::fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.len();
    if size > CONTROL_BYTES_MAX {
        return Err(wrong("it is too large"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    serde_json::from_str(&text).map_err(|_| wrong("it is no such report"))
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} audit: {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
