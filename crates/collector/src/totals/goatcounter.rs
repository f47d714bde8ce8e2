//! GoatCounter's CSV export, which its settings and `goatcounter db` give, mostly as gzip.
//!
//! What it is not: a look at the visits. Four columns of fourteen are read: when, which page,
//! whether it was an event, whether a robot.
//!
//! What surprises: the number of the format stands before the name of the first column: `2Path`.

use super::table::{Column, Line, Table};
use super::{Read, Row, TotalsError};

pub(super) const NEEDED: &str = "give its CSV export, with columns Path, Event, Bot and Date";
const VERSION: &str = "a version of GoatCounter's CSV that is not known here; 1 and 2 are";
/// The first column in every version that is read.
const PATHS: [&str; 2] = ["2Path", "1Path"];

pub(super) fn wrote(table: &Table<'_>) -> bool {
    let first = table.head().first().map_or("", String::as_str);
    let name = first.trim_start_matches(|letter: char| letter.is_ascii_digit());
    name == "Path" && name != first
}

pub(super) fn read(
    table: &mut Table<'_>,
    take: &mut dyn FnMut(Row<'_>),
) -> Result<Read, TotalsError> {
    let unfit = |why| TotalsError::Unfit { line: 1, why };
    let page = table.column(PATHS).ok_or(unfit(VERSION))?;
    let (Some(event), Some(time)) = (table.column(["Event"]), table.column(["Date"])) else {
        return Err(unfit(NEEDED));
    };
    let robot = table.column(["Bot"]);
    let mut skipped = 0;
    table.each(|line| {
        let hour = line.hour(time)?;
        if is_yes(line, event)? || line.number_or_none(robot)? != 0 {
            skipped += 1;
        } else {
            take(Row::view(hour, &line.text(page)));
        }
        Ok(())
    })?;
    Ok(Read { skipped, remark: None })
}

/// Go writes truth as SQLite has it, or as PostgreSQL does.
fn is_yes(line: &Line<'_>, column: Column) -> Result<bool, TotalsError> {
    match line.bytes(column) {
        b"1" | b"true" => Ok(true),
        b"0" | b"false" => Ok(false),
        _ => Err(line.is_no(column, "truth such as 0 or 1")),
    }
}
