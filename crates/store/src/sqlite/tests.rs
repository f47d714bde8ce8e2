//! Tests of the SQLite store: what they share.

mod apply;
mod close;
mod damage;
mod imports;
mod ledger;
pub(crate) mod questions;
mod removal;
mod small;
mod views;

use std::collections::BTreeMap;
use std::path::PathBuf;

use headcount_core::batch::{Batch, BatchId};
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::site::SiteHost;
use headcount_core::time::{Day, Hour};
use proptest::prelude::*;

use super::*;
use crate::insert::Insert;

/// Names that would break a pattern, a quoted text or a C string.
pub(crate) const NAMES: [&str; 9] =
    ["/", "/a", "/a_", "/a%", "/a'b\"c", "/a\0b", "/\u{e5}", "(other)", "/x;--"];
pub(crate) const SITES: [&str; 2] = ["a.example", "b.example"];
/// Thursday, 2025-12-25: the days from here cross a week, a month and a year.
pub(crate) const FIRST_DAY: u32 = 20_447;
pub(crate) const DAYS: u32 = 12;

/// A site, one of its cells and the numbers.
pub(crate) type Cell = (&'static str, CellKey<&'static str>, Counts);
/// What the counts must be.
type Model = BTreeMap<(&'static str, CellKey<&'static str>), Counts>;

pub(crate) fn host(text: &str) -> SiteHost {
    SiteHost::parse(text).unwrap()
}

/// A store in a directory of its own.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join(FILE_NAME)
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::open(&self.path()).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    /// All bytes of the file, its write-ahead log and whatever else lies there.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }
}

pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The insert of one batch.
pub(crate) fn insert(src: &str, seq: u64, cells: &[Cell]) -> Insert {
    let batches = vec![Batch::new(cells.iter().copied()).unwrap()];
    Insert {
        src: src.to_owned(),
        lo: seq,
        hi: seq,
        closed_day: Day(FIRST_DAY),
        totals: Insert::totals_of(&batches).unwrap(),
        batches,
        last_seqs: vec![BatchId { collector: u64::MAX, epoch: 1, seq }],
    }
}

fn model(cells: &[Cell]) -> Model {
    let mut model = Model::new();
    for (site, key, counts) in cells.iter().filter(|cell| !cell.2.is_zero()) {
        model.entry((site, *key)).or_default().add(counts);
    }
    model
}

pub(crate) fn name() -> impl Strategy<Value = &'static str> + Clone {
    proptest::sample::select(&NAMES[..])
}

fn hour() -> impl Strategy<Value = Hour> {
    (0..DAYS * 24).prop_map(|step| Hour(FIRST_DAY * 24 + step))
}

fn day() -> impl Strategy<Value = Day> {
    (0..DAYS).prop_map(|step| Day(FIRST_DAY + step))
}

pub(crate) fn cell() -> impl Strategy<Value = Cell> {
    let number = || 0u64..6;
    let viewed = (number(), number(), number()).prop_map(|(views, visitors, visits)| Counts {
        views,
        visitors,
        visits,
        ..Counts::ZERO
    });
    let clicked = number().prop_map(|clicks| Counts { clicks, ..Counts::ZERO });
    let refused = number().prop_map(|refused| Counts { refused, ..Counts::ZERO });
    let attribute = proptest::sample::select(&Attribute::ALL[..2]);
    let reason = proptest::sample::select(&RefusalReason::ALL[..]);
    let keyed = prop_oneof![
        (hour(), viewed.clone(), number()).prop_map(|(hour, viewed, clicks)| {
            (CellKey::Site { hour }, Counts { clicks, ..viewed })
        }),
        (hour(), name(), viewed.clone())
            .prop_map(|(hour, page, viewed)| (CellKey::Page { hour, page }, viewed)),
        (hour(), name(), name(), clicked)
            .prop_map(|(hour, page, target, it)| (CellKey::Click { hour, page, target }, it)),
        (day(), attribute, name(), viewed).prop_map(|(day, attribute, value, it)| (
            CellKey::Attribute { day, attribute, value },
            it
        )),
        (day(), reason, refused)
            .prop_map(|(day, reason, it)| (CellKey::Refusal { day, reason }, it)),
    ];
    (proptest::sample::select(&SITES[..]), keyed).prop_map(|(site, (key, it))| (site, key, it))
}

pub(crate) fn cells(max: usize) -> impl Strategy<Value = Vec<Cell>> {
    proptest::collection::vec(cell(), 0..max)
}

/// A page seen by `visitors` in the first hour of a day.
pub(crate) fn page(site: &'static str, day: u32, page: &'static str, visitors: u64) -> Cell {
    let counts = Counts { views: visitors, visitors, visits: visitors, ..Counts::ZERO };
    (site, CellKey::Page { hour: Day(day).first_hour(), page }, counts)
}

/// A source of `visitors` in a day.
pub(crate) fn country(site: &'static str, day: u32, value: &'static str, visitors: u64) -> Cell {
    let (_, _, counts) = source(site, day, value, visitors);
    (site, CellKey::Attribute { day: Day(day), attribute: Attribute::Country, value }, counts)
}

pub(crate) fn source(site: &'static str, day: u32, value: &'static str, visitors: u64) -> Cell {
    let counts = Counts { views: visitors * 2, visitors, visits: visitors, ..Counts::ZERO };
    (site, CellKey::Attribute { day: Day(day), attribute: Attribute::Source, value }, counts)
}
