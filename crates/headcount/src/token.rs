//! `headcount token` and `headcount signin`: who may read, and for how long.
//!
//! What it is not: an account. Nobody has a password.
//!
//! What surprises: a token lives until it is revoked unless it is told otherwise, because a report
//! that stops at night helps nobody; `token list` shows which have no end and when each was used.

use anyhow::{Context, bail};
use headcount_core::time::{Clock, Day, Hour};
use headcount_store::control::{
    Control, Kind, LABEL_CHARS_MAX, LINK_SECONDS, NewToken, Role, Token, TokenInfo,
};

use crate::cli::{RoleWord, SigninArgs, TokenAddArgs, TokenCommand};
use crate::commands::{control, is_known, look_at, say};
use crate::config::{self, Config, ConfigError};
use crate::up::welcome;
use crate::wall_clock::WallClock;

/// Longest life of a token that has an end, in days.
const LIFE_DAYS_MAX: u32 = 3_650;

/// Does what was asked.
///
/// # Errors
/// Anything that keeps it from being done, with what to do.
pub(crate) fn run(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Add(args) => add(&args),
        TokenCommand::List { data } => {
            let (_, mut control) = look_at(&data)?;
            let now = WallClock.unix_seconds();
            control.tokens_expire(now)?;
            let head = "id\tsite\tkind\trole\tmade\texpires\tused\tstate\tname\n".to_owned();
            let lines = control.token_list(now)?.into_iter().map(line);
            say(&std::iter::once(head).chain(lines).collect::<String>())
        }
        TokenCommand::Revoke { id, data } => {
            let (_, mut control) = control(&data)?;
            if !control.token_revoke(id, WallClock.hour().day())? {
                bail!(
                    "no token that can be revoked has the number {id}; see: headcount token list"
                );
            }
            say(&format!("token {id} is worthless now, and so are the sessions it began\n"))
        }
    }
}

fn add(args: &TokenAddArgs) -> anyhow::Result<()> {
    let host = config::host("--site", &args.site)?;
    let role = match (args.role, args.share) {
        (Some(RoleWord::Owner), true) => {
            return Err(ConfigError(
                "--role owner: a shared link shows less than a viewer sees; leave --role out"
                    .into(),
            )
            .into());
        }
        (Some(RoleWord::Owner), false) => Role::Owner,
        (Some(RoleWord::Viewer) | None, _) => Role::Viewer,
    };
    let expires_at = match &args.expires {
        Some(text) => Some(end(text, WallClock.hour().day())?),
        None => None,
    };
    let label = label(args.name.as_deref().unwrap_or_default())?;
    let (config, mut control) = control(&args.data)?;
    if !is_known(&host, &config, Some(&control))? {
        bail!("{host} is no site here; add it with: headcount site add {host}");
    }
    let kind = if args.share { Kind::Share } else { Kind::Api };
    let new = NewToken { site: Some(host), kind, role, label, expires_at };
    let token = control.token_add(&new, WallClock.unix_seconds())?;
    // Of a link this is the part after the dashboard's own address.
    let path = if args.share { "/share/" } else { "" };
    show(&mut control, &token, &format!("{path}{}\n", token.as_str()))
}

/// Makes a link that signs in once.
///
/// # Errors
/// Anything that keeps it from being made, with what to do.
pub(crate) fn signin(args: &SigninArgs) -> anyhow::Result<()> {
    let (config, mut control) = control(&args.data)?;
    let site = match &args.site {
        Some(host) => Some(config::host("--site", host)?),
        None => None,
    };
    let role = match (args.role, &site) {
        (Some(RoleWord::Viewer), _) | (None, Some(_)) => Role::Viewer,
        (Some(RoleWord::Owner), _) | (None, None) => Role::Owner,
    };
    if let Some(host) = &site
        && !is_known(host, &config, Some(&control))?
    {
        bail!("{host} is no site here; add it with: headcount site add {host}");
    }
    let new = NewToken { site, kind: Kind::Link, role, label: String::new(), expires_at: None };
    let token = control.token_add(&new, WallClock.unix_seconds())?;
    let text = format!(
        "{}\nworks once, within {} minutes; to end it and its session: headcount token revoke {}\n",
        welcome::sign_in(&origin(&config), token.as_str()),
        LINK_SECONDS / 60,
        token.id()
    );
    show(&mut control, &token, &text)
}

/// Where the dashboard is, as far as the settings say.
fn origin(config: &Config) -> String {
    config.stats_url.clone().unwrap_or_else(|| welcome::origin(config.stats_listen))
}

/// Prints a token; what could not be shown opens nothing.
fn show(control: &mut Control, token: &Token, text: &str) -> anyhow::Result<()> {
    let said = say(text);
    if said.is_err() {
        control.token_revoke(token.id(), WallClock.hour().day())?;
    }
    said.context("the token could not be shown and is revoked")
}

fn line(token: TokenInfo) -> String {
    let site = token.site.map_or_else(|| "(all)".to_owned(), |site| site.to_string());
    let expires = match (token.kind, token.expires_at) {
        (_, None) => "never".to_owned(),
        (Kind::Link, Some(at)) => Hour::of_unix(at).day().to_string(),
        (_, Some(at)) => Hour::of_unix(at.saturating_sub(1)).day().to_string(),
    };
    let used = token.used.map_or_else(|| "-".to_owned(), |day| day.to_string());
    let [kind, role, state] = [token.kind.as_str(), token.role.as_str(), token.state.as_str()];
    let (id, made, label) = (token.id, token.created, token.label);
    format!("{id}\t{site}\t{kind}\t{role}\t{made}\t{expires}\t{used}\t{state}\t{label}\n")
}

/// The second after the last one of `90d` from today on, or of a day.
fn end(text: &str, today: Day) -> Result<u64, ConfigError> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let last = match days {
        Some(days) => Some(today.plus(days)).filter(|_| (1..=LIFE_DAYS_MAX).contains(&days)),
        None => Day::parse(text).filter(|day| (today..=today.plus(LIFE_DAYS_MAX)).contains(day)),
    };
    last.map(|day| day.plus(1).first_hour().unix_seconds()).ok_or_else(|| {
        ConfigError(format!(
            "--expires {text}: a number of days such as 90d, or the last day such as {}, is needed, \
             at most {LIFE_DAYS_MAX} days from now",
            today.plus(90)
        ))
    })
}

fn label(text: &str) -> Result<String, ConfigError> {
    let fits = text.chars().count() <= LABEL_CHARS_MAX && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(ConfigError(format!(
            "--name: one line of at most {LABEL_CHARS_MAX} characters is needed"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_days_or_a_last_day() {
        let today = Day::parse("2026-11-21").unwrap();
        let last = |text: &str| end(text, today).map(|at| Hour::of_unix(at - 1).day().to_string());
        for (text, expect) in [
            ("1d", "2026-11-22"),
            ("90d", "2027-02-19"),
            ("2026-11-21", "2026-11-21"),
            ("2036-11-18", "2036-11-18"),
        ] {
            assert_eq!(last(text).unwrap(), expect);
        }
        for text in ["", "d", "0d", "3651d", "-1d", "90", "2026-11-20", "2036-11-19", "tomorrow"] {
            let error = last(text).unwrap_err().to_string();
            assert!(error.contains("--expires") && error.contains("2027-02-19"), "{error}");
        }
    }

    #[test]
    fn a_name_is_a_short_line() {
        assert_eq!(label("Anna's report").unwrap(), "Anna's report");
        assert!(label(&"x".repeat(LABEL_CHARS_MAX + 1)).is_err() && label("a\tb").is_err());
    }
}
