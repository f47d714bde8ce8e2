//! How small the cells of closed days are, as a report tells it.
//!
//! What it is not: the close itself, or folding in answers.
//!
//! What surprises: a table without visitors is measured in visits, as the close does.

use super::*;
use crate::shape::{SmallCells, Taken, small_cells, taken};

#[test]
fn cells_of_closed_days_are_told_as_counts() {
    let (place, day) = (Place::new(), FIRST_DAY);
    let mut writer = place.writer();
    let look = |k| small_cells(&place.path(), k).unwrap();
    assert_eq!(look(3), SmallCells::default(), "nothing is there");
    let cells = [
        source("a.example", day, "large.example", 9),
        source("a.example", day, "/a", 6),
        source("a.example", day, "one.example", 1),
        source("a.example", day, "two.example", 2),
        source("b.example", day, "/a", 3),
        source("b.example", day + 1, "one.example", 1),
    ];
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    assert_eq!(look(3), SmallCells::default(), "no day is closed");
    writer.close_before(Day(day + 1), 3).unwrap();
    let found = SmallCells {
        named: 3,
        smallest: Some(3),
        below: 0,
        folded: 1,
        sites: 2,
        ..SmallCells::default()
    };
    assert_eq!(look(3), found);
    // Another threshold than the one of the close.
    assert_eq!(look(7), SmallCells { below: 2, ..found });
    // A day that was closed by nobody's threshold.
    writer.note_closed(Day(day + 2));
    assert_eq!(look(3), SmallCells { named: 4, smallest: Some(1), below: 1, ..found });
}

#[test]
fn a_site_is_small_where_most_of_its_countries_lost_their_names() {
    let (place, day) = (Place::new(), FIRST_DAY);
    let mut writer = place.writer();
    let cells = [
        // Eight of ten visitors from a named country, and seven of nine.
        country("a.example", day, "SE", 8),
        country("a.example", day, "(other)", 2),
        country("b.example", day, "SE", 7),
        country("b.example", day, "(other)", 2),
        source("c.example", day, "large.example", 9),
    ];
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    writer.note_closed(Day(day + 1));
    let found = small_cells(&place.path(), 3).unwrap();
    assert_eq!((found.sites, found.unusable), (3, 1), "{found:?}");
}

#[test]
fn what_the_policy_took_is_told_by_kinds_of_text() {
    let (place, day) = (Place::new(), FIRST_DAY);
    let mut writer = place.writer();
    let hour = Day(day).first_hour();
    let views = |views| Counts { views, ..Counts::ZERO };
    let page = |page, n| ("a.example", CellKey::Page { hour, page }, views(n));
    let click = |target, clicks| {
        ("a.example", CellKey::Click { hour, page: "/", target }, Counts { clicks, ..Counts::ZERO })
    };
    let campaign = |value, n| {
        let attribute = Attribute::UtmSource;
        ("a.example", CellKey::Attribute { day: Day(day), attribute, value }, views(n))
    };
    let cells = [
        page("/a", 10),
        page("/konto/:id", 3),
        page("/:invalid", 2),
        click("/kund/:id", 4),
        click("mailto", 5),
        click("(other)", 1),
        source("a.example", day, "(ip)", 1),
        source("a.example", day, "large.example", 3),
        campaign("(none)", 9),
        campaign("(redacted)", 2),
        campaign("partner", 1),
    ];
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    let row = |kind: &str, [hits, parts, whole]: [u64; 3]| Taken {
        kind: kind.to_owned(),
        hits,
        parts,
        whole,
    };
    let expected = [
        row("page", [15, 3, 2]),
        row("click", [10, 4, 1]),
        row("source", [8, 0, 2]),
        row("utm", [3, 0, 2]),
    ];
    assert_eq!(taken(&place.path()).unwrap(), expected);
    let empty = Place::new();
    drop(empty.writer());
    assert!(taken(&empty.path()).unwrap().iter().all(|it| it.hits == 0));
}
