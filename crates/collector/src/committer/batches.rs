//! Cells with their names written out, packed into batches.
//!
//! What it is not: a choice of what leaves; the release rule made it.
//!
//! What surprises: attribute cells never share a batch with page and click cells, so that a batch
//! tells nothing of which pages a crowd read.

use std::collections::{BTreeMap, HashMap};

use headcount_core::batch::{BATCH_BYTES_MAX, BATCH_CELLS_MAX, Batch};
use headcount_core::cell::{CellKey, Counts};
use headcount_core::site::SiteHost;
use headcount_core::time::Day;

use crate::names::{Name, NameId, OTHER, SiteId};
use crate::release::EdgeCell;

/// Bytes a cell takes beside its names, at most.
const CELL_BYTES: usize = 80;

/// A partition and an encoded batch for it.
pub(crate) type Addressed = (u32, Vec<u8>);

/// The partition of a cell by its site and page, empty for a cell without one: BLAKE3 of both, so
/// that all counts of a page meet in one partition, whichever collector counted them.
pub fn partition_of(site: &str, page: &str, partitions: u32) -> u32 {
    if partitions <= 1 {
        return 0;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(site.as_bytes());
    hasher.update(&[0]);
    hasher.update(page.as_bytes());
    let word = hasher.finalize().as_bytes().first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    u32::try_from(word % u64::from(partitions)).unwrap_or(0)
}

/// What the numbers of cells stand for.
pub(crate) struct Texts {
    names: HashMap<NameId, (SiteId, Day, Box<str>)>,
    sites: HashMap<SiteId, Box<str>>,
    /// The earliest day of a name; asked at every release.
    first_day: Option<Day>,
}

impl Texts {
    pub(crate) fn new(names: &[Name], sites: &[(SiteId, String)]) -> Self {
        let sites = sites.iter().map(|(id, host)| (*id, host.as_str().into())).collect();
        let mut texts = Self { names: HashMap::new(), sites, first_day: None };
        texts.learn(names);
        texts
    }

    pub(crate) fn learn(&mut self, names: &[Name]) {
        for name in names {
            self.first_day = Some(self.first_day.map_or(name.day, |first| first.min(name.day)));
            self.names.insert(name.id, (name.site, name.day, name.text.clone()));
        }
    }

    pub(crate) fn site(&mut self, id: SiteId, host: &SiteHost) {
        self.sites.insert(id, host.as_str().into());
    }

    pub(crate) fn name(&self, id: NameId) -> Option<&str> {
        if id == NameId::OTHER {
            return Some(OTHER);
        }
        self.names.get(&id).map(|(_, _, text)| &**text)
    }

    pub(crate) fn first_day(&self) -> Option<Day> {
        self.first_day
    }

    pub(crate) fn forget_before(&mut self, day: Day) {
        self.retain(|_, of| of >= day);
    }

    pub(crate) fn forget_site(&mut self, site: SiteId) {
        self.retain(|of, _| of != site);
        self.sites.remove(&site);
    }

    fn retain(&mut self, stays: impl Fn(SiteId, Day) -> bool) {
        self.names.retain(|_, (site, day, _)| stays(*site, *day));
        self.first_day = self.names.values().map(|(_, day, _)| *day).min();
    }

    /// Encoded batches of these cells and their partitions, in order.
    pub(crate) fn encode(&self, cells: &[EdgeCell], partitions: u32) -> Vec<Addressed> {
        let mut heaps: BTreeMap<(u32, bool), Vec<&EdgeCell>> = BTreeMap::new();
        for cell in cells {
            let is_attribute = matches!(cell.1, CellKey::Attribute { .. });
            let partition = self.partition(cell, partitions);
            heaps.entry((partition, is_attribute)).or_default().push(cell);
        }
        let encoded =
            heaps.iter().map(|((partition, _), cells)| (*partition, self.encode_heap(cells)));
        encoded
            .flat_map(|(partition, batches)| batches.into_iter().map(move |b| (partition, b)))
            .collect()
    }

    fn partition(&self, (site, key, _): &EdgeCell, partitions: u32) -> u32 {
        let page = match key {
            CellKey::Page { page, .. } | CellKey::Click { page, .. } => self.name(*page),
            CellKey::Site { .. } | CellKey::Attribute { .. } | CellKey::Refusal { .. } => None,
        };
        let site = self.sites.get(site).map_or("", |host| host);
        partition_of(site, page.unwrap_or_default(), partitions)
    }

    fn encode_heap(&self, cells: &[&EdgeCell]) -> Vec<Vec<u8>> {
        let mut batches = Vec::new();
        let mut batch: Vec<(&str, CellKey<&str>, Counts)> = Vec::new();
        let mut bytes = 0;
        for (site, key, counts) in cells {
            let named = key.try_map(|name| self.name(name).ok_or(()));
            let (Some(site), Ok(key)) = (self.sites.get(site), named) else {
                // Checked when the file was read and when a name was admitted.
                tracing::error!("a cell has no name, it cannot leave");
                continue;
            };
            let size = CELL_BYTES + site.len() + key.name_bytes();
            if batch.len() == BATCH_CELLS_MAX || bytes + size > BATCH_BYTES_MAX {
                batches.push(encoded(std::mem::take(&mut batch)));
                bytes = 0;
            }
            bytes += size;
            batch.push((site, key, *counts));
        }
        if !batch.is_empty() {
            batches.push(encoded(batch));
        }
        batches
    }
}

fn encoded(cells: Vec<(&str, CellKey<&str>, Counts)>) -> Vec<u8> {
    Batch::new(cells).expect("cells are cut to BATCH_CELLS_MAX before").encode()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::NameKind;

    /// Collectors of two versions run side by side while one is replaced by the other.
    #[test]
    fn partitions_are_those_of_every_version() {
        let cells =
            [("example.org", ""), ("example.org", "/"), ("example.org", "/a"), ("a.b", "/a")];
        let found = cells.map(|(site, page)| {
            [1, 3, 8, 1_000].map(|partitions| partition_of(site, page, partitions))
        });
        assert_eq!(found, [[0, 2, 2, 954], [0, 1, 2, 850], [0, 2, 4, 748], [0, 2, 2, 298]]);
    }

    proptest! {
        #[test]
        fn the_first_day_is_that_of_the_earliest_name(
            steps in proptest::collection::vec((0u8..4, 0u32..20, 0u32..3, 0u32..9), 0..60)
        ) {
            let mut texts = Texts::new(&[], &[]);
            for (what, id, site, day) in steps {
                let (id, site, day) = (NameId(id), SiteId(site), Day(day));
                match what {
                    0 => texts.forget_before(day),
                    1 => texts.forget_site(site),
                    // A name that was not saved is learned again, a number never for another day.
                    _ if texts.names.contains_key(&id) => {}
                    _ => texts.learn(&[Name { id, site, day, kind: NameKind::Page, text: "/".into() }]),
                }
                let first = texts.names.values().map(|(_, day, _)| *day).min();
                prop_assert_eq!(texts.first_day(), first);
            }
        }
    }
}
