//! Distinct visitors of a UTC day, without a visitor: a key that lives for a day, and a filter.
//!
//! What it is not: a store of marks. Nothing here can be written, printed, cloned or sent: neither
//! type has `Serialize`, `Debug` or `Clone` (the tests below do not compile otherwise).
//!
//! What surprises: the filter answers "seen today?" with a small error to one side. It never
//! counts a visitor twice, and misses a new one with the probability that [`Visitors::miss_rate`]
//! tells; a restart begins a new key, so those who come again are counted again.
//!
//! The filter is a split block Bloom filter (Putze, Sanders, Singler 2007, "Cache-, Hash- and
//! Space-Efficient Bloom Filters"): one cache line a mark, one bit in each of its eight words.

use std::sync::{Mutex, PoisonError, RwLock};

use headcount_core::time::Day;
use thiserror::Error;
use zeroize::Zeroize;

use crate::peer::Prefix;

/// Words of one block: a cache line.
const BLOCK_WORDS: usize = 8;
/// Bytes of one block.
const BLOCK_BYTES: usize = BLOCK_WORDS * 8;
/// Locks over the blocks, so that "test and set" is one step on every core.
const STRIPES: usize = 64;
/// The key has a page of memory to itself, which is locked.
const KEY_PAGE_BYTES: usize = 4_096;
/// Bits of a key.
const KEY_BYTES: usize = 32;
/// Marks per filter byte at which the error reaches its stated bound of 0.5 %: 16 bits a mark.
pub const FILTER_BYTES_PER_MARK: usize = 2;

/// Why visitors cannot be counted.
#[derive(Debug, Error)]
pub enum VisitorsError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for the day's key")]
    Random,
    /// The key's page could not be locked into memory.
    #[error(
        "cannot lock 4 KiB of memory for the day's key; raise `ulimit -l` (LimitMEMLOCK=) or set \
         visitors = \"off\""
    )]
    Lock(#[source] region::Error),
}

/// A page of memory that is never swapped and is wiped when it goes.
struct DayKey {
    page: Box<KeyPage>,
    _lock: region::LockGuard,
}

#[repr(align(4096))]
struct KeyPage([u8; KEY_PAGE_BYTES]);

impl DayKey {
    fn draw() -> Result<Self, VisitorsError> {
        let page = Box::new(KeyPage([0; KEY_PAGE_BYTES]));
        let lock = region::lock(page.0.as_ptr(), KEY_PAGE_BYTES).map_err(VisitorsError::Lock)?;
        let mut key = Self { page, _lock: lock };
        key.redraw()?;
        Ok(key)
    }

    fn redraw(&mut self) -> Result<(), VisitorsError> {
        self.page.0.zeroize();
        let (key, _) = self.page.0.split_at_mut(KEY_BYTES);
        getrandom::fill(key).map_err(|_| VisitorsError::Random)
    }

    fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.page.0.first_chunk().expect("a page is longer than a key")
    }
}

impl Drop for DayKey {
    fn drop(&mut self) {
        self.page.0.zeroize();
    }
}

struct Today {
    day: Day,
    key: DayKey,
    /// False if a new day found no randomness: then nobody is counted as a visitor.
    is_drawn: bool,
}

/// A visitor's mark for the running day: good for asking the filter, and for nothing else.
pub struct Mark([u64; 2]);

/// Counts distinct visitors of a site and of each page, per UTC day.
pub struct Visitors {
    today: RwLock<Today>,
    stripes: Box<[Mutex<Stripe>]>,
    blocks_per_stripe: usize,
}

struct Stripe {
    blocks: Box<[[u64; BLOCK_WORDS]]>,
    marks: u64,
}

impl Visitors {
    /// A filter of `filter_mib` MiB and a fresh key for `day`.
    ///
    /// # Errors
    /// [`VisitorsError`] if there is no randomness or no lockable memory.
    pub fn new(filter_mib: usize, day: Day) -> Result<Self, VisitorsError> {
        let blocks_per_stripe = (filter_mib.max(1) * 1024 * 1024) / BLOCK_BYTES / STRIPES;
        let stripes = (0..STRIPES)
            .map(|_| {
                let blocks = vec![[0u64; BLOCK_WORDS]; blocks_per_stripe].into_boxed_slice();
                Mutex::new(Stripe { blocks, marks: 0 })
            })
            .collect();
        let today = RwLock::new(Today { day, key: DayKey::draw()?, is_drawn: true });
        Ok(Self { today, stripes, blocks_per_stripe })
    }

    /// Begins `day`, if it is a new one: the old key is overwritten, the old marks are wiped.
    ///
    /// # Errors
    /// [`VisitorsError::Random`]: then the old key is wiped all the same and no mark can be made.
    pub fn begin(&self, day: Day) -> Result<(), VisitorsError> {
        if self.today.read().unwrap_or_else(PoisonError::into_inner).day >= day {
            return Ok(());
        }
        let mut today = self.today.write().unwrap_or_else(PoisonError::into_inner);
        if today.day < day {
            today.day = day;
            for stripe in &self.stripes {
                let mut stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
                stripe.blocks.iter_mut().for_each(|block| *block = [0; BLOCK_WORDS]);
                stripe.marks = 0;
            }
            today.is_drawn = false;
            today.key.redraw()?;
            today.is_drawn = true;
        }
        Ok(())
    }

    /// The mark of (site, network, user agent) under the running key. One BLAKE3 block.
    /// A new `day` begins with its first mark; none is made while there is no randomness for it.
    pub(crate) fn mark(
        &self,
        day: Day,
        site: u32,
        prefix: Prefix,
        agent: &[u8; 16],
    ) -> Option<Mark> {
        let mut input = [0u8; 27];
        let (head, tail) = input.split_at_mut(11);
        head[..4].copy_from_slice(&site.to_le_bytes());
        head[4..].copy_from_slice(&prefix.hash_input());
        tail.copy_from_slice(agent);
        let mut today = self.today.read().unwrap_or_else(PoisonError::into_inner);
        if today.day < day {
            drop(today);
            if self.begin(day).is_err() {
                tracing::error!("no randomness for a new day's key, no visitors are counted today");
            }
            today = self.today.read().unwrap_or_else(PoisonError::into_inner);
        }
        if !today.is_drawn {
            return None;
        }
        let hash = blake3::keyed_hash(today.key.bytes(), &input);
        let word = |at: usize| {
            hash.as_bytes()
                .get(at..at + 8)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u64::from_le_bytes)
        };
        Some(Mark([word(0), word(8)]))
    }

    /// Whether this is the visitor's first view of the site today.
    pub(crate) fn is_new(&self, mark: &Mark) -> bool {
        self.insert(mark.0)
    }

    /// Whether this is the visitor's first view of this page of the site today. The mark is the
    /// output of a keyed hash already, so mixing the page in needs no second one.
    pub(crate) fn is_new_on(&self, mark: &Mark, page: u32) -> bool {
        let page = (u64::from(page) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mix = |word: u64, by: u64| {
            let product = u128::from(word ^ by) * u128::from(by | 1);
            u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0)
                ^ u64::try_from(product >> 64).unwrap_or(0)
        };
        let [a, b] = mark.0;
        self.insert([mix(a, page), mix(b, page.rotate_left(29))])
    }

    /// The probability that a new visitor is taken for one seen before, from how full the filter
    /// is now. At most 0.005 while there are no more than one mark per [`FILTER_BYTES_PER_MARK`].
    pub fn miss_rate(&self) -> f64 {
        let mut sum = 0.0;
        let mut blocks = 0.0;
        for stripe in &self.stripes {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            if stripe.marks == 0 {
                blocks += 64.0;
                continue;
            }
            // A sample of 64 blocks a stripe; 4,096 in all put the error of this figure itself
            // far below the figure.
            for block in stripe.blocks.iter().take(64) {
                sum +=
                    block.iter().map(|word| f64::from(word.count_ones()) / 64.0).product::<f64>();
                blocks += 1.0;
            }
        }
        sum / blocks
    }

    fn insert(&self, [place, bits]: [u64; 2]) -> bool {
        let stripe = usize::try_from(place % STRIPES as u64).unwrap_or(0);
        let within = place >> 6;
        let spread = (u128::from(within << 6) * self.blocks_per_stripe as u128) >> 64;
        let block = usize::try_from(spread).unwrap_or(0);
        let Some(stripe) = self.stripes.get(stripe) else { return false };
        let mut stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(words) = stripe.blocks.get_mut(block) else { return false };
        let mut is_new = false;
        for (word, shift) in words.iter_mut().zip((0u32..).step_by(6)) {
            let bit = 1u64 << ((bits >> shift) & 63);
            is_new |= *word & bit == 0;
            *word |= bit;
        }
        stripe.marks += u64::from(is_new);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::AddressSource;

    /// Does not compile if the type has the trait: then two implementations would fit.
    macro_rules! lacks {
        ($type:ty, $($bound:path),+) => {$({
            trait FitsOnce<A> { fn fits() {} }
            impl<T: ?Sized> FitsOnce<()> for T {}
            struct Again;
            impl<T: ?Sized + $bound> FitsOnce<Again> for T {}
            <$type as FitsOnce<_>>::fits();
        })+};
    }

    #[test]
    fn marks_and_keys_cannot_be_printed_copied_or_written() {
        lacks!(Mark, std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        lacks!(DayKey, std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        lacks!(Visitors, std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        lacks!(Prefix, std::fmt::Debug, std::fmt::Display, serde::Serialize);
    }

    fn prefix(text: &str) -> Prefix {
        let source = AddressSource::default();
        source.prefix(source.peer(text.parse().unwrap()), &hyper::HeaderMap::new()).unwrap()
    }

    #[test]
    fn counts_a_network_and_agent_once_a_day_and_site() {
        let visitors = Visitors::new(1, Day(5)).unwrap();
        let seen = |site, address, agent: u8| {
            visitors.is_new(&visitors.mark(Day(5), site, prefix(address), &[agent; 16]).unwrap())
        };
        assert!(seen(1, "198.51.100.1:1", 1));
        assert!(!seen(1, "198.51.100.77:9", 1), "same /24");
        assert!(seen(1, "198.51.101.1:1", 1), "another /24");
        assert!(seen(1, "198.51.100.1:1", 2), "another agent");
        assert!(seen(2, "198.51.100.1:1", 1), "another site");
        visitors.begin(Day(5)).unwrap();
        assert!(!seen(1, "198.51.100.1:1", 1));
        visitors.begin(Day(6)).unwrap();
        assert!(seen(1, "198.51.100.1:1", 1), "another day");
        visitors.begin(Day(5)).unwrap();
        assert!(!seen(1, "198.51.100.1:1", 1), "a clock that goes back does not bring a day back");
    }

    #[test]
    fn a_new_day_brings_another_key_and_an_empty_filter() {
        let visitors = Visitors::new(1, Day(1)).unwrap();
        let mark = visitors.mark(Day(1), 1, prefix("192.0.2.1:1"), &[0; 16]).unwrap().0;
        visitors.is_new(&Mark(mark));
        visitors.begin(Day(2)).unwrap();
        assert_ne!(mark, visitors.mark(Day(1), 1, prefix("192.0.2.1:1"), &[0; 16]).unwrap().0);
        assert!(visitors.miss_rate() == 0.0);
        assert!(visitors.is_new(&Mark(mark)), "yesterday's mark means nothing today");
    }

    #[test]
    fn the_stated_error_holds_when_full() {
        let visitors = Visitors::new(1, Day(1)).unwrap();
        let capacity = 1024 * 1024 / u32::try_from(FILTER_BYTES_PER_MARK).unwrap();
        let mark = visitors.mark(Day(1), 1, prefix("192.0.2.1:1"), &[0; 16]).unwrap();
        let new = (0..capacity).filter(|page| visitors.is_new_on(&mark, *page)).count();
        let missed = f64::from(capacity) - f64::from(u32::try_from(new).unwrap());
        assert!(missed / f64::from(capacity) < 0.005, "missed {missed} of {capacity}");
        let stated = visitors.miss_rate();
        let probes = 100_000;
        let wrong =
            (capacity..capacity + probes).filter(|page| !visitors.is_new_on(&mark, *page)).count();
        let real = f64::from(u32::try_from(wrong).unwrap()) / f64::from(probes);
        assert!(stated < 0.005 && (stated - real).abs() < 0.003, "stated {stated}, real {real}");
    }
}
