//! Tokens: what an analyst shows to read the counts of one site; and links that sign in once.
//!
//! What it is not: a password. A token is 256 random bits, so its hash needs no salt and no
//! stretching: there is nothing to guess.
//!
//! What surprises: a token is looked up by its hash, so how long a look-up takes tells something
//! about hashes, which is of no use; the final comparison takes the same time for all.

use std::fmt;

use headcount_core::site::SiteHost;
use headcount_core::time::{Day, Hour};
use rusqlite::{OptionalExtension as _, Row};

use super::Control;
use super::admin::{Act, Actor};
use crate::error::{Doing as _, StoreError};

/// What a token begins with, so that scanners for leaked secrets can know it.
const PREFIX: &str = "hc_";
/// Random bytes in a token.
const RANDOM_BYTES: usize = 32;
/// How long a link may wait to be used.
pub const LINK_SECONDS: u64 = 15 * 60;
/// How long the note of a link is kept: longer than any session that it began.
const LINK_NOTE_SECONDS: u64 = 24 * 3_600;
/// Longest label.
pub const LABEL_CHARS_MAX: usize = 60;

/// What a token's holder may see of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything: counts, hits that were not counted, and the books.
    Owner,
    /// Counts. The same ones, above the same threshold.
    Viewer,
}

impl Role {
    /// Its word in files, commands and the admin log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Viewer => "viewer",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Owner, Self::Viewer].into_iter().find(|role| role.as_str() == word)
    }
}

/// How a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// With each question, or once for a session.
    Api,
    /// As the address of a link that is handed on: it opens that link's pages only, with rounded
    /// numbers and a higher threshold.
    Share,
    /// For a session, once, within [`LINK_SECONDS`].
    Link,
}

impl Kind {
    /// Its word in files and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Share => "share",
            Self::Link => "link",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Api, Self::Share, Self::Link].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The text of a new token. It is shown once; its `Debug` hides it.
pub struct Token {
    id: i64,
    text: String,
}

impl Token {
    /// Its number, for revoking.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The text to hand to the analyst.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The site it opens; none: every site, for a link only.
    pub site: Option<SiteHost>,
    /// How it is shown.
    pub kind: Kind,
    /// What it lets see.
    pub role: Role,
    /// The operator's name for it, at most [`LABEL_CHARS_MAX`] characters.
    pub label: String,
    /// The second from which it opens nothing. A link has its own, whatever stands here.
    pub expires_at: Option<u64>,
}

/// Whether a token opens anything now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
    /// It was a link and has been used; its session may still be open.
    Used,
}

impl State {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Used => "used",
        }
    }
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its number, for revoking.
    pub id: i64,
    /// The site it opens; none: every site.
    pub site: Option<SiteHost>,
    /// How it is shown.
    pub kind: Kind,
    /// What it lets see.
    pub role: Role,
    /// The operator's name for it.
    pub label: String,
    /// The UTC day it was made.
    pub created: Day,
    /// The second from which it opens nothing.
    pub expires_at: Option<u64>,
    /// The UTC day of its last use.
    pub used: Option<Day>,
    /// Whether it opens anything now.
    pub state: State,
}

/// What a valid token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token's number.
    pub id: i64,
    /// The site; none: every site.
    pub site: Option<SiteHost>,
    /// How it is shown.
    pub kind: Kind,
    /// What it lets see.
    pub role: Role,
}

/// What opens a session.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// The text of a token or of a link; it is looked up.
    Secret(&'a str),
    /// The code that the process printed when it started; it was compared already.
    Code,
}

struct Found {
    grant: Grant,
    used: Option<u32>,
}

/// Whether a text looks like a token or a link, whatever it opens.
pub fn has_form(text: &str) -> bool {
    let hex = text.strip_prefix(PREFIX).unwrap_or_default();
    hex.len() == RANDOM_BYTES * 2 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Control {
    /// Makes a token. Only its hash is stored.
    ///
    /// # Errors
    /// [`StoreError::SiteErased`] for a site with a tombstone, [`StoreError::Random`], or when the file
    /// cannot be written.
    pub fn token_add(&mut self, new: &NewToken, now: u64) -> Result<Token, StoreError> {
        let mut random = [0u8; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|source| StoreError::Random { source })?;
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{PREFIX}{hex}");
        let hash = blake3::hash(text.as_bytes());
        let is_link = new.kind == Kind::Link;
        let expires_at = if is_link { Some(now + LINK_SECONDS) } else { new.expires_at };
        let today = Hour::of_unix(now).day().0;
        let doing = "add a token";
        let id = self.act(doing, |tx, log| {
            tx.execute(
                include_str!("sql/forget_links.sql"),
                [seconds(now.saturating_sub(LINK_NOTE_SECONDS))],
            )
            .doing(doing)?;
            let site = new.site.as_ref().map_or("", SiteHost::as_str);
            let is_erased: bool = tx
                .query_row(include_str!("sql/is_erased.sql"), [site], |row| row.get(0))
                .doing(doing)?;
            if is_erased {
                return Err(StoreError::SiteErased { host: site.to_owned() });
            }
            let (kind, role) = (new.kind.as_str(), new.role.as_str());
            let until = expires_at.map(seconds);
            let values = (site, kind, role, hash.as_bytes(), today, until, &new.label);
            let id: i64 = tx
                .query_row(include_str!("sql/add_token.sql"), values, |row| row.get(0))
                .doing(doing)?;
            let act = if is_link { Act::LinkAdd } else { Act::TokenAdd };
            let until = match expires_at {
                Some(at) if !is_link => format!(", until {}", Hour::of_unix(at - 1).day()),
                Some(_) | None => String::new(),
            };
            log.add(act, new.site.as_ref(), &format!("{kind} {id}, {role}{until}"))?;
            Ok(id)
        })?;
        Ok(Token { id, text })
    }

    /// Every token, those that open nothing any more too, in the order they were made.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn token_list(&self, now: u64) -> Result<Vec<TokenInfo>, StoreError> {
        let rows: Vec<(TokenInfo, Listed)> = self
            .conn
            .prepare_cached(include_str!("sql/list_tokens.sql"))
            .and_then(|mut get| get.query_map([], listed)?.collect())
            .doing("list tokens")?;
        let mut tokens = Vec::new();
        for (mut token, (site, kind, role, revoked, used, expired)) in rows {
            (token.site, token.kind, token.role) = self.words(&site, &kind, &role)?;
            token.used = used.map(Day);
            token.state = match token.expires_at {
                _ if revoked.is_some() => State::Revoked,
                _ if token.kind == Kind::Link && used.is_some() => State::Used,
                Some(at) if expired || at <= now => State::Expired,
                _ => State::Valid,
            };
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// Revokes a token, and ends the sessions that were opened with it. False if there is none of
    /// this number that is not revoked.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn token_revoke(&mut self, id: i64, today: Day) -> Result<bool, StoreError> {
        let doing = "revoke a token";
        self.act(doing, |tx, log| {
            let site: Option<String> = tx
                .query_row(include_str!("sql/revoke_token.sql"), (id, today.0), |row| row.get(0))
                .optional()
                .doing(doing)?;
            if let Some(site) = &site {
                log.add(Act::TokenRevoke, SiteHost::parse(site).ok().as_ref(), &format!("{id}"))?;
            }
            Ok(site.is_some())
        })
    }

    /// Revokes every token, shared link and link of a site that was erased elsewhere, and ends the
    /// sessions that were opened with them. Returns how many.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn tokens_end(&mut self, host: &SiteHost, today: Day) -> Result<usize, StoreError> {
        let doing = "revoke the tokens of a site";
        // Asked first, because whoever writes would be kept waiting for nothing.
        let has_some: bool = self
            .conn
            .query_row(include_str!("sql/has_tokens.sql"), [host.as_str()], |row| row.get(0))
            .doing(doing)?;
        if !has_some {
            return Ok(0);
        }
        self.act(doing, |tx, log| {
            let ended: Vec<i64> = tx
                .prepare_cached(include_str!("sql/end_tokens_of_site.sql"))
                .and_then(|mut get| {
                    get.query_map((host.as_str(), today.0), |row| row.get(0))?.collect()
                })
                .doing(doing)?;
            for id in &ended {
                log.add(Act::TokenRevoke, Some(host), &format!("{id}"))?;
            }
            Ok(ended.len())
        })
    }

    /// Notes which tokens have expired since the last time, so that they stay so and are in the
    /// admin log. Returns how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tokens_expire(&mut self, now: u64) -> Result<usize, StoreError> {
        let doing = "note expired tokens";
        self.act(doing, |tx, log| {
            let ended: Vec<(i64, String)> = tx
                .prepare_cached(include_str!("sql/expire_tokens.sql"))
                .and_then(|mut get| get.query_map([seconds(now)], |row| row.try_into())?.collect())
                .doing(doing)?;
            for (id, site) in &ended {
                log.add(Act::TokenExpire, SiteHost::parse(site).ok().as_ref(), &format!("{id}"))?;
            }
            Ok(ended.len())
        })
    }

    /// Forgets tokens that were revoked or expired before a day. Returns how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tokens_forget(&mut self, before: Day) -> Result<usize, StoreError> {
        let values = (before.0, seconds(before.first_hour().unix_seconds()));
        let sql = include_str!("sql/forget_tokens.sql");
        self.conn.execute(sql, values).doing("forget tokens that ended")
    }

    /// What a token opens that is shown with a question, or as the address of a shared link; none
    /// for a text that is no valid token, whatever it was once.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn token_check(&self, text: &str, now: u64) -> Result<Option<Grant>, StoreError> {
        let found = self.find(text, now)?;
        let found = found.filter(|found| found.grant.kind != Kind::Link);
        let Some(Found { grant, used }) = found else { return Ok(None) };
        let today = Hour::of_unix(now).day().0;
        if used != Some(today) {
            // Once a day. Who reads must not depend on whether this can be written.
            self.conn.execute(include_str!("sql/use_token.sql"), (grant.id, today)).ok();
        }
        Ok(Some(grant))
    }

    /// What the token opens with which a session was begun; none when it opens nothing any more.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn token_standing(&self, id: i64, now: u64) -> Result<Option<Grant>, StoreError> {
        let row = self
            .conn
            .prepare_cached(include_str!("sql/standing_token.sql"))
            .and_then(|mut get| get.query_row((id, seconds(now)), |row| row.try_into()).optional())
            .doing("check a session")?;
        let Some((id, site, kind, role)): Option<(i64, String, String, String)> = row else {
            return Ok(None);
        };
        let (site, kind, role) = self.words(&site, &kind, &role)?;
        Ok(Some(Grant { id, site, kind, role }))
    }

    /// Begins a session: notes it in the admin log, and uses a link up. None for what opens none:
    /// an unknown, revoked or expired text, a link for the second time, a shared link.
    ///
    /// # Errors
    /// When the file cannot be written; then nobody is signed in.
    pub fn sign_in(&mut self, proof: Proof<'_>, now: u64) -> Result<Option<Grant>, StoreError> {
        let (grant, by) = match proof {
            Proof::Secret(text) => match self.find(text, now)? {
                Some(Found { grant, .. }) if grant.kind != Kind::Share => {
                    let by = Actor::Token(grant.id);
                    (grant, by)
                }
                Some(_) | None => return Ok(None),
            },
            Proof::Code => {
                (Grant { id: 0, site: None, kind: Kind::Link, role: Role::Owner }, Actor::Code)
            }
        };
        let today = Hour::of_unix(now).day().0;
        let doing = "begin a session";
        self.act(doing, |tx, log| {
            let use_up = match (proof, grant.kind) {
                (Proof::Code, _) => None,
                (Proof::Secret(_), Kind::Link) => Some(include_str!("sql/use_link.sql")),
                (Proof::Secret(_), _) => Some(include_str!("sql/use_token.sql")),
            };
            if let Some(sql) = use_up {
                let used = tx.execute(sql, (grant.id, today)).doing(doing)?;
                if used == 0 && grant.kind == Kind::Link {
                    return Ok(None);
                }
            }
            log.add_by(&by, Act::SignIn, grant.site.as_ref(), grant.role.as_str())?;
            Ok(Some(grant))
        })
    }

    fn find(&self, text: &str, now: u64) -> Result<Option<Found>, StoreError> {
        if !has_form(text) {
            return Ok(None);
        }
        let hash = blake3::hash(text.as_bytes());
        type Raw = ([u8; 32], i64, String, String, String, Option<u32>);
        let found: Option<Raw> = self
            .conn
            .prepare_cached(include_str!("sql/find_token.sql"))
            .and_then(|mut get| {
                get.query_row((hash.as_bytes(), seconds(now)), |row| row.try_into()).optional()
            })
            .doing("check a token")?;
        // blake3 compares hashes in constant time.
        match found {
            Some((stored, id, site, kind, role, used))
                if blake3::Hash::from_bytes(stored) == hash =>
            {
                let (site, kind, role) = self.words(&site, &kind, &role)?;
                Ok(Some(Found { grant: Grant { id, site, kind, role }, used }))
            }
            Some(_) | None => Ok(None),
        }
    }

    fn words(
        &self,
        site: &str,
        kind: &str,
        role: &str,
    ) -> Result<(Option<SiteHost>, Kind, Role), StoreError> {
        let site = if site.is_empty() { None } else { Some(self.host(site)?) };
        match (Kind::of(kind), Role::of(role)) {
            (Some(kind), Some(role)) => Ok((site, kind, role)),
            _ => Err(self.damaged("a token in it has an unknown kind or role")),
        }
    }
}

type Listed = (String, String, String, Option<u32>, Option<u32>, bool);

/// A row of the list, whose words are still words.
fn listed(row: &Row<'_>) -> rusqlite::Result<(TokenInfo, Listed)> {
    let token = TokenInfo {
        id: row.get(0)?,
        site: None,
        kind: Kind::Api,
        role: Role::Viewer,
        label: row.get(4)?,
        created: Day(row.get(5)?),
        expires_at: row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
        used: None,
        state: State::Valid,
    };
    let words = (row.get(1)?, row.get(2)?, row.get(3)?);
    Ok((token, (words.0, words.1, words.2, row.get(7)?, row.get(8)?, row.get(9)?)))
}

/// A time as the file has it.
fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
