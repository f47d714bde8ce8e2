//! Matomo's reports as CSV, day by day: `API.get` or `VisitsSummary.get` of the site, and
//! `Actions.getPageUrls` of its pages.
//!
//! What it is not: its other reports, nor its log of visits (`Live.getLastVisitsDetails`).
//!
//! What surprises: a label is not a page. `index` is the front page and `docs` may be a folder with
//! all that is below it, so pages are taken from their addresses, and folders are refused.

use std::borrow::Cow;

use headcount_core::cell::Counts;

use super::table::{Column, Line, Table};
use super::{About, Read, Row, TotalsError};

pub(super) const NEEDED: &str = "give API.get or Actions.getPageUrls with format=CSV, period=day, \
                                 date=FIRST,LAST, flat=1, filter_limit=-1 and \
                                 translateColumnNames=0";
const DAYS: &str = "no column date; export several days at once: period=day and date=FIRST,LAST";
const SITES: &str = "a list of sites or of visits; give a report of one site, by its idSite";
const PAGES: &str = "not the report of page URLs; give Actions.getPageUrls, with its metadata";
const FOLDERS: &str = "a folder, not a page; export with flat=1";
const ACTIONS: &str =
    "views are Matomo's actions, so downloads and outlinks, too; API.get has views";

pub(super) fn wrote(table: &Table<'_>) -> bool {
    let is_matomos = |name: &String| name.starts_with("nb_") || name.starts_with("metadata_");
    let has = |name| table.has([name]);
    table.head().iter().any(is_matomos)
        || ["Unique visitors", "Label", "idSite"].into_iter().any(has)
}

pub(super) fn read(
    table: &mut Table<'_>,
    take: &mut dyn FnMut(Row<'_>),
) -> Result<Read, TotalsError> {
    if table.has(["idSite"]) {
        return Err(TotalsError::Unfit { line: 1, why: SITES });
    }
    let date = table.column(["date", "Date"]).ok_or(TotalsError::Unfit { line: 1, why: DAYS })?;
    if table.column(["label", "Label"]).is_some() {
        pages(table, date, take)
    } else {
        site(table, date, take)
    }
}

fn site(
    table: &mut Table<'_>,
    date: Column,
    take: &mut dyn FnMut(Row<'_>),
) -> Result<Read, TotalsError> {
    let views = table.column(["nb_pageviews", "Pageviews"]);
    let actions = table.column(["nb_actions", "Actions"]);
    let (Some(counted), Some(visits)) = (views.or(actions), table.column(["nb_visits", "Visits"]))
    else {
        return Err(TotalsError::Unfit { line: 1, why: NEEDED });
    };
    let visitors = table.column(["nb_uniq_visitors", "Unique visitors"]);
    table.each(|line| {
        let counts = counts(line, (counted, visitors, visits))?;
        take(Row { hour: line.day(date)?.first_hour(), about: About::Site, counts });
        Ok(())
    })?;
    Ok(Read { skipped: 0, remark: views.is_none().then_some(ACTIONS) })
}

fn pages(
    table: &mut Table<'_>,
    date: Column,
    take: &mut dyn FnMut(Row<'_>),
) -> Result<Read, TotalsError> {
    let (Some(url), Some(views), Some(visits)) = (
        table.column(["metadata_url", "Metadata: url"]),
        table.column(["nb_hits", "Pageviews"]),
        table.column(["nb_visits", "Unique Pageviews"]),
    ) else {
        return Err(TotalsError::Unfit { line: 1, why: PAGES });
    };
    let visitors = table.column(["nb_uniq_visitors", "Unique visitors"]);
    let segment = table.column(["metadata_segment", "Metadata: segment"]);
    let aggregate = table.column(["metadata_is_aggregate", "Metadata: is_aggregate"]);
    let mut skipped = 0;
    table.each(|line| {
        if line.number_or_none(aggregate)? != 0 {
            skipped += 1;
            return Ok(());
        }
        refuse_others(segment.map_or(b"", |column| line.bytes(column)), line)?;
        let counts = counts(line, (views, visitors, visits))?;
        let url = address(line.text(url));
        let about = url.as_deref().map_or(About::Other, About::Page);
        take(Row { hour: line.day(date)?.first_hour(), about, counts });
        Ok(())
    })?;
    Ok(Read { skipped, remark: None })
}

/// A row says what it is about as a condition: `pageUrl==…`, or `pageUrl=^…` of a folder.
fn refuse_others(segment: &[u8], line: &Line<'_>) -> Result<(), TotalsError> {
    if segment.is_empty() || segment.starts_with(b"pageUrl==") {
        Ok(())
    } else if segment.starts_with(b"pageUrl=^") {
        Err(line.unfit(FOLDERS))
    } else {
        Err(line.unfit(PAGES))
    }
}

/// An address without a scheme begins with its host.
fn address(url: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if url.is_empty() {
        None
    } else if url.starts_with('/') || url.contains("://") {
        Some(url)
    } else {
        Some(Cow::Owned(format!("//{url}")))
    }
}

fn counts(
    line: &Line<'_>,
    (views, visitors, visits): (Column, Option<Column>, Column),
) -> Result<Counts, TotalsError> {
    Ok(Counts {
        views: line.number(views)?,
        visitors: line.number_or_none(visitors)?,
        visits: line.number(visits)?,
        ..Counts::ZERO
    })
}
