//! The dictionaries: text to id and its hash, through a bounded cache.
//!
//! What it is not: a judge of names. Whatever a batch carries gets an id, once.
//!
//! What surprises: the cache is emptied when another connection has written, because that one may
//! have erased a name whose id is remembered here.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Statement};

use crate::error::{Doing as _, StoreError};
use crate::placement::text_hash;

/// Names remembered at most, about 30 MB; beyond it all are forgotten and read again.
const NAMES_CACHED_MAX: usize = 200_000;

/// A text of a dictionary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its number in the file.
    pub(super) id: i64,
    /// Its hash, for the placement.
    pub(super) hash: u64,
}

/// What is remembered of both dictionaries.
#[derive(Default)]
pub(super) struct NameCache {
    names: HashMap<Box<str>, Known>,
    sites: HashMap<Box<str>, Known>,
    data_version: i64,
}

impl NameCache {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.sites.clear();
    }

    /// Forgets everything if another connection has written. Call it inside a write transaction.
    pub(super) fn refresh(&mut self, conn: &Connection) -> Result<(), StoreError> {
        let now: i64 = conn
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .doing("read the data version")?;
        if now != self.data_version {
            self.clear();
            self.data_version = now;
        }
        Ok(())
    }
}

/// Both dictionaries inside one write transaction.
pub(super) struct Names<'a> {
    cache: &'a mut NameCache,
    find_name: Statement<'a>,
    add_name: Statement<'a>,
    find_site: Statement<'a>,
    add_site: Statement<'a>,
}

impl<'a> Names<'a> {
    /// Opens the dictionaries.
    pub(super) fn new(conn: &'a Connection, cache: &'a mut NameCache) -> Result<Self, StoreError> {
        let prepare = |sql| conn.prepare(sql).doing("open the dictionaries");
        Ok(Self {
            cache,
            find_name: prepare(include_str!("sql/find_name.sql"))?,
            add_name: prepare(include_str!("sql/add_name.sql"))?,
            find_site: prepare(include_str!("sql/find_site.sql"))?,
            add_site: prepare(include_str!("sql/add_site.sql"))?,
        })
    }

    /// The page, target or value of this text; a new one if need be.
    pub(super) fn name(&mut self, text: &str) -> Result<Known, StoreError> {
        look_up(&mut self.cache.names, text, (&mut self.find_name, &mut self.add_name))
    }

    /// The site of this host; a new one if need be.
    pub(super) fn site(&mut self, host: &str) -> Result<Known, StoreError> {
        look_up(&mut self.cache.sites, host, (&mut self.find_site, &mut self.add_site))
    }
}

fn look_up(
    cache: &mut HashMap<Box<str>, Known>,
    text: &str,
    (find, add): (&mut Statement<'_>, &mut Statement<'_>),
) -> Result<Known, StoreError> {
    if let Some(known) = cache.get(text) {
        return Ok(*known);
    }
    let doing = "look up a name";
    let found = find.query_row([text], |row| row.get(0)).optional().doing(doing)?;
    let id = match found {
        Some(id) => id,
        None => add.query_row([text], |row| row.get(0)).doing(doing)?,
    };
    if cache.len() >= NAMES_CACHED_MAX {
        cache.clear();
    }
    let known = Known { id, hash: text_hash(text) };
    cache.insert(text.into(), known);
    Ok(known)
}
