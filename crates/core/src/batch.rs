//! A batch: cells on the way from a collector to the store, and how they are written as bytes.
//!
//! What it is not: a record of when something arrived. A batch has no time of its own, its cells
//! are sorted by key, and nothing in it orders one visit before another.
//!
//! What surprises: the format is one version byte and then postcard
//! (<https://postcard.jamesmunns.com/wire-format>): every integer a varint, so a batch of small
//! counts is small.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cell::{CellKey, Counts};
use crate::time::Day;

/// First byte of every batch. A reader refuses what it does not know.
pub const BATCH_VERSION: u8 = 1;
/// Cells in one batch at most; more cells make more batches.
pub const BATCH_CELLS_MAX: usize = 20_000;
/// Bytes of one encoded batch at most: a Kafka broker's default is 1 MiB a message, and a page of
/// 2,048 bytes a cell must fit, so the edge also closes a batch by bytes.
pub const BATCH_BYTES_MAX: usize = 900_000;
/// Bytes of the names of all cells of a batch at most, each name counted in every cell that has it:
/// a page and a target of 2,048 bytes in each. A store writes names out, so this limits its rows.
pub const BATCH_NAME_BYTES_MAX: usize = BATCH_CELLS_MAX * 2 * 2_048;

/// Who made a batch and which one it is: unique for ever, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId {
    /// The collector: drawn by chance when its edge file is made.
    pub collector: u64,
    /// The life of the edge file: a new one when the file is older than what was applied.
    pub epoch: u64,
    /// 1, 2, 3, … within collector, epoch and partition.
    pub seq: u64,
}

/// One counter of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCell {
    /// The site's host, an index into the batch's table of names.
    pub site: u32,
    /// Which counter; its names are indexes into the batch's table of names.
    pub key: CellKey<u32>,
    /// The numbers.
    pub counts: Counts,
}

/// Cells with the names they use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Every text of the batch once, sorted.
    names: Vec<Box<str>>,
    /// The cells, sorted by site and key.
    cells: Vec<BatchCell>,
}

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// No byte at all.
    #[error("empty batch")]
    Empty,
    /// A version that this build does not read.
    #[error("batch version {0} is not known here; upgrade the reader")]
    Version(u8),
    /// Not the bytes of a batch.
    #[error("batch cannot be decoded")]
    Malformed,
    /// Well formed, but breaking a rule: order, limits, an index without a name, a count of 0.
    #[error("batch breaks a rule of its format")]
    Invalid,
}

impl WireError {
    /// Whether the same bytes may be readable later: only by a newer build.
    pub fn is_future(self) -> bool {
        match self {
            Self::Version(version) => version > BATCH_VERSION,
            Self::Empty | Self::Malformed | Self::Invalid => false,
        }
    }
}

impl Batch {
    /// Builds a batch from cells with their names as text. Equal cells are added up, cells of
    /// zeros dropped.
    ///
    /// # Errors
    /// [`WireError::Invalid`] if there are more than [`BATCH_CELLS_MAX`] cells, or more than
    /// [`BATCH_NAME_BYTES_MAX`] bytes of names in them.
    pub fn new<'a>(
        cells: impl IntoIterator<Item = (&'a str, CellKey<&'a str>, Counts)>,
    ) -> Result<Self, WireError> {
        let cells: Vec<_> = cells.into_iter().filter(|(_, _, counts)| !counts.is_zero()).collect();
        let mut names: Vec<&str> = Vec::new();
        for (site, key, _) in &cells {
            names.push(site);
            match key {
                CellKey::Page { page: name, .. } | CellKey::Attribute { value: name, .. } => {
                    names.push(name);
                }
                CellKey::Click { page, target, .. } => names.extend([page, target]),
                CellKey::Site { .. } | CellKey::Refusal { .. } => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        let index: HashMap<&str, u32> = names.iter().zip(0u32..).map(|(n, i)| (*n, i)).collect();
        let find = |name: &str| index.get(name).copied().ok_or(WireError::Invalid);
        let mut packed = cells
            .into_iter()
            .map(|(site, key, counts)| {
                Ok(BatchCell { site: find(site)?, key: key.try_map(find)?, counts })
            })
            .collect::<Result<Vec<_>, WireError>>()?;
        packed.sort_unstable_by_key(|cell| (cell.site, cell.key));
        packed.dedup_by(|next, kept| {
            let same = (next.site, next.key) == (kept.site, kept.key);
            if same {
                kept.counts.add(&next.counts);
            }
            same
        });
        if packed.len() > BATCH_CELLS_MAX {
            return Err(WireError::Invalid);
        }
        let batch = Self { names: names.into_iter().map(Box::from).collect(), cells: packed };
        if batch.name_bytes() > BATCH_NAME_BYTES_MAX { Err(WireError::Invalid) } else { Ok(batch) }
    }

    /// The cells with their names as text.
    pub fn cells(&self) -> impl Iterator<Item = (&str, CellKey<&str>, &Counts)> {
        self.cells.iter().filter_map(|cell| {
            let site = self.name(cell.site).ok()?;
            let key = cell.key.try_map(|name| self.name(name)).ok()?;
            Some((site, key, &cell.counts))
        })
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Bytes of the names of all cells but those of sites, each counted in every cell that has it.
    pub fn name_bytes(&self) -> usize {
        self.cells().map(|(_, key, _)| key.name_bytes()).sum()
    }

    /// The latest UTC day that a cell lies in; `None` without cells.
    pub fn last_day(&self) -> Option<Day> {
        self.cells.iter().map(|cell| cell.key.day()).max()
    }

    /// The sum over all cells: what the ledger writes down. `None` past the store's limit.
    pub fn totals(&self) -> Option<Counts> {
        self.cells.iter().try_fold(Counts::ZERO, |sum, cell| sum.checked_add(cell.counts))
    }

    /// The bytes that travel.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![BATCH_VERSION])
            .expect("writing a batch into a growing vector has no way to fail")
    }

    /// Reads a batch and checks every rule of the format, so that whoever holds a [`Batch`] need
    /// not.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (version, body) = bytes.split_first().ok_or(WireError::Empty)?;
        if *version != BATCH_VERSION {
            return Err(WireError::Version(*version));
        }
        let (batch, rest): (Self, _) =
            postcard::take_from_bytes(body).map_err(|_| WireError::Malformed)?;
        if rest.is_empty() && batch.is_valid() { Ok(batch) } else { Err(WireError::Invalid) }
    }

    fn name(&self, index: u32) -> Result<&str, WireError> {
        let index = usize::try_from(index).map_err(|_| WireError::Invalid)?;
        self.names.get(index).map(|name| &**name).ok_or(WireError::Invalid)
    }

    fn is_valid(&self) -> bool {
        self.cells.len() <= BATCH_CELLS_MAX
            && self.names.is_sorted_by(|a, b| a < b)
            && self.cells.is_sorted_by(|a, b| (a.site, a.key) < (b.site, b.key))
            && self.cells.iter().all(|cell| {
                self.name(cell.site).is_ok()
                    && cell.key.try_map(|name| self.name(name)).is_ok()
                    && !cell.counts.is_zero()
            })
            && self.totals().is_some()
            && self.name_bytes() <= BATCH_NAME_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cell::Attribute;
    use crate::refusal::RefusalReason;
    use crate::time::Hour;

    fn counts(views: u64) -> Counts {
        Counts { views, visits: views / 2, ..Counts::ZERO }
    }

    fn key() -> impl Strategy<Value = CellKey<String>> {
        let name = "[a-z/åé:()]{0,12}";
        prop_oneof![
            (0u32..5).prop_map(|h| CellKey::Site { hour: Hour(h) }),
            (0u32..5, name).prop_map(|(h, page)| CellKey::Page { hour: Hour(h), page }),
            (0u32..5, name, name).prop_map(|(h, page, target)| CellKey::Click {
                hour: Hour(h),
                page,
                target
            }),
            (0u32..5, 0usize..8, name).prop_map(|(d, a, value)| CellKey::Attribute {
                day: Day(d),
                attribute: Attribute::ALL[a],
                value
            }),
            (0u32..5, 0usize..7)
                .prop_map(|(d, r)| CellKey::Refusal { day: Day(d), reason: RefusalReason::ALL[r] }),
        ]
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(
            cells in proptest::collection::vec(("[a-z.]{1,9}", key(), 0u64..9), 0..40)
        ) {
            let batch = Batch::new(cells.iter().map(|(site, key, n)| {
                (&**site, key.borrowed(), counts(*n))
            })).unwrap();
            let sum: u64 = cells.iter().map(|(_, _, n)| n).sum();
            prop_assert_eq!(batch.totals().unwrap().views, sum);
            prop_assert_eq!(Batch::decode(&batch.encode()), Ok(batch.clone()));
            prop_assert_eq!(batch.cells().count(), batch.len());
        }

        #[test]
        fn any_bytes_get_an_answer(bytes: Vec<u8>) {
            if let Ok(batch) = Batch::decode(&bytes) {
                prop_assert_eq!(Batch::decode(&batch.encode()), Ok(batch));
            }
        }
    }

    #[test]
    fn refuses_names_that_are_long_when_written_out() {
        let page = "x".repeat(2 * 2_048);
        let counts = counts(1);
        let batch = |page: &str, cells: u32| {
            Batch::new((0..cells).map(|h| ("a.b", CellKey::Page { hour: Hour(h), page }, counts)))
        };
        let most = u32::try_from(BATCH_CELLS_MAX).unwrap();
        let full = batch(&page, most).unwrap();
        assert_eq!(full.name_bytes(), BATCH_NAME_BYTES_MAX);
        let longer = batch(&format!("{page}x"), most);
        assert_eq!(longer, Err(WireError::Invalid));
        let mut full = full;
        full.names.iter_mut().filter(|name| name.len() > 3).for_each(|name| {
            *name = format!("{name}x").into();
        });
        assert_eq!(Batch::decode(&full.encode()), Err(WireError::Invalid));
    }

    #[test]
    fn refuses_other_versions_and_rubbish() {
        assert_eq!(Batch::decode(&[]), Err(WireError::Empty));
        assert_eq!(Batch::decode(&[9]), Err(WireError::Version(9)));
        assert!(WireError::Version(9).is_future());
        assert_eq!(Batch::decode(&[1, 255]), Err(WireError::Malformed));
        let mut long = Batch::default().encode();
        long.push(0);
        assert_eq!(Batch::decode(&long), Err(WireError::Invalid));
    }
}
