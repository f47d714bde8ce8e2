//! How small the cells of closed days are, as a report tells it.
//!
//! What it is not: the close itself, or folding in answers.
//!
//! What surprises: a table without visitors is measured in visits, as the close does.

use super::*;
use crate::shape::{SmallCells, small_cells};

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
    let found = SmallCells { named: 3, smallest: Some(3), below: 0, folded: 1 };
    assert_eq!(look(3), found);
    // Another threshold than the one of the close.
    assert_eq!(look(7), SmallCells { below: 2, ..found });
    // A day that was closed by nobody's threshold.
    writer.note_closed(Day(day + 2));
    assert_eq!(look(3), SmallCells { named: 4, smallest: Some(1), below: 1, folded: 1 });
}
