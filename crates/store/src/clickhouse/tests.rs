//! Tests of the ClickHouse store on the real engine: what they share.

mod apply;
mod close;
mod grants;
mod questions;
mod removal;
mod setup;

use headcount_core::batch::{Batch, BatchId};
use headcount_core::time::Day;

use super::*;
use crate::clickhouse_service::{ClickHouse, shared};
use crate::insert::Insert;
use crate::sqlite::tests::{Cell, FIRST_DAY};

/// Settings for a database of a server.
fn settings(server: &ClickHouse, database: String) -> Settings {
    Settings {
        url: server.url.clone(),
        database,
        user: server.user.clone(),
        password: Secret::new(server.password.clone()),
        cluster: None,
    }
}

/// Settings for an empty database of the shared server.
fn fresh() -> Settings {
    settings(shared(), shared().database())
}

/// Rows of a query in a database, as tab-separated text.
fn rows(settings: &Settings, sql: &str) -> String {
    shared().query(&sql.replace("DB.", &format!("{}.", settings.database))).trim().to_owned()
}

/// The insert of one batch that is closed on a day.
fn insert_on(src: &str, lo: u64, day: u32, cells: &[Cell]) -> Insert {
    let batches = vec![Batch::new(cells.iter().copied()).unwrap()];
    Insert {
        src: src.to_owned(),
        lo,
        hi: lo,
        closed_day: Day(day),
        totals: Insert::totals_of(&batches).unwrap(),
        batches,
        last_seqs: vec![BatchId { collector: 7, epoch: 1, seq: lo }],
    }
}

fn insert(src: &str, lo: u64, cells: &[Cell]) -> Insert {
    insert_on(src, lo, FIRST_DAY, cells)
}

/// Applies and reads back, as the aggregator does.
fn apply(writer: &mut Writer, insert: &Insert) {
    writer.apply(insert, 0).unwrap();
    assert_eq!(writer.standing(&insert.src).unwrap().applied, insert.hi);
}
