//! What the two users of a cluster may do on the server: as SQL for its administrator, and as a
//! question to the server what they really may.
//!
//! What it is not: able to grant. It needs no rights beyond those of the user that is asked about.
//!
//! What surprises: it asks for closed lists, what a room needs and what nobody here needs. What stands
//! on neither (a table of somebody else) is not looked at.

use std::time::Duration;

use clickhouse::Row;
use serde::Deserialize;

use super::connect::{greet, identifier};
use super::link::Link;
use super::{Reader, Settings, Writer};
use crate::error::StoreError;

/// Longest wait for one question.
const TIMEOUT: Duration = Duration::from_secs(20);
const DOING: &str = "ask clickhouse what the user may do";

/// Which of the two users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The aggregator's.
    Writer,
    /// The one of `headcount serve` and of analysts.
    Reader,
}

/// What a part needs on the whole database.
const WRITER: [&str; 7] =
    ["SELECT", "INSERT", "OPTIMIZE", "CREATE TABLE", "CREATE VIEW", "DROP VIEW", "ALTER DELETE"];
/// What the reader may read, and nothing else.
const READER: [&str; 11] = [
    "cells",
    "site_counts",
    "page_counts",
    "click_counts",
    "attribute_counts",
    "refusal_counts",
    "ledger",
    "books",
    "facts",
    "erased_sites",
    "schema_migrations",
];
/// What neither needs, on the whole server.
const NEITHER: [(&str, &str); 6] = [
    ("SELECT", "system.query_log"),
    ("SELECT", "system.text_log"),
    ("CREATE USER", "*.*"),
    ("CREATE DATABASE", "*.*"),
    ("DROP DATABASE", "DB.*"),
    ("TRUNCATE", "DB.*"),
];
/// What the writer alone needs.
const READER_NOT: [(&str, &str); 5] = [
    ("SELECT", "DB.counts"),
    ("INSERT", "DB.counts"),
    ("ALTER DELETE", "DB.counts"),
    ("CREATE TABLE", "DB.*"),
    ("DROP TABLE", "DB.*"),
];

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Writer, Self::Reader];

    /// The role's name.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Writer => "headcount_writer",
            Self::Reader => "headcount_reader",
        }
    }

    /// Privileges it needs, and on what.
    fn needs(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Writer => WRITER.map(|what| (what, "DB.*".to_owned())).to_vec(),
            Self::Reader => READER.map(|table| ("SELECT", format!("DB.{table}"))).to_vec(),
        }
    }

    /// Privileges that are more than it needs.
    fn surplus(self) -> Vec<(&'static str, String)> {
        let of_reader = READER_NOT.iter().filter(|_| self == Self::Reader);
        NEITHER.iter().chain(of_reader).map(|(what, on)| (*what, (*on).to_owned())).collect()
    }
}

/// What a user may do, as far as a part is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// What it needs and may not.
    pub missing: Vec<String>,
    /// What it may and does not need.
    pub surplus: Vec<String>,
}

/// What an administrator runs once, for a database and perhaps a cluster.
pub fn sql(database: &str, cluster: Option<&str>) -> String {
    let on = cluster.map_or_else(String::new, |name| format!(" ON CLUSTER {}", identifier(name)));
    let grants = |part: Part| -> String {
        let role = part.role();
        if part == Part::Writer {
            let (first, rest) = WRITER.split_at(4);
            let (first, rest) = (first.join(", "), rest.join(", "));
            return format!("GRANT{on} {first},\n      {rest} ON {database}.* TO {role};\n");
        }
        let line = |(what, table): (&str, String)| {
            let table = table.replacen("DB", database, 1);
            format!("GRANT{on} {what} ON {table} TO {role};\n")
        };
        part.needs().into_iter().map(line).collect()
    };
    include_str!("grants.in")
        .replace("DATABASE_NAME", database)
        .replace(" ON_CLUSTER", &on)
        .replace("WRITER_GRANTS\n", &grants(Part::Writer))
        .replace("READER_GRANTS\n", &grants(Part::Reader))
}

#[derive(Row, Deserialize)]
struct Answer {
    result: u8,
}

/// Asks the server what the user of `settings` may do.
///
/// # Errors
/// If the server does not answer, or does not understand the question.
pub fn check(settings: &Settings, part: Part) -> Result<Allowed, StoreError> {
    let link = Link::new(settings, false)?;
    greet(&link, settings)?;
    allowed(&link, &settings.database, part)
}

fn allowed(link: &Link, database: &str, part: Part) -> Result<Allowed, StoreError> {
    let database = identifier(database);
    let mut found = Allowed::default();
    let may = |what: &str, on: &str| -> Result<bool, StoreError> {
        let on = on.replacen("DB", &database, 1);
        let query = link.client.query_raw(&format!("CHECK GRANT {what} ON {on}"));
        let rows: Vec<Answer> = link.rows(DOING, TIMEOUT, query)?;
        Ok(rows.first().is_some_and(|row| row.result == 1))
    };
    let told = |what: &str, on: &str| format!("{what} ON {}", on.replacen("DB", &database, 1));
    for (what, on) in part.needs() {
        if !may(what, &on)? {
            found.missing.push(told(what, &on));
        }
    }
    for (what, on) in part.surplus() {
        if may(what, &on)? {
            found.surplus.push(told(what, &on));
        }
    }
    Ok(found)
}

impl Reader {
    /// What this user may do and a reader does not need.
    ///
    /// # Errors
    /// If the server does not answer, or does not understand the question.
    pub fn surplus(&self, database: &str) -> Result<Vec<String>, StoreError> {
        allowed(&self.link, database, Part::Reader).map(|allowed| allowed.surplus)
    }
}

impl Writer {
    /// What this user may do and a writer does not need.
    ///
    /// # Errors
    /// If the server does not answer, or does not understand the question.
    pub fn surplus(&self, database: &str) -> Result<Vec<String>, StoreError> {
        allowed(&self.link, database, Part::Writer).map(|allowed| allowed.surplus)
    }
}
