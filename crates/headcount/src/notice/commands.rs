//! `headcount notice`, `dsar` and `breach-sheet`: read the configuration, print a text.
//!
//! What it is not: in need of a running process, or of a data folder. Where there is one, its sites
//! are in the title.
//!
//! What surprises: only the text's own JSON can be compared with (`--diff`); Markdown is for people.

use std::path::Path;

use headcount_core::site::SiteHost;

use super::diff::diff;
use super::html::html;
use super::markdown::markdown;
use super::{Document, Facts, Kind, Mode};
use crate::audit;
use crate::cli::{NoticeArgs, TextArgs, TextFormat};
use crate::commands::{known_sites, say, unless_reader_left};
use crate::config::{self, Config, ConfigError, Flags};
use crate::folder;

/// Largest JSON text that is compared with.
const OLD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Prints the notice, or what changed in it.
///
/// # Errors
/// [`ConfigError`] for what is missing or wrong.
pub(crate) fn notice(args: &NoticeArgs) -> anyhow::Result<()> {
    let document = make(Kind::Notice, &args.text)?;
    let Some(path) = &args.diff else { return print(&document, args.text.format) };
    let before = old(path)?;
    if (before.kind, before.lang) != (document.kind, document.lang) {
        return Err(ConfigError(format!(
            "--diff {}: it is a `{}` in `{}`; a notice in `{}` is needed, made with --format json",
            path.display(),
            before.kind.as_str(),
            before.lang.code(),
            document.lang.code(),
        ))
        .into());
    }
    let diff = diff(&before, &document);
    unless_reader_left(match args.text.format {
        TextFormat::Md => say(&diff.text()),
        TextFormat::Json => say(&format!("{}\n", serde_json::to_string_pretty(&diff)?)),
        TextFormat::Html => {
            Err(ConfigError("--diff goes with --format md or json".to_owned()).into())
        }
    })
}

/// Prints another text.
///
/// # Errors
/// As [`notice`].
pub(crate) fn text(kind: Kind, args: &TextArgs) -> anyhow::Result<()> {
    print(&make(kind, args)?, args.format)
}

fn make(kind: Kind, args: &TextArgs) -> anyhow::Result<Document> {
    let flags = Flags {
        config: args.data.config.clone(),
        data: args.data.data.clone(),
        ..Flags::default()
    };
    let config = Config::load(&flags, config::environment())?;
    let facts = Facts::running(&config, Mode::of(&config), sites(&config)?)?;
    Ok(Document::make(kind, &facts, args.lang)?)
}

/// The sites that are counted: those of the configuration and, where there is a folder, its own.
fn sites(config: &Config) -> anyhow::Result<Vec<String>> {
    let Some(control) = folder::look(&config.data_dir)? else {
        return Ok(config.sites.iter().map(|site| site.host.clone()).collect());
    };
    let gone = control.tombstones()?;
    let known = known_sites(config, Some(&control))?;
    // An audit's site is nobody's.
    let is_shown = |host: &&SiteHost| !gone.contains(host) && host.as_str() != audit::SITE;
    Ok(known.iter().filter(is_shown).map(ToString::to_string).collect())
}

fn print(document: &Document, format: TextFormat) -> anyhow::Result<()> {
    let text = match format {
        TextFormat::Md => markdown(document),
        TextFormat::Html => html(document)?,
        TextFormat::Json => format!("{}\n", serde_json::to_string_pretty(document)?),
    };
    unless_reader_left(say(&text))
}

/// A text that was printed as JSON before.
fn old(path: &Path) -> Result<Document, ConfigError> {
    let wrong = |reason: &str| {
        ConfigError(format!(
            "--diff {}: {reason}; give a file that headcount notice --format json has printed",
            path.display()
        ))
    };
    let size = std::fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.len();
    if size > OLD_BYTES_MAX {
        return Err(wrong("it is too large"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    serde_json::from_str(&text).map_err(|_| wrong("it is no such text"))
}

#[cfg(test)]
mod tests {
    use headcount_core::time::Day;
    use headcount_store::control::{self, Control};

    use super::*;

    #[test]
    fn an_audits_site_is_in_no_title() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        let config = Config::of_text(&format!("data_dir = \"{folder}\"\n")).unwrap();
        let mut control = Control::open(&dir.path().join(control::FILE_NAME)).unwrap();
        for host in [audit::SITE, "example.org"] {
            control
                .site_add(&SiteHost::parse(host).unwrap(), Day::of_civil(2026, 1, 1).unwrap())
                .unwrap();
        }
        drop(control);
        assert_eq!(sites(&config).unwrap(), ["example.org"]);
    }
}
