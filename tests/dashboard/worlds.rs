//! Sites of every kind in one `counts.db`: empty, small, quiet, large, one of 10,000 pages, one whose names
//! are attacks.
//!
//! What it is not: what an edge would let in. Names are written past it, into the store itself.
//!
//! What surprises: the last day is today by the machine's clock, because the dashboard's is too.

use std::path::Path;
use std::time::SystemTime;

use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::time::{Day, Hour};
use headcount_store::Insert;
use headcount_store::sqlite::Writer;

use super::hostile::{self, attacks};
use super::showcase;
use crate::dice::Dice;
use crate::until::calm_day;

/// A counter of a site and what is in it.
pub(super) type Cell<'a> = (&'a str, CellKey<&'a str>, Counts);

/// Days that the large site has counts of: this period and the one before.
const DAYS: u32 = 62;
/// Pages of the site that has many.
const MANY: usize = 10_000;
fn counts(views: u64) -> Counts {
    Counts { views, visitors: views.div_ceil(2), visits: views.div_ceil(3), ..Counts::ZERO }
}

fn clicks(clicks: u64) -> Counts {
    Counts { clicks, ..Counts::ZERO }
}

/// The running hour.
#[expect(clippy::disallowed_methods, reason = "the server under test reads this clock")]
pub(crate) fn now() -> Hour {
    calm_day();
    Hour::of_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
}

/// Fills `counts.db` of a data folder.
pub(crate) fn fill(data: &Path) {
    let now = now();
    let many: Vec<String> = (0..MANY)
        .map(|at| format!("/archive/{}/page-{at}-of-the-archive", 2000 + at % 26))
        .collect();
    let mut cells = small(now);
    cells.extend(large(now));
    cells.extend(quiet(now));
    cells.extend(showcase::cells(now));
    for (at, page) in many.iter().enumerate() {
        let views = u64::try_from(MANY / (at + 1)).unwrap() + 1;
        cells.push(("many.example", CellKey::Page { hour: now, page }, counts(views)));
        cells.push(("many.example", CellKey::Site { hour: now }, counts(views)));
    }
    let attacks = attacks();
    cells.extend(hostile_site(now, &attacks));
    write(data, now, &cells);
}

/// Fills `counts.db` of a data folder with the site whose names are attacks, alone.
pub(crate) fn fill_hostile(data: &Path) {
    let (now, attacks) = (now(), attacks());
    write(data, now, &hostile_site(now, &attacks));
}

fn hostile_site(now: Hour, names: &[String]) -> Vec<Cell<'_>> {
    let site = hostile::SITE;
    let mut cells = Vec::new();
    for name in names.iter().map(String::as_str) {
        cells.push((site, CellKey::Site { hour: now }, Counts { clicks: 3, ..counts(40) }));
        cells.push((site, CellKey::Page { hour: now, page: name }, counts(40)));
        cells.push((site, CellKey::Click { hour: now, page: name, target: name }, clicks(3)));
        for attribute in Attribute::ALL {
            let key = CellKey::Attribute { day: now.day(), attribute, value: name };
            cells.push((site, key, counts(40)));
        }
    }
    cells
}

fn write(data: &Path, now: Hour, cells: &[Cell<'_>]) {
    std::fs::create_dir_all(data).unwrap();
    let mut writer = Writer::open(&data.join("counts.db")).unwrap();
    let batches: Vec<Batch> =
        cells.chunks(4_000).map(|cells| Batch::new(cells.iter().copied()).unwrap()).collect();
    let totals = Insert::totals_of(&batches).unwrap();
    let (src, closed_day) = ("worlds".to_owned(), now.day());
    let insert = Insert { src, lo: 1, hi: 1, closed_day, batches, totals, last_seqs: vec![] };
    writer.apply(&insert).unwrap();
}

fn small(now: Hour) -> Vec<Cell<'static>> {
    let site = "small.example";
    let mut cells = vec![
        (site, CellKey::Site { hour: now }, Counts { clicks: 1, ..counts(9) }),
        (site, CellKey::Page { hour: now, page: "/" }, counts(6)),
        (site, CellKey::Page { hour: now, page: "/über-uns" }, counts(3)),
        (site, CellKey::Click { hour: now, page: "/", target: "mailto" }, clicks(1)),
    ];
    for (attribute, value) in [(Attribute::Source, "(direct)"), (Attribute::Country, "SE")] {
        cells.push((site, CellKey::Attribute { day: now.day(), attribute, value }, counts(9)));
    }
    cells
}

/// Ten visitors a day, of whom those of today have not left the edge: there is no crowd of them yet.
fn quiet(now: Hour) -> Vec<Cell<'static>> {
    let site = "quiet.example";
    let values = [
        (Attribute::Source, &[("(direct)", 60), ("duckduckgo.com", 20), ("lobste.rs", 20)][..]),
        (Attribute::Country, &[("SE", 50), ("DE", 15), ("GB", 15), ("US", 10), ("NO", 10)]),
        (Attribute::Device, &[("desktop", 60), ("mobile", 40)]),
        (Attribute::Browser, &[("Firefox", 40), ("Chrome", 40), ("Safari", 20)]),
        (Attribute::Os, &[("Linux", 40), ("Windows", 30), ("iOS", 30)]),
        (Attribute::UtmSource, &[("(none)", 100)]),
        (Attribute::UtmMedium, &[("(none)", 100)]),
        (Attribute::UtmCampaign, &[("(none)", 100)]),
    ];
    let mut dice = Dice(10);
    let mut cells = Vec::new();
    for back in 0..DAYS {
        let day = now.day().minus(back);
        let hour = if back == 0 { now } else { day.first_hour() };
        let came = if back == 0 { 5 } else { 10 };
        let counts =
            |visitors| Counts { views: 2 * visitors, visitors, visits: visitors, ..Counts::ZERO };
        cells.push((site, CellKey::Site { hour }, counts(came)));
        cells.push((site, CellKey::Page { hour, page: "/" }, counts(came)));
        for (attribute, values) in values.iter().filter(|_| back > 0) {
            for _ in 0..came {
                let mut left = dice.below(100);
                let hit = values.iter().find(|(_, share)| {
                    let is_hit = left < *share;
                    left = left.saturating_sub(*share);
                    is_hit
                });
                let (value, _) = hit.unwrap();
                let key = CellKey::Attribute { day, attribute: *attribute, value: *value };
                cells.push((site, key, counts(1)));
            }
        }
    }
    cells
}

fn large(now: Hour) -> Vec<Cell<'static>> {
    let site = "large.example";
    let pages = [
        "/",
        "/prices",
        "/blog/how-we-count",
        "/docs/install",
        "/docs/api",
        "/about",
        "/contact",
        "/blog/why-no-cookies",
        "/docs/:id/edit",
        "/käse",
        "/changelog",
        "/jobs",
        "(other)",
    ];
    let values = [
        (
            Attribute::Source,
            &[
                "(direct)",
                "duckduckgo.com",
                "(internal)",
                "news.ycombinator.com",
                "lobste.rs",
                "(other)",
            ][..],
        ),
        (
            Attribute::Country,
            &["SE", "DE", "GB", "US", "JP", "NO", "FI", "FR", "(unknown)", "NL", "PL", "BR"],
        ),
        (Attribute::Device, &["desktop", "mobile", "tablet"]),
        (Attribute::Browser, &["Firefox", "Chrome", "Safari", "Edge"]),
        (Attribute::Os, &["Linux", "Windows", "Android", "iOS", "macOS"]),
        (Attribute::UtmSource, &["(none)", "newsletter"]),
        (Attribute::UtmMedium, &["(none)", "email"]),
        (Attribute::UtmCampaign, &["(none)", "autumn-2026"]),
    ];
    let mut dice = Dice(4);
    let mut cells = Vec::new();
    for back in 0..DAYS {
        let day = now.day().minus(back);
        for hour in (day.first_hour().0..=day.last_hour().0.min(now.0)).map(Hour) {
            let wave = 15 - u64::from(hour.of_day().abs_diff(14));
            for (at, page) in (1..).zip(pages) {
                let views = (dice.below(9) + 1) * wave / at;
                cells.push((site, CellKey::Page { hour, page }, counts(views)));
                cells.push((
                    site,
                    CellKey::Site { hour },
                    Counts { clicks: views / 9, ..counts(views) },
                ));
                let target =
                    ["ext:github.com", "mailto", "signup"][usize::try_from(at).unwrap() % 3];
                cells.push((site, CellKey::Click { hour, page, target }, clicks(views / 9)));
            }
        }
        cells.extend(values_of(day, &values, &mut dice));
        let refusals = [RefusalReason::Gpc, RefusalReason::Robot, RefusalReason::Prefetch];
        for (at, reason) in (1..).zip(refusals) {
            let refused = Counts { refused: 40 * at, ..Counts::ZERO };
            cells.push((site, CellKey::Refusal { day, reason }, refused));
        }
    }
    cells
}

fn values_of(
    day: Day,
    values: &[(Attribute, &'static [&'static str])],
    dice: &mut Dice,
) -> Vec<Cell<'static>> {
    let of_attribute = |(attribute, names): &(Attribute, &'static [&'static str])| {
        let cell = |(at, value): (u64, &&'static str)| {
            let key = CellKey::Attribute { day, attribute: *attribute, value: *value };
            ("large.example", key, counts((dice.below(40) + 900) / (at * at)))
        };
        (1..).zip(names.iter()).map(cell).collect::<Vec<_>>()
    };
    values.iter().flat_map(of_attribute).collect()
}
