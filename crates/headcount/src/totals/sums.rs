//! Rows of an export added up, under clean names and within the limits of a day.
//!
//! What it is not: a place where a row is kept. Its page goes through the sanitiser at once, and
//! only the sum under the clean name stays.
//!
//! What surprises: a view of a page is counted twice, for its page and for the site, as a hit is.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, bail};
use headcount_collector::totals::{About, Row};
use headcount_core::batch::{BATCH_CELLS_MAX, Batch};
use headcount_core::cell::{CellKey, Counts};
use headcount_core::rules::SiteRules;
use headcount_core::time::{Day, Hour};

use crate::config::Config;

/// Visitors of a day that a page's name needs where names wait for some.
const ADMISSION_VISITORS: u64 = headcount_collector::release::ADMISSION_VISITORS;
/// The name of what is beyond a limit.
const OTHER: &str = headcount_collector::names::OTHER;

/// What bounds the sums of a file.
pub(crate) struct Bounds<'a> {
    /// The rules of the site.
    pub(crate) rules: &'a SiteRules,
    /// The limits, and whether names wait for visitors.
    pub(crate) config: &'a Config,
    /// The oldest day that is kept.
    pub(crate) oldest: Day,
    /// The last day.
    pub(crate) today: Day,
}

/// The sums of a file.
pub(crate) struct Sums<'a> {
    bounds: Bounds<'a>,
    cells: BTreeMap<CellKey<String>, Counts>,
    names: HashMap<Day, HashSet<String>>,
    is_beyond: bool,
    /// Rows that count.
    pub(crate) rows: u64,
    /// Rows of days that are not kept.
    pub(crate) outside: u64,
    /// The latest day of a row that counts.
    pub(crate) last_day: Option<Day>,
}

impl<'a> Sums<'a> {
    /// Nothing yet.
    pub(crate) fn new(bounds: Bounds<'a>) -> Self {
        let (cells, names) = (BTreeMap::new(), HashMap::new());
        Self { bounds, cells, names, is_beyond: false, rows: 0, outside: 0, last_day: None }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: &Row<'_>) {
        let (hour, day) = (row.hour, row.hour.day());
        if !(self.bounds.oldest..=self.bounds.today).contains(&day) {
            self.outside += 1;
            return;
        }
        self.rows += 1;
        self.last_day = self.last_day.max(Some(day));
        if matches!(row.about, About::Site | About::View(_)) {
            self.put(CellKey::Site { hour }, row.counts);
        }
        match row.about {
            About::Page(page) | About::View(page) => {
                let page = self.name(hour, page);
                self.put(CellKey::Page { hour, page }, row.counts);
            }
            About::Other => self.put(other(hour), row.counts),
            About::Site => {}
        }
    }

    /// The clean name of a page, or that of what is beyond the names of a day.
    fn name(&mut self, hour: Hour, page: &str) -> String {
        let clean = self.bounds.rules.page(page);
        let of_day = self.names.entry(hour.day()).or_default();
        if of_day.contains(clean.as_str()) {
            return clean.as_str().to_owned();
        }
        if of_day.len() >= self.bounds.config.limits.names.pages_per_site_day {
            return OTHER.to_owned();
        }
        of_day.insert(clean.as_str().to_owned());
        clean.as_str().to_owned()
    }

    fn put(&mut self, key: CellKey<String>, counts: Counts) {
        let sum = self.cells.entry(key).or_default();
        match sum.checked_add(counts) {
            Some(more) => *sum = more,
            None => self.is_beyond = true,
        }
    }

    /// The cells as batches, without the names that have too few visitors.
    ///
    /// # Errors
    /// If a sum is beyond what a store takes.
    pub(crate) fn batches(mut self) -> anyhow::Result<Vec<Batch>> {
        for (key, counts) in std::mem::take(&mut self.cells) {
            let waits = self.waits(&key, &counts);
            match key {
                CellKey::Page { hour, .. } if waits => self.put(other(hour), counts),
                key => self.put(key, counts),
            }
        }
        if self.is_beyond {
            bail!("a sum beyond what a store takes; one of its numbers cannot be right");
        }
        let site = self.bounds.rules.host().as_str();
        let cells: Vec<_> = self.cells.into_iter().collect();
        cells
            .chunks(BATCH_CELLS_MAX)
            .map(|chunk| {
                Batch::new(chunk.iter().map(|(key, counts)| (site, key.borrowed(), *counts)))
            })
            .collect::<Result<_, _>>()
            .context("the cells do not fit into a batch")
    }

    /// Whether a cell's page has too few visitors for its name. Who has none to tell has too few.
    fn waits(&self, key: &CellKey<String>, counts: &Counts) -> bool {
        let CellKey::Page { page, .. } = key else { return false };
        self.bounds.config.release.admission
            && counts.visitors < ADMISSION_VISITORS
            && !self.bounds.rules.lists(page)
    }
}

fn other(hour: Hour) -> CellKey<String> {
    CellKey::Page { hour, page: OTHER.to_owned() }
}
