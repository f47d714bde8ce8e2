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

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use headcount_core::time::Day;
use thiserror::Error;
use zeroize::Zeroize;

use crate::locked::{Locked, forget_stack};
use crate::peer::Prefix;

/// Words of one block: a cache line.
const BLOCK_WORDS: usize = 8;
/// Bytes of one block.
const BLOCK_BYTES: usize = BLOCK_WORDS * 8;
/// Locks over the blocks, so that "test and set" is one step on every core.
const STRIPES: usize = 64;
/// The key has a page of memory to itself.
const KEY_PAGE_BYTES: usize = 4_096;
/// Bits of a key.
const KEY_BYTES: usize = 32;
/// Marks per filter byte at which the error reaches its stated bound of 0.5 %: 16 bits a mark.
pub const FILTER_BYTES_PER_MARK: usize = 2;
/// How long a key lives at most, whatever the clock of the machine shows: a day, and what a clock
/// that is being set right may make of it.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3_600 + 300);
/// A clock that steps back over midnight by less than this does not end the key that midnight
/// brought; and a machine without randomness is asked again after it.
const PAUSE: Duration = Duration::from_secs(60);

/// What the log says when there is no randomness.
const NO_KEY: &str = "no randomness for a new key, no visitors are counted";

/// Why visitors cannot be counted.
#[derive(Debug, Error)]
pub enum VisitorsError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for the day's key")]
    Random,
    /// No memory, or none that stays out of core dumps.
    #[error("cannot set memory aside for the marks of visitors")]
    Memory(#[source] std::io::Error),
    /// The key's page could not be locked into memory.
    #[error(
        "cannot lock 4 KiB of memory for the day's key; raise `ulimit -l` (LimitMEMLOCK=) or set \
         visitors = \"off\""
    )]
    Lock,
}

/// What there is of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyState {
    Drawn,
    /// No randomness: nobody is counted as a visitor.
    Missing,
    /// Counting has ended.
    Over,
}

struct Today {
    day: Day,
    key: Locked,
    state: KeyState,
    drawn: Instant,
    /// How many keys there were. A mark belongs to one, and so does what a stripe holds.
    turn: u64,
}

impl Today {
    /// A key for `day` is due when the UTC day is another one, and when the running one has lived
    /// its day although the clock says otherwise.
    fn is_due(&self, day: Day, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.drawn);
        match self.state {
            KeyState::Over => false,
            _ if day > self.day || age >= LIFE_MAX => true,
            KeyState::Drawn => day < self.day && age >= PAUSE,
            KeyState::Missing => age >= PAUSE,
        }
    }

    /// Overwrites the key, and draws another.
    fn renew(&mut self, day: Day, now: Instant) -> Result<(), VisitorsError> {
        self.forget(KeyState::Missing);
        (self.day, self.drawn) = (day, now);
        let (key, _) = self.key.bytes_mut().split_at_mut(KEY_BYTES);
        getrandom::fill(key).map_err(|_| VisitorsError::Random)?;
        self.state = KeyState::Drawn;
        Ok(())
    }

    fn forget(&mut self, state: KeyState) {
        self.key.wipe();
        self.state = state;
        self.turn += 1;
    }

    fn key(&self) -> &[u8; KEY_BYTES] {
        self.key.bytes().first_chunk().expect("a page is longer than a key")
    }
}

/// A visitor's mark for the running day: good for asking the filter, and for nothing else.
pub struct Mark {
    words: [u64; 2],
    turn: u64,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

/// Counts distinct visitors of a site and of each page, per UTC day.
pub struct Visitors {
    today: RwLock<Today>,
    stripes: Box<[Mutex<Stripe>]>,
    blocks_per_stripe: usize,
}

struct Stripe {
    blocks: Locked,
    marks: u64,
    turn: u64,
}

impl Stripe {
    /// Wipes the marks of an earlier key.
    fn turn_over(&mut self, turn: u64) {
        if self.turn < turn {
            self.blocks.wipe();
            (self.marks, self.turn) = (0, turn);
        }
    }
}

impl Visitors {
    /// A filter of `filter_mib` MiB and a fresh key for `day`.
    ///
    /// # Errors
    /// [`VisitorsError`] if there is no randomness, no memory, or none that the key may lie in.
    pub fn new(filter_mib: usize, day: Day) -> Result<Self, VisitorsError> {
        let key = Locked::new(KEY_PAGE_BYTES).map_err(VisitorsError::Memory)?;
        if !key.is_locked() {
            return Err(VisitorsError::Lock);
        }
        let drawn = Instant::now();
        let mut today = Today { day, key, state: KeyState::Missing, drawn, turn: 0 };
        today.renew(day, drawn)?;
        let blocks_per_stripe = (filter_mib.max(1) * 1024 * 1024) / BLOCK_BYTES / STRIPES;
        let stripe = |_| {
            let blocks = Locked::new(blocks_per_stripe * BLOCK_BYTES)?;
            Ok(Mutex::new(Stripe { blocks, marks: 0, turn: today.turn }))
        };
        let stripes: Result<_, std::io::Error> = (0..STRIPES).map(stripe).collect();
        let stripes = stripes.map_err(VisitorsError::Memory)?;
        Ok(Self { today: RwLock::new(today), stripes, blocks_per_stripe })
    }

    /// Bytes of the filter that the operating system did not let us lock: they may be swapped out.
    pub fn unlocked_bytes(&self) -> usize {
        let stripes = self.stripes.iter().map(|stripe| locked(stripe));
        stripes.filter(|stripe| !stripe.blocks.is_locked()).map(|s| s.blocks.bytes().len()).sum()
    }

    /// Begins `day`, if it is another one or the running key has had its time: the old key is
    /// overwritten, the old marks are wiped. `now` is when that is, by a clock that nobody sets.
    ///
    /// # Errors
    /// [`VisitorsError::Random`]: then the old key is wiped all the same and no mark can be made.
    pub fn begin(&self, day: Day, now: Instant) -> Result<(), VisitorsError> {
        if !self.today().is_due(day, now) {
            return Ok(());
        }
        let today = self.today_mut();
        if !today.is_due(day, now) {
            return Ok(());
        }
        self.replace(today, day, now)
    }

    /// Replaces the key before its time, for an import that has filled the filter with the marks of
    /// many days.
    pub(crate) fn replace_full(&self) {
        let today = self.today_mut();
        let day = today.day;
        if today.state != KeyState::Over && self.replace(today, day, Instant::now()).is_err() {
            tracing::error!("{NO_KEY}");
        }
    }

    fn replace(
        &self,
        mut today: RwLockWriteGuard<'_, Today>,
        day: Day,
        now: Instant,
    ) -> Result<(), VisitorsError> {
        let renewed = today.renew(day, now);
        let turn = today.turn;
        drop(today);
        self.turn_over(turn);
        renewed
    }

    /// How many keys there were: another number, and nobody is known any more.
    pub(crate) fn turn(&self) -> u64 {
        self.today().turn
    }

    /// The UTC day of the running key, none while there is none, and how many keys there were.
    pub fn key_day(&self) -> (Option<Day>, u64) {
        let today = self.today();
        ((today.state == KeyState::Drawn).then_some(today.day), today.turn)
    }

    /// [`Visitors::begin`] now, for who cannot do anything about its failure.
    pub(crate) fn keep(&self, day: Day) {
        if self.begin(day, Instant::now()).is_err() {
            tracing::error!("{NO_KEY}");
        }
    }

    /// Ends counting: key and marks are wiped, and no mark is made any more.
    pub fn end(&self) {
        let mut today = self.today_mut();
        today.forget(KeyState::Over);
        let turn = today.turn;
        drop(today);
        self.turn_over(turn);
    }

    fn turn_over(&self, turn: u64) {
        self.stripes.iter().for_each(|stripe| locked(stripe).turn_over(turn));
    }

    /// The mark of (site, network, user agent) under the running key. One BLAKE3 block.
    /// A later `day` begins with its first mark, an earlier one (who read the clock just before
    /// midnight) gets the running key; there is none while there is no key.
    pub(crate) fn mark(
        &self,
        day: Day,
        site: u32,
        prefix: Prefix,
        agent: &[u8; 16],
    ) -> Option<Mark> {
        let mut today = self.today();
        if today.day < day {
            drop(today);
            self.keep(day);
            today = self.today();
        }
        let mark = (today.state == KeyState::Drawn).then(|| {
            let words = hash(today.key(), site, prefix, agent);
            Mark { words, turn: today.turn }
        });
        forget_stack();
        mark
    }

    /// Whether this is the visitor's first view of the site today.
    pub(crate) fn is_new(&self, mark: &Mark) -> bool {
        self.insert(mark.words, mark.turn)
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
        let [a, b] = mark.words;
        self.insert([mix(a, page), mix(b, page.rotate_left(29))], mark.turn)
    }

    /// The probability that a new visitor is taken for one seen before, from how full the filter
    /// is now. At most 0.005 while there are no more than one mark per [`FILTER_BYTES_PER_MARK`].
    pub fn miss_rate(&self) -> f64 {
        let mut sum = 0.0;
        let mut blocks = 0.0;
        for stripe in &self.stripes {
            let stripe = locked(stripe);
            if stripe.marks == 0 {
                blocks += 64.0;
                continue;
            }
            // A sample of 64 blocks a stripe; 4,096 in all put the error of this figure itself
            // far below the figure.
            let (all, _) = stripe.blocks.bytes().as_chunks::<BLOCK_BYTES>();
            for block in all.iter().take(64) {
                let (words, _) = block.as_chunks();
                let set = |word: &[u8; 8]| f64::from(u64::from_le_bytes(*word).count_ones());
                sum += words.iter().map(|word| set(word) / 64.0).product::<f64>();
                blocks += 1.0;
            }
        }
        sum / blocks
    }

    /// Marks that the filter holds.
    #[cfg(test)]
    pub(crate) fn marks(&self) -> u64 {
        self.stripes.iter().map(|stripe| locked(stripe).marks).sum()
    }

    fn insert(&self, [place, bits]: [u64; 2], turn: u64) -> bool {
        let stripe = usize::try_from(place % STRIPES as u64).unwrap_or(0);
        let within = place >> 6;
        let spread = (u128::from(within << 6) * self.blocks_per_stripe as u128) >> 64;
        let block = usize::try_from(spread).unwrap_or(0);
        let Some(stripe) = self.stripes.get(stripe) else { return false };
        let mut stripe = locked(stripe);
        stripe.turn_over(turn);
        if turn < stripe.turn {
            // Made under a key that has gone since: it must leave nothing, and nobody knows it.
            return true;
        }
        let (blocks, _) = stripe.blocks.bytes_mut().as_chunks_mut::<BLOCK_BYTES>();
        let Some(block) = blocks.get_mut(block) else { return false };
        let mut is_new = false;
        let (words, _) = block.as_chunks_mut();
        for (word, shift) in words.iter_mut().zip((0u32..).step_by(6)) {
            let (old, bit) = (u64::from_le_bytes(*word), 1u64 << ((bits >> shift) & 63));
            is_new |= old & bit == 0;
            *word = (old | bit).to_le_bytes();
        }
        stripe.marks += u64::from(is_new);
        is_new
    }

    fn today(&self) -> RwLockReadGuard<'_, Today> {
        self.today.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn today_mut(&self) -> RwLockWriteGuard<'_, Today> {
        self.today.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn locked(stripe: &Mutex<Stripe>) -> std::sync::MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves the key and its input on the stack, for [`forget_stack`].
#[inline(never)]
fn hash(key: &[u8; KEY_BYTES], site: u32, prefix: Prefix, agent: &[u8; 16]) -> [u64; 2] {
    let mut input = [0u8; 27];
    let (head, tail) = input.split_at_mut(11);
    head[..4].copy_from_slice(&site.to_le_bytes());
    head[4..].copy_from_slice(&prefix.hash_input());
    tail.copy_from_slice(agent);
    let hash = blake3::keyed_hash(key, &input);
    let (words, _) = hash.as_bytes().as_chunks();
    [0, 1].map(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locked::LooseKey;
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
        macro_rules! lack_all {
            ($($type:ty),+) => {$(
                lacks!($type, std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
            )+};
        }
        lack_all!(Mark, Locked, LooseKey, Today, Stripe, Visitors, Mutex<Stripe>);
        lacks!(Prefix, std::fmt::Debug, std::fmt::Display, serde::Serialize);
    }

    fn prefix(text: &str) -> Prefix {
        let source = AddressSource::default();
        source.prefix(source.peer(text.parse().unwrap()), &hyper::HeaderMap::new()).unwrap()
    }

    fn mark(visitors: &Visitors) -> Mark {
        visitors.mark(Day(0), 1, prefix("192.0.2.1:1"), &[0; 16]).unwrap()
    }

    /// The running key, for comparing.
    fn key(visitors: &Visitors) -> [u8; KEY_BYTES] {
        *visitors.today().key()
    }

    fn holds_marks(visitors: &Visitors) -> bool {
        visitors.stripes.iter().any(|s| locked(s).blocks.bytes().iter().any(|byte| *byte != 0))
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
        visitors.keep(Day(5));
        assert!(!seen(1, "198.51.100.1:1", 1));
        visitors.keep(Day(6));
        assert!(seen(1, "198.51.100.1:1", 1), "another day");
        visitors.keep(Day(5));
        assert!(!seen(1, "198.51.100.1:1", 1), "a clock that steps back brings no day back");
    }

    #[test]
    fn a_new_day_brings_another_key_and_an_empty_filter() {
        let visitors = Visitors::new(1, Day(1)).unwrap();
        let (old, words) = (mark(&visitors), mark(&visitors).words);
        assert!(visitors.is_new(&old) && holds_marks(&visitors));
        assert_eq!(visitors.key_day(), (Some(Day(1)), 1));
        visitors.keep(Day(2));
        assert_eq!(visitors.key_day(), (Some(Day(2)), 2));
        assert!(!holds_marks(&visitors));
        assert_ne!(words, mark(&visitors).words);
        assert!(visitors.miss_rate() == 0.0);
        assert!(visitors.is_new(&old), "yesterday's mark means nothing today");
        assert!(!holds_marks(&visitors), "and leaves nothing");
        let new = Mark { words, turn: mark(&visitors).turn };
        assert!(visitors.is_new(&new) && !visitors.is_new(&new));
    }

    /// Every jump of the clock, with the seconds that really passed since the key was drawn.
    #[test]
    fn a_key_ends_with_its_day_and_never_outlives_it() {
        let check = |jump: &str, day: Day, seconds: u64, ends: bool| {
            let visitors = Visitors::new(1, Day(9)).unwrap();
            let (before, drawn) = (key(&visitors), visitors.today().drawn);
            visitors.is_new(&mark(&visitors));
            visitors.begin(day, drawn + Duration::from_secs(seconds)).unwrap();
            assert_eq!(key(&visitors) != before, ends, "{jump}");
            assert_eq!(holds_marks(&visitors), !ends, "{jump}");
            if ends {
                assert_eq!(visitors.today().day, day, "{jump}: the next midnight counts");
            }
        };
        check("none", Day(9), 3_600, false);
        check("midnight", Day(10), 1, true);
        check("a year ahead", Day(375), 1, true);
        check("back over the midnight that has just been", Day(8), 59, false);
        check("back by a day", Day(8), 60, true);
        check("back by years", Day(0), 3_600, true);
        check("back by a day each day", Day(9), 24 * 3_600 + 299, false);
        check("back by a day each day, later", Day(9), 24 * 3_600 + 300, true);
        check("stopped", Day(9), 40 * 24 * 3_600, true);
    }

    #[test]
    fn after_the_end_there_is_no_key_and_no_mark() {
        let visitors = Visitors::new(1, Day(1)).unwrap();
        let last = mark(&visitors);
        assert!(visitors.is_new(&last));
        visitors.end();
        let check = || {
            assert!(key(&visitors) == [0; KEY_BYTES] && !holds_marks(&visitors));
            assert!(visitors.mark(Day(2), 1, prefix("192.0.2.1:1"), &[0; 16]).is_none());
        };
        check();
        visitors.is_new(&last);
        visitors.begin(Day(3), Instant::now() + 2 * LIFE_MAX).unwrap();
        check();
    }

    #[test]
    fn marks_made_while_the_day_ends_leave_nothing_of_it() {
        let visitors = Visitors::new(1, Day(1)).unwrap();
        std::thread::scope(|scope| {
            for core in 0..2u8 {
                let visitors = &visitors;
                scope.spawn(move || {
                    for day in (1..9).flat_map(|day| [day; 500]) {
                        let agent = [core; 16];
                        let found = visitors.mark(Day(day), 1, prefix("192.0.2.1:1"), &agent);
                        visitors.is_new(&found.unwrap());
                    }
                });
            }
        });
        let running = mark(&visitors).turn;
        let bits = |stripe: &Mutex<Stripe>| {
            let stripe = locked(stripe);
            assert_eq!(stripe.turn, running);
            stripe.blocks.bytes().iter().map(|byte| byte.count_ones()).sum::<u32>()
        };
        let marks: u32 = visitors.stripes.iter().map(bits).sum::<u32>() / 8;
        assert!(marks <= 2, "{marks} marks, and two visitors");
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
