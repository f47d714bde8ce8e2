//! Visitors of closed days with noise, as they are published, and what that means in words.
//!
//! What it is not: the drawing ([`crate::noise`]), nor the keeping of draws.
//!
//! What surprises: the meaning goes with every form, because a number with noise that looks like a
//! count is a wrong number.

use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use serde_json::json;

use crate::noise::{Epsilon, error_of_sum};
use crate::terminal::Format;
use crate::text::json_text;

/// The version of the JSON.
const FORMAT_VERSION: u32 = 1;
/// Days of a year, for what many days tell together.
const YEAR: u32 = 365;

/// A published number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoisyDay {
    /// The UTC day.
    pub day: Day,
    /// Its visitors with noise.
    pub visitors: i64,
    /// The noise.
    pub epsilon: Epsilon,
}

/// Days of a site in a format, ending in a line break.
pub fn show(format: Format, site: &SiteHost, days: &[NoisyDay]) -> String {
    match format {
        Format::Table => table(site, days),
        Format::Csv => csv(site, days),
        Format::Json => json(site, days),
    }
}

/// What the numbers mean, a sentence or two each; empty without days.
pub fn meaning(days: &[NoisyDay]) -> Vec<String> {
    let Some(loosest) = days.iter().map(|day| day.epsilon).max() else { return Vec::new() };
    let finest = days.iter().map(|day| day.epsilon).min().unwrap_or(loosest);
    let epsilon = if finest == loosest {
        format!("epsilon {loosest}")
    } else {
        format!("epsilon {finest} to {loosest}, as each day has it")
    };
    vec![
        format!(
            "To the visitors of each UTC day a random whole number was added (discrete Laplace, \
             {epsilon}): 95 of 100 days are within {} of the count. A day may be below 0; leave it so \
             where days are added up.",
            finest.error()
        ),
        format!(
            "Whoever knows of all others, but not whether one visitor came on a day, learns no more \
             than this from that day's number: to have come makes none more than {:.2} times as \
             likely, or as unlikely. 1 would be nothing.",
            loosest.odds()
        ),
        format!(
            "That is so for one visitor and one day. Who came on each day of a year is guarded by \
             epsilon {} in all, which is next to nothing.",
            loosest.sum(YEAR)
        ),
        "A visitor is a network and a browser, not a person. After a restart of the collector, in an \
         imported log and at a second collector a visitor counts once more, and is then guarded that \
         much less."
            .to_owned(),
        "It holds for these numbers alone. A shared link, an export or a dashboard of the same days \
         tells more. Views and pages are not published in this way: nothing bounds how many of them \
         are one visitor's."
            .to_owned(),
        "Each number was drawn once and is the same whenever it is asked for.".to_owned(),
    ]
}

/// The days added up, and how far that may be off.
fn sum(days: &[NoisyDay]) -> (i64, u64) {
    let sum = days.iter().fold(0_i64, |sum, day| sum.saturating_add(day.visitors));
    (sum, error_of_sum(&days.iter().map(|day| day.epsilon).collect::<Vec<_>>()))
}

fn table(site: &SiteHost, days: &[NoisyDay]) -> String {
    let mut text = format!("{site}, visitors of each UTC day, with noise\n\n");
    let width = days.iter().map(|day| day.visitors.to_string().len()).max().unwrap_or(0);
    for NoisyDay { day, visitors, epsilon } in days {
        text += &format!("{day}  {visitors:>width$}  ± {}\n", epsilon.error());
    }
    let (sum, error) = sum(days);
    text += &format!("\nall {} days  {sum} ± {error}\n\n", days.len());
    for sentence in meaning(days) {
        text += &format!("- {sentence}\n");
    }
    text
}

/// The meaning stands in lines of its own that begin with `#`, above the head.
fn csv(site: &SiteHost, days: &[NoisyDay]) -> String {
    let mut text = format!("# {site}, visitors of each UTC day, with noise\n");
    for sentence in meaning(days) {
        text += &format!("# {sentence}\n");
    }
    text += "day,visitors,error,epsilon\n";
    for NoisyDay { day, visitors, epsilon } in days {
        text += &format!("{day},{visitors},{},{epsilon}\n", epsilon.error());
    }
    text
}

fn json(site: &SiteHost, days: &[NoisyDay]) -> String {
    let (sum, error) = sum(days);
    let day = |NoisyDay { day, visitors, epsilon }: &NoisyDay| {
        json!({
            "day": day.to_string(),
            "visitors": visitors,
            "error": epsilon.error(),
            "epsilon": epsilon.value(),
        })
    };
    let body = json!({
        "version": FORMAT_VERSION,
        "site": site.as_str(),
        "distribution": "discrete Laplace",
        "unit": "visitor-day",
        "days": days.iter().map(day).collect::<Vec<_>>(),
        "sum": { "visitors": sum, "error": error },
        "meaning": meaning(days),
    });
    json_text(&body) + "\n"
}
