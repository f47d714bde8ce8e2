//! Plausible's export: `imported_visitors_….csv` and `imported_pages_….csv` of its zip file.
//!
//! What it is not: its other files. Sources, places and devices are cut differently there.
//!
//! What surprises: the files of sources and places have visitors and views of each day, too, a row
//! for each source. As days of the site they would count it many times over, so a file without
//! pages may have no column that is not the site's.

use headcount_core::cell::Counts;

use super::table::Table;
use super::{About, Read, Row, TotalsError};

pub(super) const NEEDED: &str = "give imported_visitors_….csv or imported_pages_….csv, with \
                                 columns date, visitors and pageviews";

/// The columns of a file of the site's days.
const OF_DAYS: [&str; 6] = ["date", "visitors", "pageviews", "bounces", "visits", "visit_duration"];

pub(super) fn wrote(table: &Table<'_>) -> bool {
    table.has(["date", "visitors"])
}

pub(super) fn read(
    table: &mut Table<'_>,
    take: &mut dyn FnMut(Row<'_>),
) -> Result<Read, TotalsError> {
    let (Some(date), Some(visitors), Some(views)) =
        (table.column(["date"]), table.column(["visitors"]), table.column(["pageviews"]))
    else {
        return Err(TotalsError::Unfit { line: 1, why: NEEDED });
    };
    let (page, visits) = (table.column(["page"]), table.column(["visits"]));
    let is_of_days = || table.head().iter().all(|name| OF_DAYS.contains(&name.as_str()));
    if page.is_none() && !is_of_days() {
        return Err(TotalsError::Unfit { line: 1, why: NEEDED });
    }
    table.each(|line| {
        let hour = line.day(date)?.first_hour();
        let visitors = line.number(visitors)?;
        let visits = visits.map_or(Ok(visitors), |column| line.number(column))?;
        let counts = Counts { views: line.number(views)?, visitors, visits, ..Counts::ZERO };
        let name = page.map(|column| line.text(column));
        let about = name.as_deref().map_or(About::Site, About::Page);
        take(Row { hour, about, counts });
        Ok(())
    })?;
    Ok(Read::default())
}
