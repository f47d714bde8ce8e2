//! Cells with their names written out, packed into batches.
//!
//! What it is not: a choice of what leaves; the release rule made it.
//!
//! What surprises: attribute cells never share a batch with page and click cells, so that a batch
//! tells nothing of which pages a crowd read.

use std::collections::HashMap;

use headcount_core::batch::{BATCH_BYTES_MAX, BATCH_CELLS_MAX, Batch};
use headcount_core::cell::{CellKey, Counts};
use headcount_core::site::SiteHost;
use headcount_core::time::Day;

use crate::names::{Name, NameId, OTHER, SiteId};
use crate::release::EdgeCell;

/// Bytes a cell takes beside its names, at most.
const CELL_BYTES: usize = 80;

/// What the numbers of cells stand for.
pub(crate) struct Texts {
    names: HashMap<NameId, (SiteId, Day, Box<str>)>,
    sites: HashMap<SiteId, Box<str>>,
}

impl Texts {
    pub(crate) fn new(names: &[Name], sites: &[(SiteId, String)]) -> Self {
        let sites = sites.iter().map(|(id, host)| (*id, host.as_str().into())).collect();
        let mut texts = Self { names: HashMap::new(), sites };
        texts.learn(names);
        texts
    }

    pub(crate) fn learn(&mut self, names: &[Name]) {
        self.names
            .extend(names.iter().map(|name| (name.id, (name.site, name.day, name.text.clone()))));
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
        self.names.values().map(|(_, day, _)| *day).min()
    }

    pub(crate) fn forget_before(&mut self, day: Day) {
        self.names.retain(|_, (_, of, _)| *of >= day);
    }

    pub(crate) fn forget_site(&mut self, site: SiteId) {
        self.names.retain(|_, (of, _, _)| *of != site);
        self.sites.remove(&site);
    }

    /// Encoded batches of these cells, in order.
    pub(crate) fn encode(&self, cells: &[EdgeCell]) -> Vec<Vec<u8>> {
        let is_attribute = |key: &CellKey<NameId>| matches!(key, CellKey::Attribute { .. });
        let (attributes, others): (Vec<_>, Vec<_>) =
            cells.iter().partition(|(_, key, _)| is_attribute(key));
        [others, attributes].iter().flat_map(|cells| self.encode_kind(cells)).collect()
    }

    fn encode_kind(&self, cells: &[&EdgeCell]) -> Vec<Vec<u8>> {
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
            let size = CELL_BYTES + site.len() + name_bytes(&key);
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

fn name_bytes(key: &CellKey<&str>) -> usize {
    match key {
        CellKey::Page { page: name, .. } | CellKey::Attribute { value: name, .. } => name.len(),
        CellKey::Click { page, target, .. } => page.len() + target.len(),
        CellKey::Site { .. } | CellKey::Refusal { .. } => 0,
    }
}

fn encoded(cells: Vec<(&str, CellKey<&str>, Counts)>) -> Vec<u8> {
    Batch::new(cells).expect("cells are cut to BATCH_CELLS_MAX before").encode()
}
