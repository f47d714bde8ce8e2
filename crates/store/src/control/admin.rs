//! The admin log: who did what to sites, tokens and settings, each entry hashed with the one before.
//!
//! What it is not: about visitors, or about reading. No entry holds a secret, a file's name or
//! anything that came from outside.
//!
//! What surprises: an entry is written in the transaction of its act, so there is neither without
//! the other. Cutting off the end, and writing past it, is seen by the mark beside the file. Whoever may
//! write both can make another whole log: only a hash that is kept elsewhere shows that
//! (`Control::log_verify`).

mod mark;
mod verify;

use std::path::PathBuf;

use headcount_core::site::SiteHost;
use headcount_core::time::Hour;
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior};

use super::Control;
use crate::error::{Doing as _, StoreError};

pub use mark::FILE_NAME as MARK_FILE_NAME;
pub use verify::{Trimmed, Verdict};

/// Entries that are kept at most; beyond, the oldest tenth goes, and an entry says so.
pub const ENTRIES_MAX: i64 = 100_000;
/// Longest text of an entry, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// What the first hash follows.
const NOTHING: [u8; 32] = [0; 32];
/// Where a log without an entry stands.
const START: Head = Head { seq: 0, hash: NOTHING };
const DOING: &str = "write the admin log";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A site is counted from now on.
    SiteAdd,
    /// A site is to be erased.
    SiteErase,
    /// Every count of it is gone.
    SiteErased,
    /// A token or a shared link was made.
    TokenAdd,
    /// It was revoked.
    TokenRevoke,
    /// Its time is over.
    TokenExpire,
    /// A link that signs in once was made.
    LinkAdd,
    /// Somebody signed in.
    SignIn,
    /// A process started with other settings than the last one.
    Settings,
    /// Access logs were given to be counted.
    Import,
    /// Totals of another program were given to be counted.
    ImportTotals,
    /// Numbers with noise were drawn, to be published.
    Publish,
    /// The folder's counts are being brought into a cluster.
    Merge,
    /// Records of a stopped partition were set aside.
    SetAside,
    /// The oldest entries were taken out of the log.
    Trim,
    /// The log was taken as it is, although its end does not fit its mark.
    Accept,
}

impl Act {
    /// Its word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SiteAdd => "site-add",
            Self::SiteErase => "site-erase",
            Self::SiteErased => "site-erased",
            Self::TokenAdd => "token-add",
            Self::TokenRevoke => "token-revoke",
            Self::TokenExpire => "token-expire",
            Self::LinkAdd => "link-add",
            Self::SignIn => "sign-in",
            Self::Settings => "settings",
            Self::Import => "import",
            Self::ImportTotals => "import-totals",
            Self::Publish => "publish",
            Self::Merge => "merge",
            Self::SetAside => "set-aside",
            Self::Trim => "trim",
            Self::Accept => "accept",
        }
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user of the operating system, by a command.
    User(String),
    /// Who holds this token.
    Token(i64),
    /// Who has the link that the process printed when it started.
    Code,
    /// A running process by itself.
    Program,
}

impl Actor {
    fn text(&self) -> String {
        match self {
            Self::User(name) => format!("user {name}"),
            Self::Token(id) => format!("token {id}"),
            Self::Code => "start link".to_owned(),
            Self::Program => "headcount".to_owned(),
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: i64,
    /// When, as Unix time in seconds.
    pub at: i64,
    /// Who did it.
    pub who: String,
    /// What was done: a word of [`Act`].
    pub what: String,
    /// On which site; empty: on none, or on all.
    pub site: String,
    /// More of it: numbers, roles, hashes.
    pub detail: String,
    /// BLAKE3 of the hash before it and of all of the above.
    pub hash: [u8; 32],
}

impl Entry {
    /// The hash that this entry must have after `before`.
    pub(super) fn expected(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"headcount admin log 1").update(before);
        let (seq, at) = (self.seq.to_string(), self.at.to_string());
        for text in [&seq, &at, &self.who, &self.what, &self.site, &self.detail] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// The time as text, in UTC.
    pub fn time(&self) -> String {
        let seconds = self.at.unsigned_abs();
        let (hour, rest) = (Hour::of_unix(seconds), seconds % 3_600);
        format!("{}T{:02}:{:02}:{:02}Z", hour.day(), hour.of_day(), rest / 60, rest % 60)
    }
}

/// A hash as text.
pub fn hash_text(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

/// The last entry's number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub seq: i64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// The log inside of one transaction.
pub(super) struct Log<'a> {
    tx: &'a Transaction<'a>,
    actor: &'a Actor,
    mark: PathBuf,
    /// Where the log stood before this transaction.
    from: Head,
    /// The last entry that this transaction wrote.
    written: Option<Head>,
    /// Whether the mark may go on: it fitted before, or the log is accepted as it is.
    fits: bool,
}

impl Log<'_> {
    /// Writes an entry of the one who acts.
    pub(super) fn add(
        &mut self,
        act: Act,
        site: Option<&SiteHost>,
        detail: &str,
    ) -> Result<Head, StoreError> {
        let actor = self.actor.clone();
        self.add_by(&actor, act, site, detail)
    }

    /// Writes an entry of somebody else.
    pub(super) fn add_by(
        &mut self,
        actor: &Actor,
        act: Act,
        site: Option<&SiteHost>,
        detail: &str,
    ) -> Result<Head, StoreError> {
        let before = self.head()?;
        if self.written.is_none() {
            self.from = before.unwrap_or(START);
            self.fits = mark::read(&self.mark)?.fits(self.from);
        }
        // Commands write it, too, so the time is that of the file's own library.
        let at: i64 = self.tx.query_row("SELECT unixepoch()", [], |row| row.get(0)).doing(DOING)?;
        let head = self.append(before, Draft { at, actor, act, site, detail })?;
        self.written = Some(head);
        let (first, last, _) = self.bounds(0)?;
        if act != Act::Trim && last.saturating_sub(first) >= ENTRIES_MAX {
            return self.trim(first + ENTRIES_MAX / 10);
        }
        Ok(head)
    }

    fn append(&self, before: Option<Head>, draft: Draft<'_>) -> Result<Head, StoreError> {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
        };
        let mut entry = Entry {
            seq: before.map_or(0, |head| head.seq) + 1,
            at: draft.at,
            who: plain(&draft.actor.text()),
            what: draft.act.as_str().to_owned(),
            site: draft.site.map(SiteHost::to_string).unwrap_or_default(),
            detail: plain(draft.detail),
            hash: NOTHING,
        };
        entry.hash = entry.expected(&before.map_or(NOTHING, |head| head.hash));
        let Entry { seq, at, who, what, site, detail, hash } = &entry;
        let sql = include_str!("sql/add_log_entry.sql");
        self.tx.execute(sql, (seq, at, who, what, site, detail, hash)).doing(DOING)?;
        Ok(Head { seq: entry.seq, hash: entry.hash })
    }

    /// Takes out the entries up to `last`. The entry about it holds the hash that the first kept one
    /// follows.
    fn trim(&mut self, last: i64) -> Result<Head, StoreError> {
        let Some(hash) = self.hash_at(last)? else {
            return Err(StoreError::BadInsert { why: "the admin log has a gap" });
        };
        let head = self.add(Act::Trim, None, &trimmed(last, &hash))?;
        self.tx.execute(include_str!("sql/trim_log.sql"), [last]).doing(DOING)?;
        Ok(head)
    }

    fn head(&self) -> Result<Option<Head>, StoreError> {
        self.tx
            .query_row(include_str!("sql/log_head.sql"), [], |row| {
                Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
            })
            .optional()
            .doing("read the admin log")
    }

    fn hash_at(&self, seq: i64) -> Result<Option<[u8; 32]>, StoreError> {
        self.tx
            .query_row(include_str!("sql/log_hash_at.sql"), [seq], |row| row.get(0))
            .optional()
            .doing("read the admin log")
    }

    fn bounds(&self, oldest_at: i64) -> Result<(i64, i64, Option<i64>), StoreError> {
        self.tx
            .query_row(include_str!("sql/log_bounds.sql"), [oldest_at], |row| {
                let number = |at| row.get::<_, Option<i64>>(at).map(Option::unwrap_or_default);
                Ok((number(0)?, number(1)?, row.get(2)?))
            })
            .doing("read the admin log")
    }
}

/// An entry before it has a number.
struct Draft<'a> {
    at: i64,
    actor: &'a Actor,
    act: Act,
    site: Option<&'a SiteHost>,
    detail: &'a str,
}

/// What an entry says of those that were taken out.
fn trimmed(last: i64, hash: &[u8; 32]) -> String {
    format!("up to {last} {}", hash_text(hash))
}

impl Control {
    /// Says who acts from now on; at first it is the program itself.
    #[must_use]
    pub fn acting_as(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// Does something and writes down that it was done, both or neither.
    pub(super) fn act<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>, &mut Log<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mark = self.mark.clone();
        let tx =
            self.conn.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
        let mut log = Log {
            tx: &tx,
            actor: &self.actor,
            mark: mark.clone(),
            from: START,
            written: None,
            fits: false,
        };
        let done = work(&tx, &mut log)?;
        let steps = log.written.filter(|_| log.fits).map(|next| (log.from, next));
        if let Some((head, next)) = &steps {
            mark::begin(&mark, head, next)
                .map_err(|source| StoreError::Open { path: mark.clone(), source })?;
        }
        tx.commit().doing(doing)?;
        if let Some((head, next)) = &steps {
            mark::end(&mark, head, next);
        }
        Ok(done)
    }

    /// Writes an entry about something that is done elsewhere.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(
        &mut self,
        act: Act,
        site: Option<&SiteHost>,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.act(DOING, |_, log| log.add(act, site, detail).map(drop))
    }

    /// Notes the settings that a process starts with, by their hash, if the last ones were others.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note_settings(&mut self, hash: &str) -> Result<(), StoreError> {
        self.act(DOING, |tx, log| {
            let last: Option<String> = tx
                .query_row(include_str!("sql/last_settings.sql"), [], |row| row.get(0))
                .optional()
                .doing(DOING)?;
            if last.as_deref() != Some(hash) {
                log.add(Act::Settings, None, hash)?;
            }
            Ok(())
        })
    }

    /// Takes out entries that are older than the second `oldest_at`, but for the last of them: the
    /// log then begins with an entry that is that old, which shows why those before it went.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn log_trim(&mut self, oldest_at: u64) -> Result<(), StoreError> {
        let oldest_at = i64::try_from(oldest_at).unwrap_or(i64::MAX);
        self.act(DOING, |_, log| {
            let (first, last, kept) = log.bounds(oldest_at)?;
            let until = kept.map_or(last, |kept| kept - 1) - 1;
            if first > 0 && until >= first {
                log.trim(until)?;
            }
            Ok(())
        })
    }
}
