//! Sites by chance whose tables are known: small ones, with many values near the threshold.
//!
//! What it is not: traffic. It is written into the store as batches of days, as an edge would send
//! them, and the days are closed by `headcount up` as any others.
//!
//! What surprises: all attributes of a day have the same views, visitors and visits, as they have
//! where each view has a value of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::time::{Day, Hour};
use headcount_store::Insert;
use headcount_store::sqlite::Writer;

use crate::dashboard::worlds::now;
use crate::dice::Dice;

/// What is counted of a value on a day: visitors, views, visits.
pub(super) type Numbers = [u64; 3];
/// The true table of an attribute on a day, by the name of its value.
pub(super) type Table = BTreeMap<&'static str, Numbers>;

/// Days that will be closed.
pub(super) const CLOSED_DAYS: u32 = 4;

/// An attribute, the names that its values have here, and how many more there may be.
pub(super) struct Names {
    pub(super) attribute: Attribute,
    pub(super) known: &'static [&'static str],
    pub(super) others: u32,
}

/// Where visitors bring names of their own, there are always others.
const MANY: u32 = 1_000_000;

/// Every attribute.
pub(super) const NAMES: [Names; 8] = [
    Names {
        attribute: Attribute::Device,
        known: &["desktop", "mobile", "other", "tablet"],
        others: 0,
    },
    Names {
        attribute: Attribute::Os,
        known: &["Android", "ChromeOS", "Linux", "Windows", "iOS", "macOS", "other"],
        others: 0,
    },
    Names {
        attribute: Attribute::Browser,
        known: &["Chrome", "Edge", "Firefox", "Opera", "Safari", "other"],
        others: 24,
    },
    Names {
        attribute: Attribute::Country,
        known: &["DE", "DK", "FI", "NO", "SE", "ZZ"],
        others: 194,
    },
    Names {
        attribute: Attribute::Source,
        known: &["(direct)", "(internal)", "a.example", "b.example", "c.example"],
        others: MANY,
    },
    Names { attribute: Attribute::UtmSource, known: &["(none)", "brev", "post"], others: MANY },
    Names { attribute: Attribute::UtmMedium, known: &["(none)", "email", "social"], others: MANY },
    Names { attribute: Attribute::UtmCampaign, known: &["(none)", "jul", "vinter"], others: MANY },
];

impl Names {
    /// Whether each value of a day has a visitor: who comes again with the same network and browser
    /// has the same value.
    pub(super) fn always_have_visitors(&self) -> bool {
        self.attribute.values_min().is_some()
    }
}

/// A site and what is true of it.
pub(super) struct Site {
    pub(super) host: String,
    /// Days with counts, the last of them today.
    pub(super) days: Vec<Day>,
    /// For each attribute of [`NAMES`], its table of each day.
    pub(super) tables: Vec<Vec<Table>>,
}

impl Site {
    /// A site whose values lie around `k`.
    pub(super) fn roll(host: String, dice: &mut Dice, k: u64) -> Self {
        let today = now().day();
        let closed = (0..CLOSED_DAYS).map(|at| today.minus(CLOSED_DAYS + 1 - at));
        let days: Vec<Day> = closed.chain([today]).collect();
        let mut tables: Vec<Vec<Table>> = NAMES.iter().map(|_| Vec::new()).collect();
        for _ in &days {
            let visitors = (0..4).map(|_| size(dice, k)).sum::<u64>().max(1);
            let views = visitors + dice.below(visitors + 1);
            let whole = [visitors, views, dice.below(views + 1)];
            for (names, tables) in NAMES.iter().zip(&mut tables) {
                tables.push(table(dice, names, whole, k));
            }
        }
        Self { host, days, tables }
    }

    /// Its cells.
    fn cells(&self) -> Vec<(&str, CellKey<&str>, Counts)> {
        let mut cells = Vec::new();
        for (at, day) in self.days.iter().enumerate() {
            let hour = Hour(day.first_hour().0);
            let whole = counts(&self.total(at));
            cells.push((&*self.host, CellKey::Site { hour }, whole));
            cells.push((&*self.host, CellKey::Page { hour, page: "/" }, whole));
            for (Names { attribute, .. }, tables) in NAMES.iter().zip(&self.tables) {
                for (value, numbers) in &tables[at] {
                    let key =
                        CellKey::Attribute { day: *day, attribute: *attribute, value: *value };
                    cells.push((&*self.host, key, counts(numbers)));
                }
            }
        }
        cells
    }

    /// All of a day.
    pub(super) fn total(&self, at: usize) -> Numbers {
        let mut total = [0; 3];
        for numbers in self.tables[0][at].values() {
            total.iter_mut().zip(numbers).for_each(|(total, number)| *total += number);
        }
        total
    }
}

fn counts([visitors, views, visits]: &Numbers) -> Counts {
    Counts { visitors: *visitors, views: *views, visits: *visits, ..Counts::ZERO }
}

/// Visitors of a value: often just below the threshold, just over it, or none.
fn size(dice: &mut Dice, k: u64) -> u64 {
    match dice.below(10) {
        0..2 => 0,
        2..5 => k - 1,
        5 => k,
        6 => 2 * k,
        7 => 40,
        _ => dice.below(k),
    }
}

/// The numbers of a day, dealt to names.
fn table(dice: &mut Dice, names: &Names, whole: Numbers, k: u64) -> Table {
    let mut order: Vec<&'static str> = names.known.to_vec();
    for at in (1..order.len()).rev() {
        order.swap(at, usize::try_from(dice.below(at as u64 + 1)).unwrap());
    }
    let mut table: Vec<Numbers> = vec![[0; 3]; order.len()];
    let [visitors, views, visits] = whole;
    let mut left = visitors;
    for cell in &mut table {
        cell[0] = size(dice, k).min(left);
        left -= cell[0];
    }
    table[0][0] += left;
    let mut left = views - visitors;
    for cell in &mut table {
        let more = if cell[0] > 0 || !names.always_have_visitors() && dice.one_in(4) {
            dice.below(left + 1)
        } else {
            0
        };
        cell[1] = cell[0] + more;
        left -= more;
    }
    let largest = (0..table.len()).max_by_key(|at| table[*at][0]).unwrap();
    table[largest][1] += left;
    let mut left = visits;
    for cell in &mut table {
        cell[2] = dice.below(cell[1] + 1).min(left);
        left -= cell[2];
    }
    for cell in &mut table {
        let more = (cell[1] - cell[2]).min(left);
        cell[2] += more;
        left -= more;
    }
    order.into_iter().zip(table).filter(|(_, cell)| cell[1] > 0).collect()
}

/// Writes the sites into the store of a data folder.
pub(super) fn fill(data: &Path, sites: &[Site]) {
    std::fs::create_dir_all(data).unwrap();
    let mut writer = Writer::open(&data.join("counts.db")).unwrap();
    let cells: Vec<_> = sites.iter().flat_map(Site::cells).collect();
    let batches: Vec<Batch> =
        cells.chunks(4_000).map(|cells| Batch::new(cells.iter().copied()).unwrap()).collect();
    let totals = Insert::totals_of(&batches).unwrap();
    let (src, closed_day) = ("sites".to_owned(), now().day());
    let insert = Insert { src, lo: 1, hi: 1, closed_day, batches, totals, last_seqs: vec![] };
    writer.apply(&insert).unwrap();
    let hosts: BTreeSet<&str> = sites.iter().map(|site| &*site.host).collect();
    assert_eq!(hosts.len(), sites.len());
}
