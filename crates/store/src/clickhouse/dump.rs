//! Everything that a user of ClickHouse can read, as text: for who looks for what should not be
//! there.
//!
//! What it is not: a backup. Nothing reads it back.
//!
//! What surprises: the server's own logs are asked for, too; a user who may not see them says so.

use std::time::Duration;

use clickhouse::Row;
use serde::Deserialize;

use super::connect::{self, identifier};
use super::link::Link;
use super::{ServerFault, Settings};
use crate::error::StoreError;

/// Longest time for one table.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Rows are handed over in pieces of about so many bytes.
const PIECE_BYTES: usize = 8 << 20;
/// Each piece begins with so many bytes of the one before, so that nothing is cut apart.
const OVERLAP_BYTES: usize = 16 << 10;
/// How the rows are written.
const FORMAT: &str = "TSVRaw";

/// A client that reads whole tables.
pub struct Dump {
    link: Link,
}

#[derive(Row, Deserialize)]
struct Name {
    name: String,
}

impl Dump {
    /// Connects.
    ///
    /// # Errors
    /// As [`super::Reader::connect`], but for the schema, which is not looked at.
    pub fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let link = Link::new(settings, false)?;
        connect::greet(&link, settings)?;
        Ok(Self { link })
    }

    /// The tables and views of the database.
    ///
    /// # Errors
    /// What the server said.
    pub fn tables(&self) -> Result<Vec<String>, StoreError> {
        self.names(include_str!("sql/dump_tables.sql"))
    }

    /// The logs that the server keeps of itself in tables.
    ///
    /// # Errors
    /// What the server said.
    pub fn logs(&self) -> Result<Vec<String>, StoreError> {
        self.names(include_str!("sql/dump_logs.sql"))
    }

    /// Whether this user sees the tables that a server has of itself, so that no log is none.
    ///
    /// # Errors
    /// What the server said.
    pub fn sees_system(&self) -> Result<bool, StoreError> {
        Ok(!self.names(include_str!("sql/dump_sees_system.sql"))?.is_empty())
    }

    /// Makes the server write down what its logs still hold in memory.
    ///
    /// # Errors
    /// What the server said, such as that this user may not.
    pub fn flush_logs(&self) -> Result<(), StoreError> {
        let query = self.link.client.query_raw(include_str!("sql/flush_logs.sql"));
        self.link.execute("flush the logs of clickhouse", TIMEOUT, query)
    }

    /// The rows of a table of the database in pieces, at most about `bytes_max` bytes. True if
    /// there were more.
    ///
    /// # Errors
    /// What the server said.
    pub fn table(
        &self,
        name: &str,
        bytes_max: u64,
        piece: impl FnMut(&[u8]),
    ) -> Result<bool, StoreError> {
        self.text(&format!("SELECT * FROM {}", identifier(name)), bytes_max, piece)
    }

    /// The rows of a log since a time, like [`Self::table`].
    ///
    /// # Errors
    /// What the server said.
    pub fn log(
        &self,
        name: &str,
        since: u64,
        bytes_max: u64,
        piece: impl FnMut(&[u8]),
    ) -> Result<bool, StoreError> {
        let table = identifier(name);
        let recent =
            format!("SELECT * FROM system.{table} WHERE event_time >= toDateTime({since})");
        self.text(&recent, bytes_max, piece)
    }

    fn names(&self, sql: &str) -> Result<Vec<String>, StoreError> {
        let rows: Vec<Name> =
            self.link.rows("list tables", TIMEOUT, self.link.client.query_raw(sql))?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    fn text(
        &self,
        sql: &str,
        bytes_max: u64,
        mut piece: impl FnMut(&[u8]),
    ) -> Result<bool, StoreError> {
        let doing = "read a table";
        let cursor = self.link.client.query_raw(sql).fetch_bytes(FORMAT);
        let mut cursor =
            cursor.map_err(|error| StoreError::Server { doing, source: ServerFault::of(error) })?;
        let reading = async {
            let (mut text, mut read) = (Vec::new(), 0_u64);
            while let Some(bytes) = cursor.next().await? {
                text.extend_from_slice(&bytes);
                read += bytes.len() as u64;
                if read >= bytes_max {
                    break;
                }
                if text.len() >= PIECE_BYTES {
                    piece(&text);
                    text.drain(..text.len() - OVERLAP_BYTES);
                }
            }
            piece(&text);
            Ok(read >= bytes_max)
        };
        self.link.run(doing, TIMEOUT, reading)
    }
}
