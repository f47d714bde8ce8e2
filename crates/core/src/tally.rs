//! A tally: cells in memory, added up.
//!
//! What it is not: bounded by itself. What may become a name is bounded where names are admitted
//! (the collector's `names`), so a tally is too.
//!
//! What surprises: the hash is seeded per process, so an order of iteration tells nothing; whoever
//! writes cells out sorts them first.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::cell::{CellKey, Counts};

/// Cells of many sites in memory; `S` names the site and `N` its pages and values.
#[derive(Debug, Clone)]
pub struct Tally<S, N> {
    cells: HashMap<(S, CellKey<N>), Counts, RandomState>,
}

impl<S: Hash + Eq + Ord + Clone, N: Hash + Eq + Ord + Clone> Default for Tally<S, N> {
    fn default() -> Self {
        Self { cells: HashMap::default() }
    }
}

impl<S: Hash + Eq + Ord + Clone, N: Hash + Eq + Ord + Clone> Tally<S, N> {
    /// An empty tally with room for so many cells.
    pub fn with_capacity(cells: usize) -> Self {
        Self { cells: HashMap::with_capacity_and_hasher(cells, RandomState::default()) }
    }

    /// Adds `counts` to one cell.
    pub fn add(&mut self, site: S, key: CellKey<N>, counts: &Counts) {
        self.cells.entry((site, key)).or_default().add(counts);
    }

    /// Adds every cell of `other`.
    pub fn merge(&mut self, other: Self) {
        if self.cells.is_empty() {
            self.cells = other.cells;
            return;
        }
        for ((site, key), counts) in other.cells {
            self.add(site, key, &counts);
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The numbers of one cell, if it is here.
    pub fn get(&self, site: S, key: CellKey<N>) -> Option<&Counts> {
        self.cells.get(&(site, key))
    }

    /// Takes out one cell; its numbers, if it was here.
    pub fn remove(&mut self, site: S, key: CellKey<N>) -> Option<Counts> {
        self.cells.remove(&(site, key))
    }

    /// The cells in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&S, &CellKey<N>, &Counts)> {
        self.cells.iter().map(|((site, key), counts)| (site, key, counts))
    }

    /// Takes out the cells that `pick` wants and leaves the others.
    pub fn take(&mut self, mut pick: impl FnMut(&S, &CellKey<N>) -> bool) -> Self {
        Self { cells: self.cells.extract_if(|(site, key), _| pick(site, key)).collect() }
    }

    /// The cells sorted by site and key: the only order in which they may be written.
    pub fn into_sorted(self) -> Vec<(S, CellKey<N>, Counts)> {
        let mut sorted: Vec<_> =
            self.cells.into_iter().map(|((site, key), counts)| (site, key, counts)).collect();
        sorted.sort_unstable_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        sorted
    }

    /// The sum over all cells.
    pub fn totals(&self) -> Counts {
        let mut totals = Counts::ZERO;
        self.cells.values().for_each(|counts| totals.add(counts));
        totals
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Hour;

    type T = Tally<u8, u8>;

    fn tally(cells: &[(u8, u8, u8)]) -> T {
        let mut tally = T::default();
        for (site, page, views) in cells {
            let counts = Counts { views: u64::from(*views), ..Counts::ZERO };
            tally.add(*site, CellKey::Page { hour: Hour(1), page: *page }, &counts);
        }
        tally
    }

    proptest! {
        #[test]
        fn merging_keeps_the_total_in_any_order(
            a: Vec<(u8, u8, u8)>, b: Vec<(u8, u8, u8)>, c: Vec<(u8, u8, u8)>,
        ) {
            let (a, b, c) = (tally(&a), tally(&b), tally(&c));
            let merged = |parts: [&T; 3]| {
                let mut sum = T::default();
                parts.into_iter().for_each(|part| sum.merge(part.clone()));
                sum
            };
            let one = merged([&a, &b, &c]);
            let mut totals = a.totals();
            totals.add(&b.totals());
            totals.add(&c.totals());
            prop_assert_eq!(one.totals(), totals);
            prop_assert_eq!(one.into_sorted(), merged([&c, &a, &b]).into_sorted());
        }

        #[test]
        fn taking_loses_nothing(cells: Vec<(u8, u8, u8)>, limit: u8) {
            let mut whole = tally(&cells);
            let before = whole.totals();
            let taken = whole.take(|site, _| *site < limit);
            let mut after = whole.totals();
            after.add(&taken.totals());
            prop_assert_eq!(before, after);
            prop_assert!(taken.iter().all(|(site, _, _)| *site < limit));
        }
    }
}
