//! Tokens: what an analyst shows to read the counts of one site.
//!
//! What it is not: a password. A token is 256 random bits, so its hash needs no salt and no
//! stretching: there is nothing to guess.
//!
//! What surprises: a token is looked up by its hash, so how long a look-up takes tells something
//! about hashes, which is of no use; the final comparison takes the same time for all.

use std::fmt;

use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use rusqlite::OptionalExtension as _;

use super::Control;
use crate::error::{Doing as _, StoreError};

/// What a token begins with, so that scanners for leaked secrets can know it.
const PREFIX: &str = "hc_";
/// Random bytes in a token.
const RANDOM_BYTES: usize = 32;

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

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its number, for revoking.
    pub id: i64,
    /// The site it opens.
    pub site: SiteHost,
    /// The UTC day it was made.
    pub created: Day,
    /// The UTC day it was revoked.
    pub revoked: Option<Day>,
    /// Whether it is the token of a shared link.
    pub share: bool,
}

/// What a valid token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The site.
    pub site: SiteHost,
    /// Whether it is the token of a link that is handed on: it opens that link's pages only, with
    /// rounded numbers and a higher threshold.
    pub share: bool,
}

impl Control {
    /// Makes a token for what `grant` says. Only its hash is stored.
    ///
    /// # Errors
    /// [`StoreError::Random`], or when the file cannot be written.
    pub fn token_add(&mut self, grant: &Grant, today: Day) -> Result<Token, StoreError> {
        let mut random = [0u8; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|source| StoreError::Random { source })?;
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{PREFIX}{hex}");
        let hash = blake3::hash(text.as_bytes());
        let id = self
            .conn
            .query_row(
                include_str!("sql/add_token.sql"),
                (grant.site.as_str(), hash.as_bytes(), today.0, grant.share),
                |row| row.get::<_, i64>(0),
            )
            .doing("add a token")?;
        Ok(Token { id, text })
    }

    /// Every token, the revoked ones too, in the order they were made.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn token_list(&self) -> Result<Vec<TokenInfo>, StoreError> {
        type Raw = (i64, String, u32, Option<u32>, bool);
        let rows: Vec<Raw> = self
            .conn
            .prepare_cached(include_str!("sql/list_tokens.sql"))
            .and_then(|mut get| {
                let raw = |row: &rusqlite::Row<'_>| row.try_into();
                get.query_map([], raw)?.collect()
            })
            .doing("list tokens")?;
        rows.into_iter()
            .map(|(id, site, created, revoked, share)| {
                let site = self.host(&site)?;
                Ok(TokenInfo { id, site, created: Day(created), revoked: revoked.map(Day), share })
            })
            .collect()
    }

    /// Revokes a token. False if there is none of this number that is still valid.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn token_revoke(&mut self, id: i64, today: Day) -> Result<bool, StoreError> {
        let sql = include_str!("sql/revoke_token.sql");
        self.execute(sql, (id, today.0), "revoke a token").map(|changed| changed > 0)
    }

    /// What a token opens; none for a text that is no valid token.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn token_check(&self, text: &str) -> Result<Option<Grant>, StoreError> {
        let hex = text.strip_prefix(PREFIX).map_or(0, str::len);
        if hex != RANDOM_BYTES * 2 {
            return Ok(None);
        }
        let hash = blake3::hash(text.as_bytes());
        let found: Option<([u8; 32], String, bool)> = self
            .conn
            .prepare_cached(include_str!("sql/find_token.sql"))
            .and_then(|mut get| {
                get.query_row([hash.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .optional()
            })
            .doing("check a token")?;
        match found {
            // blake3 compares hashes in constant time.
            Some((stored, site, share)) if blake3::Hash::from_bytes(stored) == hash => {
                self.host(&site).map(|site| Some(Grant { site, share }))
            }
            Some(_) | None => Ok(None),
        }
    }
}
