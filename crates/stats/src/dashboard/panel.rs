//! One list of the dashboard: rows with bars, and a sentence on what is not told apart.
//!
//! What it is not: the list of everything; see [`super::list`].
//!
//! What surprises: `(other)` has two causes. The store folds values with few visitors, and the edge
//! gives that name to what is beyond its limits or was not declared.

use headcount_core::cell::Attribute;
use headcount_core::refusal::RefusalReason;
use headcount_store::question::{Answer, Metric, Refused, Row};

use super::country;
use super::gather::{self, LIST_ROWS, Subject};
use super::links::Links;
use super::number::told;
use super::period::long;
use super::widen::OfAttribute;
use crate::breakdown::Breakdown;
use crate::query::words::metric_column;
use crate::text::{grouped, visible};

/// The name of what is not told apart.
pub(crate) const OTHER: &str = "(other)";

/// Instead of rows, where there were views and none of their values may be told yet.
pub(crate) const WITHHELD: &str = "Nothing is told apart yet: a value is shown once enough visitors are among \
    them, or after the UTC day is over.";

/// One row of a list.
pub(crate) struct ListRow {
    pub(crate) mark: String,
    pub(crate) name: String,
    pub(crate) href: Option<String>,
    /// Tenths of a percent of the longest bar; none for what is not told apart: a sum of many small
    /// values is no length to compare a value with.
    pub(crate) bar: Option<u64>,
    pub(crate) numbers: Vec<String>,
}

/// One list with its notes.
pub(crate) struct List {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) column: &'static str,
    pub(crate) numbers: Vec<&'static str>,
    pub(crate) rows: Vec<ListRow>,
    /// What stands there instead of rows.
    pub(crate) empty: &'static str,
    /// The period of the list, where it is not the chosen one, and the list of that.
    pub(crate) wider: Option<[String; 2]>,
    /// How the link to the whole list is called, and where it goes.
    pub(crate) all: [String; 2],
    pub(crate) other: Option<String>,
    pub(crate) csv: String,
    pub(crate) json: String,
}

/// The list of an answer whose rows have these metrics.
pub(crate) fn list(links: &Links<'_>, by: Breakdown, metrics: &[Metric], answer: &Answer) -> List {
    let (title, column) = titles(by);
    let all = if links.viewer.is_share() || answer.rows_total == 0 {
        "All".to_owned()
    } else {
        format!("All {}", grouped(answer.rows_total))
    };
    List {
        id: by.as_str(),
        title,
        column,
        numbers: metrics.iter().map(|metric| metric_column(*metric)).collect(),
        rows: rows(links, by, answer.rows.get(..LIST_ROWS as usize).unwrap_or(&answer.rows)),
        empty: "Nothing to show in this period.",
        wider: None,
        all: [all, links.list(by, "", 1)],
        other: other(links, by, answer),
        csv: links.export(by, "csv"),
        json: links.export(by, "json"),
    }
}

/// The list of an attribute, in the period that it was asked for.
pub(crate) fn of_attribute(links: &Links<'_>, found: &OfAttribute) -> List {
    let OfAttribute { attribute, answer, wider, is_withheld } = found;
    let by = Breakdown::Attribute(*attribute);
    let Some(period) = wider else {
        let list = list(links, by, gather::metrics(*attribute), answer);
        let empty = if *is_withheld { WITHHELD } else { list.empty };
        return List { empty, ..list };
    };
    let subject = Subject { range: period.range, ..links.subject.clone() };
    let of_period = Links { subject: &subject, period, ..*links };
    let list = list(&of_period, by, gather::metrics(*attribute), answer);
    let [from, to] = [period.range.from, period.range.to].map(long);
    List { wider: Some([format!("{from} to {to}"), links.list(by, "", 1)]), ..list }
}

/// Whether a row is what is not told apart.
pub(crate) fn is_other(row: &Row) -> bool {
    row.names.first().is_some_and(|name| name == OTHER)
}

/// Rows as they are shown: names made visible, countries named, pages linked, and what is not told
/// apart below the others.
pub(crate) fn rows(links: &Links<'_>, by: Breakdown, rows: &[Row]) -> Vec<ListRow> {
    let (others, named): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| is_other(row));
    let largest = named.iter().filter_map(|row| row.metrics.first()).max().copied().unwrap_or(0);
    let bar = |value: u64| u64::try_from(u128::from(value) * 1_000 / u128::from(largest.max(1)));
    let shown = |row: &&Row| {
        let name = row.names.first().map_or("", String::as_str);
        let country =
            (by == Breakdown::Attribute(Attribute::Country)).then(|| country::name(name)).flatten();
        let is_page = by == Breakdown::Page && name != OTHER;
        ListRow {
            mark: country.map(|_| name.to_owned()).unwrap_or_default(),
            name: country.map_or_else(|| visible(name), str::to_owned),
            href: is_page.then(|| links.page(Some(name))),
            bar: bar(row.metrics.first().copied().unwrap_or(0)).ok().filter(|_| !is_other(row)),
            numbers: row.metrics.iter().map(|number| told(links.viewer, *number)).collect(),
        }
    };
    named.iter().chain(&others).map(shown).collect()
}

/// What is in `(other)`, and why; none where nothing is.
pub(crate) fn other(links: &Links<'_>, by: Breakdown, answer: &Answer) -> Option<String> {
    if !answer.rows.iter().any(is_other) && answer.folded == 0 {
        return None;
    }
    let k = links.subject.k;
    let edge = match by {
        Breakdown::Page => "pages beyond the limit of names of a day",
        Breakdown::Target => {
            "events that are not declared, targets that are no web address, and those beyond the \
             limit of names of a day"
        }
        Breakdown::Attribute(Attribute::Source) => {
            "referrers that are no website, and those beyond the limit of names of a day"
        }
        _ => "what the edge does not tell apart",
    };
    let few = format!("values with fewer than {k} visitors");
    let folded = grouped(answer.folded);
    let days = match by {
        Breakdown::Attribute(_) if k > 1 => format!(
            "what fewer than {} visitors of a UTC day had{}, and ",
            links.subject.k_day,
            if links.subject.hours { "" } else { ", all of a day until two hours after its end" }
        ),
        _ => String::new(),
    };
    let edge = days + edge;
    let may_fold = matches!(by, Breakdown::Attribute(_));
    Some(match answer.folded {
        0 if !may_fold => format!("(other) holds {edge}."),
        0 if links.viewer.is_share() => {
            format!("(other) holds {edge}, and there may be {few} in it.")
        }
        _ if links.viewer.is_share() => {
            format!("(other) holds {folded} or some more {few}, and {edge}.")
        }
        0 => format!("(other) holds {edge}."),
        1 => format!("(other) holds 1 value with fewer than {k} visitors, and {edge}."),
        _ => {
            format!("(other) holds {folded} {few}, so that nobody is found among few, and {edge}.")
        }
    })
}

/// The title of a list and of its first column.
pub(crate) fn titles(by: Breakdown) -> (&'static str, &'static str) {
    match by {
        Breakdown::Target => ("Click targets", "target"),
        Breakdown::Attribute(Attribute::Source) => ("Sources", "source"),
        Breakdown::Attribute(Attribute::Country) => ("Countries", "country"),
        Breakdown::Attribute(Attribute::Device) => ("Devices", "device"),
        Breakdown::Attribute(Attribute::Browser) => ("Browsers", "browser"),
        Breakdown::Attribute(Attribute::Os) => ("Systems", "system"),
        Breakdown::Attribute(Attribute::UtmSource) => ("Campaign sources", "utm_source"),
        Breakdown::Attribute(Attribute::UtmMedium) => ("Campaign media", "utm_medium"),
        Breakdown::Attribute(Attribute::UtmCampaign) => ("Campaigns", "utm_campaign"),
        _ => ("Pages", "page"),
    }
}

/// Refused hits of one reason.
pub(crate) struct RefusedRow {
    pub(crate) meaning: &'static str,
    pub(crate) refused: String,
}

/// The refusals that there were.
pub(crate) fn refused(refused: &[Refused]) -> Vec<RefusedRow> {
    let row =
        |one: &Refused| RefusedRow { meaning: meaning(&one.reason), refused: grouped(one.refused) };
    refused.iter().filter(|one| one.refused > 0).map(row).collect()
}

/// A reason in plain words.
fn meaning(word: &str) -> &'static str {
    match RefusalReason::ALL.into_iter().find(|known| known.as_str() == word) {
        Some(RefusalReason::Gpc) => "The browser asked for privacy (Global Privacy Control).",
        Some(RefusalReason::Dnt) => "The browser asked not to be tracked (Do Not Track).",
        Some(RefusalReason::Prefetch) => {
            "The browser loaded the page ahead; nobody was reading it yet."
        }
        Some(RefusalReason::Robot) => "A robot, by its own word.",
        Some(RefusalReason::Origin) => "It came from a page that does not belong to this site.",
        Some(RefusalReason::Rate) => "Too many hits in a short time from one network.",
        Some(RefusalReason::NoPage) => "It did not say which page it was about.",
        None => "For a reason that this version does not know.",
    }
}
