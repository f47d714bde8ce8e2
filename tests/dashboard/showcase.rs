//! The site of the README's picture: a walking guide to a coast, with weekends, nights and a good
//! autumn.
//!
//! What it is not: anybody's. Site and numbers are invented, and depend on the hour only.
//!
//! What surprises: counts of an hour are rounded by chance, else small pages would have none at all.

use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::time::{Day, Hour};

use super::worlds::Cell;
use crate::dice::Dice;

/// The site.
const SITE: &str = "coastpath.example";
/// Days with counts: the period that is shown and the one before.
const DAYS: u32 = 62;
/// Views of a plain day, before weekends and growth.
const VIEWS: u64 = 1_900;
/// Shares of the hours of a day; their sum.
const HOURS: [u64; 24] =
    [5, 3, 2, 2, 3, 7, 16, 28, 40, 46, 50, 52, 56, 54, 50, 49, 52, 58, 66, 74, 72, 58, 36, 15];
const HOURS_SUM: u64 = 894;
/// Pages, each with its share in a thousand.
const PAGES: [(&str, u64); 13] = [
    ("/", 236),
    ("/walks/lighthouse-loop", 152),
    ("/tides", 118),
    ("/walks/north-shore", 96),
    ("/walks", 84),
    ("/map", 71),
    ("/blog/what-to-pack-for-rain", 62),
    ("/walks/salt-marsh", 48),
    ("/getting-here", 39),
    ("/blog/seals-in-november", 34),
    ("/shop/map-set", 25),
    ("/newsletter", 20),
    ("/about", 15),
];
/// Click targets, each with its page and its share of that page's views in a thousand.
const TARGETS: [(&str, &str, u64); 6] = [
    ("/walks/lighthouse-loop", "/files/lighthouse-loop.gpx", 170),
    ("/getting-here", "ext:nationalrail.co.uk", 240),
    ("/map", "ext:openstreetmap.org", 115),
    ("/newsletter", "newsletter", 310),
    ("/shop/map-set", "ext:ko-fi.com", 150),
    ("/about", "mailto", 90),
];
/// Values of the attributes, each with its share in a thousand.
const VALUES: [(Attribute, &[(&str, u64)]); 8] = [
    (
        Attribute::Source,
        &[
            ("(direct)", 310),
            ("google.com", 243),
            ("(internal)", 190),
            ("duckduckgo.com", 84),
            ("mastodon.social", 61),
            ("visitcoast.example", 42),
            ("bing.com", 30),
            ("reddit.com", 22),
            ("wikipedia.org", 11),
            ("(other)", 7),
        ],
    ),
    (
        Attribute::Country,
        &[
            ("GB", 612),
            ("IE", 96),
            ("DE", 71),
            ("NL", 58),
            ("SE", 44),
            ("FR", 35),
            ("US", 31),
            ("DK", 19),
            ("NO", 15),
            ("(unknown)", 12),
            ("BE", 7),
        ],
    ),
    (Attribute::Device, &[("mobile", 574), ("desktop", 355), ("tablet", 71)]),
    (
        Attribute::Browser,
        &[
            ("Safari", 388),
            ("Chrome", 341),
            ("Firefox", 173),
            ("Edge", 61),
            ("Samsung Internet", 37),
        ],
    ),
    (
        Attribute::Os,
        &[("iOS", 352), ("Android", 268), ("Windows", 196), ("macOS", 122), ("Linux", 62)],
    ),
    (Attribute::UtmSource, &[("(none)", 905), ("newsletter", 68), ("leaflet", 27)]),
    (Attribute::UtmMedium, &[("(none)", 905), ("email", 68), ("print", 27)]),
    (Attribute::UtmCampaign, &[("(none)", 905), ("autumn walks", 68), ("station posters", 27)]),
];

/// Everything that was counted of it up to this hour.
pub(crate) fn cells(now: Hour) -> Vec<Cell<'static>> {
    let mut dice = Dice(11);
    let mut cells = Vec::new();
    for back in 0..DAYS {
        let day = now.day().minus(back);
        let busy = views_of(day, back, &mut dice);
        let hours = day.first_hour().0..=day.last_hour().0.min(now.0);
        let mut seen = 0;
        for (hour, share) in hours.map(Hour).zip(HOURS) {
            let views = busy * share / HOURS_SUM;
            seen += views;
            pages(&mut cells, hour, views, &mut dice);
        }
        values(&mut cells, day, seen, &mut dice);
    }
    cells
}

/// Views of a whole day: more at weekends, fewer the longer ago.
fn views_of(day: Day, back: u32, dice: &mut Dice) -> u64 {
    // The first day of all was a Thursday.
    let weekday = (day.0 + 3) % 7;
    let week = [92, 88, 95, 100, 118, 168, 181][usize::try_from(weekday).unwrap()];
    let growth = 128 - u64::from(back) * 2 / 3;
    VIEWS * week * growth * (88 + dice.below(24)) / 1_000_000
}

/// A share in a thousand of a number, rounded up or down by chance.
fn part(of: u64, share: u64, dice: &mut Dice) -> u64 {
    (of * share + dice.below(1_000)) / 1_000
}

fn counts(views: u64) -> Counts {
    let (visitors, visits) = ((views * 43).div_ceil(100), (views * 51).div_ceil(100));
    Counts { views, visitors, visits, ..Counts::ZERO }
}

fn pages(cells: &mut Vec<Cell<'static>>, hour: Hour, views: u64, dice: &mut Dice) {
    let (mut all, mut clicks) = (0, 0);
    for (page, share) in PAGES {
        let views = part(views, share, dice);
        cells.push((SITE, CellKey::Page { hour, page }, counts(views)));
        all += views;
        for (_, target, share) in TARGETS.into_iter().filter(|(on, ..)| *on == page) {
            let found = part(views, share, dice);
            let counted = Counts { clicks: found, ..Counts::ZERO };
            cells.push((SITE, CellKey::Click { hour, page, target }, counted));
            clicks += found;
        }
    }
    cells.push((SITE, CellKey::Site { hour }, Counts { clicks, ..counts(all) }));
}

fn values(cells: &mut Vec<Cell<'static>>, day: Day, views: u64, dice: &mut Dice) {
    for (attribute, values) in VALUES {
        for (value, share) in values {
            let key = CellKey::Attribute { day, attribute, value: *value };
            cells.push((SITE, key, counts(part(views, *share, dice))));
        }
    }
    for (reason, share) in
        [(RefusalReason::Gpc, 41), (RefusalReason::Robot, 87), (RefusalReason::Prefetch, 9)]
    {
        let refused = part(views, share, dice);
        cells.push((SITE, CellKey::Refusal { day, reason }, Counts { refused, ..Counts::ZERO }));
    }
}
