//! `headcount publish`: visitors of closed days with noise, for a page that everybody may read.
//!
//! What it is not: an analyst's number. Those are exact and need a token.
//!
//! What surprises: a day is drawn once and kept in the data folder, whatever it is asked for later:
//! the mean of many draws would be the count. Days without a visitor are drawn, too; which days have a
//! number must not depend on who came.

use anyhow::bail;
use headcount_core::site::SiteHost;
use headcount_core::time::{Clock as _, Day};
use headcount_stats::breakdown::Breakdown;
use headcount_stats::noise::{Epsilon, Noise};
use headcount_stats::published::{self, NoisyDay};
use headcount_stats::query::date::{RANGE_DAYS_MAX, Range};
use headcount_stats::terminal::Format;
use headcount_store::control::Published;
use headcount_store::question::{Metric, TimeBucket};

use crate::cli::PublishArgs;
use crate::commands::{Numbers, control, is_known, say, unless_reader_left};
use crate::config::{self, ConfigError};
use crate::wall_clock::WallClock;

/// Days that are printed if none are asked for.
const DAYS: u32 = 30;

/// Draws what was not drawn yet, and prints all of it.
///
/// # Errors
/// [`ConfigError`] for what is no day, epsilon or format; else a sentence with what to do.
pub(crate) fn run(args: &PublishArgs) -> anyhow::Result<()> {
    let host = config::host("HOST", &args.host)?;
    let usage = |text: String| ConfigError(text);
    let format = Format::parse(&args.format).ok_or_else(|| {
        usage(format!("--format {}: one of table, json, csv is needed", args.format))
    })?;
    let epsilon: Epsilon = args
        .epsilon
        .parse()
        .map_err(|error| usage(format!("--epsilon {}: {error}", args.epsilon)))?;
    let (config, mut control) = control(&args.data)?;
    let numbers = Numbers::open(&config)?;
    if !is_known(&host, &config, Some(&control))? || control.tombstones()?.contains(&host) {
        bail!("{host} is no site here; see: headcount site list");
    }
    let oldest = WallClock.hour().day().oldest_kept(config.retention_days);
    let range = range(args, [oldest, numbers.closed_before()?])?;
    let known = control.published(&host, [range.from, range.to])?;
    if known.len() < range.days() as usize {
        if !config.visitors {
            let text = "visitors = \"off\": there is no count of visitors, and noise alone is not \
                        published";
            return Err(ConfigError(text.to_owned()).into());
        }
        let drawn = draw(&numbers, &host, range, (&known, epsilon))?;
        control.publish(&host, &drawn)?;
    }
    let days = control
        .published(&host, [range.from, range.to])?
        .into_iter()
        .map(|Published { day, visitors, epsilon }| {
            Ok(NoisyDay { day, visitors, epsilon: Epsilon::of_thousandths(epsilon)? })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    unless_reader_left(say(&published::show(format, &host, &days)))
}

/// The days that are asked for: kept, and closed.
fn range(args: &PublishArgs, [oldest, open]: [Day; 2]) -> anyhow::Result<Range> {
    let last = open.minus(1);
    if open <= oldest {
        bail!(
            "no day is closed yet: a day can be published when `headcount up` has closed it, two \
             hours after its end (UTC). With k_day = 1 no day is closed"
        );
    }
    let day = |flag: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Day::parse(text)
            .map(Some)
            .ok_or_else(|| ConfigError(format!("{flag} {text}: a day such as {last} is needed"))),
    };
    let to = day("--to", &args.to)?.unwrap_or(last);
    let wrong = |text: String| Err(ConfigError(text).into());
    if to < oldest {
        return wrong(format!("--to {to}: the oldest day that is kept is {oldest}"));
    }
    let from = day("--from", &args.from)?.unwrap_or_else(|| to.minus(DAYS - 1).max(oldest));
    let range = Range { from, to, narrowed: false };
    if from > to {
        return wrong(format!("--from {from}: is after --to {to}"));
    }
    if to > last {
        return wrong(format!("--to {to}: the last day that is closed is {last}"));
    }
    if from < oldest {
        return wrong(format!("--from {from}: the oldest day that is kept is {oldest}"));
    }
    if range.days() > RANGE_DAYS_MAX {
        return wrong(format!("--from {from}: at most {RANGE_DAYS_MAX} days at once"));
    }
    Ok(range)
}

/// Draws the days of a range that are not known.
fn draw(
    numbers: &Numbers,
    host: &SiteHost,
    range: Range,
    (known, epsilon): (&[Published], Epsilon),
) -> anyhow::Result<Vec<Published>> {
    let by_day = Breakdown::Time(TimeBucket::Day);
    let Some(question) = by_day.question(host, range, 0, RANGE_DAYS_MAX) else {
        bail!("days cannot be asked for");
    };
    let Some(at) = question.metrics.iter().position(|metric| *metric == Metric::Visitors) else {
        bail!("visitors are not among the numbers of a day");
    };
    let answer = numbers.ask(&question)?;
    let mut noise = Noise::new()?;
    let mut drawn = Vec::new();
    let is_new = |day: &Day| known.iter().all(|known| known.day != *day);
    for day in (range.from.0..=range.to.0).map(Day).filter(is_new) {
        let label = day.to_string();
        let row = answer.rows.iter().find(|row| row.time.as_deref() == Some(label.as_str()));
        let count = row.and_then(|row| row.metrics.get(at)).copied().unwrap_or(0);
        let visitors = noise.add(count, epsilon)?;
        drawn.push(Published { day, visitors, epsilon: epsilon.thousandths() });
    }
    Ok(drawn)
}
