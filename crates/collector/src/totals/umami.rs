//! Umami's `website_event.csv`, out of the data export of Umami Cloud or out of its table.
//!
//! What it is not: a look at the sessions. Three columns of about forty are read: when, which page,
//! whether it was a view. The website's own id is compared and nothing else.
//!
//! What surprises: the button "Download" of a website gives a zip with sums over a whole period,
//! under `x` and `y`. They have no days and cannot be counted.

use super::table::{Column, Table};
use super::{Read, Row, TotalsError};

pub(super) const NEEDED: &str = "give website_event.csv, with columns created_at, url_path and \
                                 event_type";
const SUMS: &str = "sums without days, of Umami's download button; give website_event.csv of its \
                    data export";
const SEVERAL: &str = "another website_id than before; give the rows of one website only";
/// The type of a view; 2 are events, 3 and 4 links and pixels without a page, 5 measured times.
const VIEW: u64 = 1;

pub(super) fn wrote(table: &Table<'_>) -> bool {
    table.has(["website_id", "session_id"])
        || table.has(["url_path", "created_at"])
        || matches!(table.head(), [x, y] if x == "x" && y == "y")
}

pub(super) fn read(
    table: &mut Table<'_>,
    take: &mut dyn FnMut(Row<'_>),
) -> Result<Read, TotalsError> {
    let (Some(time), Some(page), Some(kind)) =
        (table.column(["created_at"]), table.column(["url_path"]), table.column(["event_type"]))
    else {
        let why = if table.has(["x"]) { SUMS } else { NEEDED };
        return Err(TotalsError::Unfit { line: 1, why });
    };
    let mut website = table.column(["website_id"]).map(|column| Website { column, id: None });
    let mut skipped = 0;
    table.each(|line| {
        if let Some(website) = &mut website
            && !website.is_same(line.bytes(website.column))
        {
            return Err(line.unfit(SEVERAL));
        }
        let hour = line.hour(time)?;
        if line.number(kind)? == VIEW {
            take(Row::view(hour, &line.text(page)));
        } else {
            skipped += 1;
        }
        Ok(())
    })?;
    Ok(Read { skipped, remark: None })
}

/// The website whose rows these are.
struct Website {
    column: Column,
    id: Option<Vec<u8>>,
}

impl Website {
    fn is_same(&mut self, id: &[u8]) -> bool {
        self.id.get_or_insert_with(|| id.to_vec()) == id
    }
}
