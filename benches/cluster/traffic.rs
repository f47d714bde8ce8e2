//! Visits drawn by a fixed seed, and added up as the edge adds them up.
//!
//! What it is not: the edge. It draws pages and values and knows nothing of visitors; two of five
//! views count as a new one.
//!
//! What surprises: pages follow Zipf's law (the second page has half of the first one's views), so
//! a site of 10,000 pages has few that are read each hour and many that are read each day.

use std::collections::BTreeMap;

use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::time::Hour;

/// Values of each attribute that the bench's visitors have, of those everybody has.
const VALUES: [(Attribute, usize); 5] = [
    (Attribute::Source, 20),
    (Attribute::Country, 25),
    (Attribute::Device, 3),
    (Attribute::Browser, 8),
    (Attribute::Os, 6),
];

/// Numbers by chance, the same in every run (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 to less than `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit as u64)).unwrap_or(0)
    }
}

/// Ranks by Zipf's law.
pub(crate) struct Zipf(Vec<u64>);

impl Zipf {
    pub(crate) fn new(ranks: usize) -> Self {
        let weights = (1..=ranks as u64).scan(0, |sum, rank| {
            *sum += 1_000_000_000_000 / rank;
            Some(*sum)
        });
        Self(weights.collect())
    }

    pub(crate) fn draw(&self, chance: &mut Chance) -> usize {
        let total = self.0.last().copied().unwrap_or(1);
        let point = chance.next() % total;
        self.0.partition_point(|sum| *sum <= point)
    }
}

/// A site's host by its number.
pub(crate) fn host(site: usize) -> String {
    format!("site-{}.example", letters(site))
}

/// A page's path by its number: 20 to 40 bytes, as on a news site.
pub(crate) fn path(page: usize) -> String {
    const SECTIONS: [&str; 6] = ["news", "sport", "culture", "opinion", "guides", "local"];
    const WORDS: [&str; 8] =
        ["council", "harbour", "election", "festival", "weather", "history", "railway", "garden"];
    let (section, word) = (SECTIONS[page % SECTIONS.len()], WORDS[page / 7 % WORDS.len()]);
    format!("/{section}/{word}-and-the-{}", letters(page))
}

/// A number below 160,000 in letters, which no rule for personal numbers can take for one.
fn letters(number: usize) -> String {
    const DIGITS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";
    let digit = |n: usize| char::from(DIGITS[n % DIGITS.len()]);
    [8_000, 400, 20, 1].map(|power| digit(number / power)).iter().collect()
}

/// Cells of one site, by the names' text.
#[derive(Default)]
pub(crate) struct Cells(BTreeMap<CellKey<String>, Counts>);

impl Cells {
    /// Counts a view.
    pub(crate) fn view(&mut self, hour: Hour, page: usize, chance: &mut Chance) {
        let new = u64::from(chance.below(5) < 2);
        let view = Counts { views: 1, visitors: new, visits: new, ..Counts::ZERO };
        self.add(CellKey::Site { hour }, view);
        self.add(CellKey::Page { hour, page: path(page) }, view);
        for (attribute, values) in VALUES {
            let value = format!("{}-{}", attribute.as_str(), letters(chance.below(values)));
            self.add(CellKey::Attribute { day: hour.day(), attribute, value }, view);
        }
    }

    /// Counts a click on one of `targets` of a page.
    pub(crate) fn click(&mut self, hour: Hour, page: usize, target: usize) {
        let click = Counts { clicks: 1, ..Counts::ZERO };
        self.add(CellKey::Site { hour }, click);
        let target = format!("ext:partner-{}.example", letters(target));
        self.add(CellKey::Click { hour, page: path(page), target }, click);
    }

    fn add(&mut self, key: CellKey<String>, counts: Counts) {
        self.0.entry(key).or_default().add(&counts);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The cells as a batch wants them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CellKey<&str>, Counts)> {
        self.0.iter().map(|(key, counts)| (key.borrowed(), *counts))
    }
}
