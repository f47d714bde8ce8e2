//! `headcount admin-log`: what was done to sites, tokens and settings, and whether that is all.
//!
//! What it is not: the log of a process, and not about visitors.
//!
//! What surprises: `head` prints one line that is worth keeping elsewhere. With it, `verify --head`
//! shows even a log that was made anew by who may write the whole folder, up to that line. `verify`
//! asks the settings how long entries are kept.

use anyhow::bail;
use headcount_store::control::admin::{Entry, Verdict, hash_text};

use crate::cli::{LogArgs, LogCommand, LogFormat};
use crate::commands::{control, look_at, say, unless_reader_left};
use crate::config::{Config, ConfigError};
use crate::edge;

/// Does what was asked.
///
/// # Errors
/// Anything that keeps it from being done; for `verify`, an entry that is not what it was.
pub(crate) fn run(args: LogArgs) -> anyhow::Result<()> {
    match args.command.unwrap_or(LogCommand::List(args.list)) {
        LogCommand::List(args) => {
            let (_, control) = look_at(&args.data)?;
            let entries = control.log_entries()?;
            unless_reader_left(say(&match args.format {
                LogFormat::Table => table(&entries),
                LogFormat::Json => json(&entries),
            }))
        }
        LogCommand::Verify { head, data } => {
            let kept = head.as_deref().map(hash).transpose()?;
            let (config, control) = look_at(&data)?;
            match control.log_verify(kept, config.retention_days)? {
                Verdict::Whole { entries: 0, .. } if was_started(&config) => bail!(
                    "the admin log is empty, and every start writes an entry: control.db and \
                     admin.mark are not those that were here; restore both from one backup"
                ),
                Verdict::Whole { entries, head, trimmed } => {
                    let at = head.map_or_else(String::new, |head| {
                        format!(", up to {} {}", head.seq, hash_text(&head.hash))
                    });
                    let before = trimmed.map_or_else(String::new, |it| format!("{it}\n"));
                    say(&format!("{entries} entries, each as it was written{at}\n{before}"))
                }
                Verdict::Broken { seq, why } => bail!(
                    "entry {seq} of the admin log does not hold: {why}; restore control.db and \
                     admin.mark from one backup, or, if only its end is not what its mark says, go \
                     on with what is there: headcount admin-log accept"
                ),
            }
        }
        LogCommand::Head { data } => {
            let (_, control) = look_at(&data)?;
            match control.log_head()? {
                Some(head) => say(&format!("{} {}\n", head.seq, hash_text(&head.hash))),
                None => bail!("the admin log has no entry yet"),
            }
        }
        LogCommand::Accept { data } => {
            let (_, mut control) = control(&data)?;
            control.log_accept()?;
            say("the end of the admin log is its mark again, and an entry says so\n")
        }
    }
}

/// Whether `up` or `collect` was ever started on the folder: both write an entry before they make the
/// edge file.
fn was_started(config: &Config) -> bool {
    config.data_dir.join(edge::FILE_NAME).exists()
}

fn hash(text: &str) -> Result<[u8; 32], ConfigError> {
    // The whole line that `head` prints will do.
    let hash = text.split_whitespace().last().unwrap_or_default();
    blake3::Hash::from_hex(hash).map(|hash| *hash.as_bytes()).map_err(|_| {
        ConfigError(format!(
            "--head {text}: 64 hexadecimal digits are needed, as `headcount admin-log head` prints them"
        ))
    })
}

fn table(entries: &[Entry]) -> String {
    let line = |entry: &Entry| {
        let Entry { seq, who, what, site, detail, .. } = entry;
        format!("{seq}\t{}\t{who}\t{what}\t{site}\t{detail}\n", entry.time())
    };
    entries.iter().map(line).collect()
}

fn json(entries: &[Entry]) -> String {
    let value = |entry: &Entry| {
        serde_json::json!({
            "seq": entry.seq,
            "time": entry.time(),
            "who": entry.who,
            "what": entry.what,
            "site": entry.site,
            "detail": entry.detail,
            "hash": hash_text(&entry.hash),
        })
    };
    format!("{:#}\n", serde_json::Value::from_iter(entries.iter().map(value)))
}
