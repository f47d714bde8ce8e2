//! The close of a UTC day: which values of an attribute lose their name for good. Pure.
//!
//! What it is not: the folding of an answer (`answer/fold.rs`), which hides and forgets nothing.
//!
//! What surprises: what is kept after the close is safe by itself, day by day. Whatever is asked
//! about closed days is a sum of these tables, so no two answers say more than the tables do.

use std::collections::{BTreeMap, HashSet};

use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::time::Day;

use crate::answer::OTHER;
use crate::insert::Insert;

/// Under this source the ledger notes what a close has moved; its numbers are 0, nothing is lost.
pub(crate) const FOLD_SRC: &str = "(fold)";

/// A value of an attribute on a day, all its parts added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DayValue<'a> {
    pub(crate) name: &'a str,
    pub(crate) counts: Counts,
}

/// The values of one attribute on one day that lose their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Small<'a> {
    /// Those with fewer than `k` visitors.
    pub(crate) below: Vec<&'a str>,
    /// Those that go with them, until none can be worked out.
    pub(crate) with_them: Vec<&'a str>,
}

/// Splits the table of a day. What is in `(other)` already protects nobody: somebody may have seen
/// how much it was.
///
/// Where no value has a visitor, visitors are not counted; then visits take their place.
pub(crate) fn small<'a>(values: &[DayValue<'a>], attribute: Attribute, k: u32) -> Small<'a> {
    let mut values: Vec<_> = values.iter().filter(|value| value.name != OTHER).collect();
    let counted = values.iter().any(|value| value.counts.visitors > 0);
    let size = |value: &DayValue<'_>| {
        if counted { value.counts.visitors } else { value.counts.visits }
    };
    values.sort_unstable_by_key(|value| (size(value), value.name));
    let sizes: Vec<u64> = values.iter().map(|value| size(value)).collect();
    let (below, number) = split(&sizes, attribute.values_min(), k.into());
    let mut names = values.iter().map(|value| value.name);
    let below: Vec<&str> = names.by_ref().take(below).collect();
    let with_them = names.take(number - below.len()).collect();
    Small { below, with_them }
}

/// How many of these sizes, the smallest first, are below `k`, and how many lose their names.
fn split(sizes: &[u64], listed: Option<u32>, k: u64) -> (usize, usize) {
    let below = sizes.partition_point(|size| *size < k);
    if k <= 1 || below == 0 {
        return (0, 0);
    }
    let listed = listed.map_or(usize::MAX, |listed| usize::try_from(listed).unwrap_or(usize::MAX));
    let mut number = below;
    let mut sum: u64 = sizes.iter().take(below).sum();
    while let Some(next) = sizes.get(number) {
        let unnamed = listed.saturating_sub(sizes.len() - number).max(number);
        if number >= 2 && is_enough(sum, (unnamed, *next), k) {
            break;
        }
        sum += next;
        number += 1;
    }
    (below, number)
}

/// Whether a day tells too little of each value that has no name: what they are together, how many
/// names of the list they may have, and the smallest of those that are told.
///
/// Whoever knows this rule knows that all of them are below `k`, unless one keeps the others company,
/// and that this one is no larger than the smallest that is told. So where all of them must be as
/// large as they can be, each is known. Enough is where each of them may have `k` different sizes:
/// by the others, if the list has so many; else by one that keeps another company.
///
/// Nothing is asked here but what everybody sees of the day, or the answer itself would tell more.
fn is_enough(sum: u64, (unnamed, next): (usize, u64), k: u64) -> bool {
    let others = u64::try_from(unnamed - 1).unwrap_or(u64::MAX);
    if sum < k {
        false
    } else if sum <= others.saturating_mul(k - 1) {
        true
    } else if others > 1 {
        next + k >= sum + 2
    } else {
        next >= sum && sum > k
    }
}

/// What is known of closed days when an insert comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Days before this one are closed.
    pub(crate) before: Day,
    /// The threshold of the last close.
    pub(crate) k: u32,
}

/// Attributes of one site and day.
type Table<'a> = (&'a str, Day, Attribute);

/// The values of an insert that may not be added to their closed days under their names.
///
/// A batch that comes after the close is late, and no value of it is told. What is brought in by
/// hand is a day's table of its own, and what is safe in it stays.
pub(crate) fn unnamed<'a>(
    insert: &'a Insert,
    closed: Closed,
) -> HashSet<(&'a str, Day, Attribute, &'a str)> {
    let mut tables: BTreeMap<Table<'a>, BTreeMap<&'a str, Counts>> = BTreeMap::new();
    for (site, key, counts) in insert.batches.iter().flat_map(|batch| batch.cells()) {
        if let CellKey::Attribute { day, attribute, value } = key
            && day < closed.before
        {
            let table = tables.entry((site, day, attribute)).or_default();
            table.entry(value).or_default().add(counts);
        }
    }
    let is_by_hand = ["import:", "merge:"].iter().any(|begin| insert.src.starts_with(begin));
    let mut unnamed = HashSet::new();
    for ((site, day, attribute), table) in tables {
        let values: Vec<DayValue<'a>> =
            table.into_iter().map(|(name, counts)| DayValue { name, counts }).collect();
        let names: Vec<&str> = if is_by_hand {
            let small = small(&values, attribute, closed.k);
            small.below.into_iter().chain(small.with_them).collect()
        } else {
            values.iter().map(|value| value.name).collect()
        };
        unnamed.extend(names.into_iter().map(|name| (site, day, attribute, name)));
    }
    unnamed
}

/// The key under which a cell is added.
pub(crate) fn renamed<'a>(
    site: &'a str,
    key: CellKey<&'a str>,
    unnamed: &HashSet<(&'a str, Day, Attribute, &'a str)>,
) -> CellKey<&'a str> {
    match key {
        CellKey::Attribute { day, attribute, value }
            if unnamed.contains(&(site, day, attribute, value)) =>
        {
            CellKey::Attribute { day, attribute, value: OTHER }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
