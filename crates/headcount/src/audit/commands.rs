//! The commands that everybody has, as the audit uses them: site, token, import, stats.
//!
//! What it is not: a second way into the store. Each is this binary, started as a person would.
//!
//! What surprises: what they print is an artefact, too. As root they are started as root: each hands
//! over to the owner of the data folder what it makes there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use headcount_audit::marker::Markers;
use headcount_audit::report::{Control, Status};

use super::client;
use super::finder::{COMMANDS, Finder};
use super::sending::Told;
use super::{SITE, requests, texts};
use crate::cli::AuditArgs;
use crate::config::Config;
use crate::notice::Mode;

/// The name of the control by counts.
pub(super) const COUNTS: &str = "the counts";
/// How often something is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the running process may take to learn of a site.
const SITE_PATIENCE: Duration = Duration::from_secs(10);
/// An hour in the past whose counts leave at once: its day is over.
const A_DAY: u64 = 86_400;

/// This binary with the flags of the audit.
pub(super) struct Commands {
    binary: PathBuf,
    flags: Vec<PathBuf>,
    /// The same on the data folder of `serve`.
    serve: Option<Box<Self>>,
}

impl Commands {
    pub(super) fn new(args: &AuditArgs, config: &Config) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("the audit's own file")?;
        let on = |data: &Path, serve| {
            let mut flags = vec!["--data".into(), data.to_owned()];
            if let Some(file) = &args.data.config {
                flags.extend(["--config".into(), file.clone()]);
            }
            Self { binary: binary.clone(), flags, serve }
        };
        let serve = args.serve_data.as_deref().map(|data| Box::new(on(data, None)));
        Ok(on(&config.data_dir, serve))
    }

    /// Runs one of them; what it prints is searched.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn run(
        &self,
        args: &[&str],
        input: &str,
        finder: &mut Finder,
    ) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.binary);
        let mut child = command
            .args(args)
            .args(&self.flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("a command of the audit")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).ok();
        }
        let output = child.wait_with_output().context("a command of the audit")?;
        let name = args.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        finder.said(
            COMMANDS,
            "site, token, stats, schema, datamap, admin-log and, in one process, import",
        );
        finder.bytes(COMMANDS, &format!("headcount {name}"), &output.stdout);
        finder.bytes(COMMANDS, &format!("headcount {name}, errors"), &output.stderr);
        Ok(output)
    }

    /// What one of them prints.
    ///
    /// # Errors
    /// If it cannot be started, or fails.
    pub(super) fn must(
        &self,
        args: &[&str],
        input: &str,
        finder: &mut Finder,
    ) -> anyhow::Result<String> {
        let output = self.run(args, input, finder)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("headcount {}: {said}", args.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The data folders, by the room that has each.
    pub(super) fn folders(&self, mode: Mode) -> impl Iterator<Item = (&'static str, &Self)> {
        let own = if mode == Mode::Cluster { "collect" } else { "up" };
        [(own, self)].into_iter().chain(self.serve.as_deref().map(|serve| ("serve", serve)))
    }

    /// Adds the audit's site anew, and waits until the running process counts it.
    pub(super) fn site_begin(
        &self,
        finder: &mut Finder,
        visitors: &str,
        deadline: Instant,
    ) -> anyhow::Result<()> {
        // Of an audit that was cut short.
        self.run(&["site", "erase", SITE], "", finder)?;
        for folder in self.serve.as_deref().into_iter().chain([self]) {
            folder.must(&["site", "add", SITE], "", finder)?;
        }
        let probe = client::request(
            "POST /hit",
            "Host: audit\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:144.0) \
             Gecko/20100101 Firefox/144.0\r\n",
            &format!("{{\"s\":\"{SITE}\"}}"),
        );
        let until = deadline.min(Instant::now() + SITE_PATIENCE);
        loop {
            // Without a page it is no hit: 400 where the site is known, 404 where it is not.
            match client::send(visitors, &probe).map(|reply| reply.status) {
                Some(400 | 204) => return Ok(()),
                found if Instant::now() >= until => {
                    self.site_end(finder)?;
                    match found {
                        None => bail!(
                            "nobody answers at {visitors}; start the deployment, or say \
                                       where it listens with --listen"
                        ),
                        Some(_) => bail!(
                            "what answers at {visitors} does not count {SITE}; is it \
                                          the process of this data folder?"
                        ),
                    }
                }
                _ => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Erases the audit's site.
    pub(super) fn site_end(&self, finder: &mut Finder) -> anyhow::Result<()> {
        for folder in self.serve.as_deref().into_iter().chain([self]) {
            folder.must(&["site", "erase", SITE], "", finder)?;
        }
        Ok(())
    }

    /// Imports a log full of markers; its views.
    pub(super) fn import(&self, markers: &Markers, finder: &mut Finder) -> anyhow::Result<u64> {
        let (log, views) = requests::log(markers, &texts::log_time(A_DAY));
        self.must(&["import", SITE, "-"], &log, finder)?;
        Ok(views)
    }

    /// A token for the audit's site, or a link that shares it. Erasing the site ends both.
    pub(super) fn token(&self, share: bool, finder: &mut Finder) -> anyhow::Result<String> {
        let mut args = vec!["token", "add", "--site", SITE];
        args.extend(share.then_some("--share"));
        let desk = self.serve.as_deref().unwrap_or(self);
        Ok(desk.must(&args, "", finder)?.trim().to_owned())
    }

    /// Waits until the counts are those that were sent, and says whether they stayed there.
    pub(super) fn liveness(&self, told: &Told, finder: &mut Finder, deadline: Instant) -> Control {
        // What is left of the time is for the search.
        let deadline = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
        let wanted = [told.views, told.clicks, told.refused];
        let mut found = None;
        while found != Some(wanted) && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
            found = self.counts(finder);
        }
        let [views, clicks, refused] = wanted;
        let (status, said) = match found {
            Some(found) if found == wanted => (
                Status::Passed,
                format!(
                    "the counts of {SITE} rose by {views} views, {clicks} clicks and {refused} \
                     refusals, as were sent"
                ),
            ),
            Some([v, c, r]) => (
                Status::Failed,
                format!(
                    "sent {views} views, {clicks} clicks and {refused} to be refused; counted are \
                     {v}, {c} and {r}"
                ),
            ),
            None => (Status::NotTested, "the counts could not be asked for".to_owned()),
        };
        Control { name: COUNTS.to_owned(), status, said, needed: true }
    }

    /// Views, clicks and refusals of the audit's site, by `headcount stats`.
    fn counts(&self, finder: &mut Finder) -> Option<[u64; 3]> {
        let mut ask = |by| {
            let args = ["stats", SITE, "--by", by, "--format", "json"];
            serde_json::from_str::<serde_json::Value>(&self.must(&args, "", finder).ok()?).ok()
        };
        let (total, refused) = (ask("total")?, ask("refused")?);
        let names = total.pointer("/query/metrics")?.as_array()?;
        let metric = |name: &str| {
            let at = names.iter().position(|known| known == name)?;
            let row = total.pointer("/results/0/metrics");
            Some(row.and_then(|row| row.get(at)?.as_u64()).unwrap_or(0))
        };
        let rows = refused.get("results")?.as_array()?;
        let refused = rows.iter().filter_map(|row| row.pointer("/metrics/0")?.as_u64()).sum();
        Some([metric("pageviews")?, metric("clicks")?, refused])
    }
}
