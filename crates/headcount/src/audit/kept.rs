//! The report's files: opened before anything is sent, written at the end.
//!
//! What it is not: the report's forms; those are `headcount_audit`'s.
//!
//! What surprises: an audit that did not come to its end leaves no file that it made, and an older
//! report as it was.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use headcount_audit::report::Report;
use headcount_audit::{html, markdown};

use super::texts;
use crate::cli::AuditArgs;
use crate::commands::{say, unless_reader_left};
use crate::config::ConfigError;

/// A form of the report.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Html,
    Markdown,
}

/// The files that were asked for.
pub(super) struct Kept {
    files: Vec<Kind>,
}

struct Kind {
    form: Form,
    path: PathBuf,
    file: File,
    /// It was made here, and nothing is in it yet.
    is_new: bool,
}

impl Kept {
    /// Opens them, and leaves what is in them.
    ///
    /// # Errors
    /// [`ConfigError`], naming the flag and the file that cannot be written.
    pub(super) fn open(args: &AuditArgs) -> Result<Self, ConfigError> {
        let mut kept = Self { files: Vec::new() };
        for (flag, form, path) in [
            ("--json", Form::Json, &args.json),
            ("--html", Form::Html, &args.html),
            ("--markdown", Form::Markdown, &args.markdown),
        ] {
            let Some(path) = path else { continue };
            let is_new = !path.exists();
            let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            let file = opened.map_err(|error| {
                let path = path.display();
                let mend = "name a file that this user can write";
                ConfigError(format!("{flag} {path}: cannot be written ({error}); {mend}"))
            })?;
            kept.files.push(Kind { form, path: path.clone(), file, is_new });
        }
        Ok(kept)
    }

    /// Writes each form that was asked for, also behind one that fails, and the summary.
    ///
    /// # Errors
    /// The first one.
    pub(super) fn write(mut self, report: &Report) -> anyhow::Result<()> {
        let is_kept = !self.files.is_empty();
        let mut written = Ok(());
        for kind in &mut self.files {
            written = written.and(kind.write(report));
        }
        let text = if is_kept { texts::summary(report) } else { markdown::markdown(report) };
        written.and(unless_reader_left(say(&text)))
    }
}

impl Kind {
    fn write(&mut self, report: &Report) -> anyhow::Result<()> {
        let text = match self.form {
            Form::Json => report.json()?,
            Form::Html => html::html(report),
            Form::Markdown => markdown::markdown(report),
        };
        self.is_new = false;
        let mut put = || {
            // A pipe or terminal has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(text.as_bytes())
        };
        put().with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        if self.is_new {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;
    use headcount_audit::report::Verdict;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(flags: &[&str]) -> AuditArgs {
        match Cli::try_parse_from([&["headcount", "audit"], flags].concat()).unwrap().command {
            Some(Command::Audit(args)) => args,
            _ => panic!("no audit"),
        }
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn what_cannot_be_written_is_said_before_anything_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (json, html) = (at("a.json"), at("none/a.html"));
        let refused = Kept::open(&args(&["--json", &json, "--html", &html])).err().unwrap();
        assert!(refused.0.contains("--html") && refused.0.contains("none/a.html"), "{refused:?}");
        assert!(!Path::new(&json).exists(), "an empty file is no report");
    }

    #[test]
    fn an_older_report_stays_until_there_is_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, "an older report, ".repeat(9_999)).unwrap();
        let args = args(&["--json", path.to_str().unwrap()]);
        drop(Kept::open(&args).unwrap());
        assert!(text(&path).starts_with("an older report"));
        let mut kept = Kept::open(&args).unwrap();
        kept.files[0].write(&texts::empty()).unwrap();
        drop(kept);
        let report: Report = serde_json::from_str(&text(&path)).unwrap();
        assert_eq!(report.verdict, Verdict::Incomplete);
    }
}
