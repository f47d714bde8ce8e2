//! What the dashboard's template shows: numbers as text, lists with bars, sentences.
//!
//! What it is not: escaping. The template escapes every text; the only markup made outside of it
//! is the plot, from numbers and our own labels.
//!
//! What surprises: names are hostile text. They appear as text, and as values in links to this
//! same dashboard, never as links to where they point.

use askama::Template;
use headcount_core::campaign::CampaignValue;
use headcount_core::cell::Attribute;
use headcount_core::time::{Day, Hour};
use headcount_store::question::{Books, Metric, TimeBucket};

use super::Page;
use super::gather::{Gathered, HEADLINE};
use super::links::Links;
use super::number::{change, told};
use super::panel::{self, List, RefusedRow};
use super::period::{self, MONTH, PERIODS, href};
use super::plot;
use super::series::{Series, place};
use crate::assets;
use crate::breakdown::Breakdown;
use crate::query::words::metric_column;
use crate::state::Snippet;
use crate::text::{grouped, visible};
use crate::viewer::{SHARE_STEP, Viewer};

/// A link to another view of the dashboard.
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// One large number.
pub(crate) struct Headline {
    pub(crate) label: &'static str,
    pub(crate) href: String,
    pub(crate) current: bool,
    pub(crate) value: String,
    pub(crate) change: Option<String>,
    pub(crate) meaning: &'static str,
}

/// One line of the table behind the plot.
pub(crate) struct Line {
    pub(crate) title: String,
    pub(crate) numbers: Vec<String>,
}

/// The page.
#[derive(Template)]
#[template(path = "dashboard.html")]
pub(crate) struct DashboardPage {
    css: &'static str,
    js: &'static str,
    live: bool,
    is_share: bool,
    share_step: u64,
    site: String,
    sites: Vec<Link>,
    home: String,
    word: &'static str,
    periods: Vec<Link>,
    earlier: Option<String>,
    later: Option<String>,
    title: String,
    zone: String,
    notice: Option<String>,
    from: String,
    to: String,
    oldest: String,
    today: String,
    page: Option<String>,
    page_value: String,
    all_pages: String,
    /// While nothing was ever counted: how to begin.
    snippet: Option<Snippet>,
    headlines: Vec<Headline>,
    metric: &'static str,
    has_before: bool,
    bucket: &'static str,
    wide: String,
    narrow: String,
    lines: Vec<Line>,
    series_csv: String,
    series_json: String,
    lists: Vec<List>,
    sees_refusals: bool,
    refused: Vec<RefusedRow>,
    refused_total: String,
    refused_csv: String,
    refused_json: String,
    books: Result<String, String>,
    visitors_note: String,
    k: u32,
}

impl DashboardPage {
    /// The page of these answers.
    pub(crate) fn new(page: &Page, found: &Gathered) -> Self {
        let Page { viewer, subject, period, bounds, sites, visitors_note, snippet } = page;
        let links = page.links();
        let bucket = subject.bucket();
        let series = Series::of(subject, &found.over_time, viewer);
        let points = series.points(viewer, subject.metric);
        let metric = metric_column(subject.metric);
        let link_of_site = |site: &headcount_core::site::SiteHost| Link {
            text: site.to_string(),
            href: links.site(site),
            current: *site == subject.site,
        };
        let link_of_period = |(word, text): &(&'static str, &'static str)| Link {
            text: (*text).to_owned(),
            href: links.period(word),
            current: period.word == Some(word),
        };
        Self {
            css: assets::css_path(),
            js: assets::js_path(),
            live: subject.range.to >= bounds.today,
            is_share: viewer.is_share(),
            share_step: SHARE_STEP,
            site: subject.site.to_string(),
            sites: sites.iter().map(link_of_site).collect(),
            home: href(&viewer.home(), &[]),
            word: period.word.unwrap_or_default(),
            periods: PERIODS
                .iter()
                .filter(|(word, _)| !viewer.is_share() || *word == MONTH)
                .map(link_of_period)
                .collect(),
            earlier: period.earlier(bounds).map(|days| links.days(days)),
            later: period.later(bounds).map(|days| links.days(days)),
            title: period.title(bounds.today),
            zone: subject.time_zone.name().to_owned(),
            notice: period.notice.clone(),
            from: subject.range.from.to_string(),
            to: subject.range.to.min(bounds.today).to_string(),
            oldest: bounds.oldest.to_string(),
            today: bounds.today.to_string(),
            page: subject.page.as_deref().map(visible),
            page_value: subject.page.clone().unwrap_or_default(),
            all_pages: links.page(None),
            snippet: found.is_new.then(|| snippet.clone()),
            headlines: headlines(&links, &series),
            metric,
            has_before: series.has_before,
            bucket: bucket_name(bucket),
            wide: plot::svg(&points, metric, plot::WIDE),
            narrow: plot::svg(&points, metric, plot::NARROW),
            lines: lines(viewer, &series, subject.metric),
            series_csv: links.export(Breakdown::Time(bucket), "csv"),
            series_json: links.export(Breakdown::Time(bucket), "json"),
            lists: if found.is_new { Vec::new() } else { lists(&links, found) },
            sees_refusals: viewer.sees_refusals(),
            refused: panel::refused(&found.refused),
            refused_total: grouped(found.refused.iter().map(|one| one.refused).sum()),
            refused_csv: links.export(Breakdown::Refused, "csv"),
            refused_json: links.export(Breakdown::Refused, "json"),
            books: books(found.books, bounds.today, viewer),
            visitors_note: visitors_note.clone(),
            k: subject.k,
        }
    }
}

fn headlines(links: &Links<'_>, series: &Series) -> Vec<Headline> {
    let headline = |metric: Metric| {
        let number = |numbers: &[u64; 4]| numbers.get(place(metric)).copied().unwrap_or(0);
        Headline {
            label: metric_column(metric),
            href: links.metric(metric),
            current: links.subject.metric == metric,
            value: told(links.viewer, number(&series.totals)),
            change: series.compared.as_ref().map(|[now, before]| {
                let words = |value| change(links.viewer, links.subject.k, value, number(before));
                let (told, of_all) = (words(number(now)), words(number(&series.totals)));
                // Of a day an hour is much: the large number and the words would contradict each other.
                let is_day = links.subject.range.days() == 1;
                if is_day && told != of_all { format!("without this hour: {told}") } else { told }
            }),
            meaning: match metric {
                Metric::Views => "pages looked at",
                Metric::Visitors => "different visitors of each UTC day, added up",
                Metric::Visits => "views that came from elsewhere",
                Metric::Clicks => "clicks and declared events",
            },
        }
    };
    HEADLINE.into_iter().map(headline).collect()
}

fn lines(viewer: &Viewer, series: &Series, metric: Metric) -> Vec<Line> {
    let told = |number| told(viewer, number);
    let line = |bucket: &super::series::Bucket| {
        let mut numbers: Vec<String> = bucket.numbers.iter().copied().map(told).collect();
        if series.has_before {
            let before = bucket.before.and_then(|before| before.get(place(metric)).copied());
            numbers.push(before.map(told).unwrap_or_default());
        }
        Line { title: bucket.title.clone(), numbers }
    };
    series.buckets.iter().map(line).collect()
}

fn bucket_name(bucket: TimeBucket) -> &'static str {
    match bucket {
        TimeBucket::Hour => "hour",
        TimeBucket::Day => "day",
        TimeBucket::Week => "week",
        TimeBucket::Month => "month",
    }
}

fn lists(links: &Links<'_>, found: &Gathered) -> Vec<List> {
    let mut lists = Vec::new();
    if links.subject.page.is_none() {
        let metrics = [Metric::Views, Metric::Visitors];
        lists.push(panel::list(links, Breakdown::Page, &metrics, &found.pages));
    }
    for found in &found.attributes {
        lists.push(panel::of_attribute(links, found));
    }
    // Fourth, so that long lists stand beside long ones.
    let targets = panel::list(links, Breakdown::Target, &[Metric::Clicks], &found.targets);
    lists.insert(lists.len().min(3), targets);
    // Most sites have no campaigns: one list says so, three would only be in the way.
    let is_campaign = |list: &List| list.id.starts_with("utm_");
    let has_none = |list: &List| list.rows.iter().all(|row| row.name == CampaignValue::NONE);
    if lists.iter().filter(|list| is_campaign(list)).all(has_none) {
        lists.retain(|list| !is_campaign(list) || list.id == Attribute::UtmCampaign.as_str());
    } else {
        lists.retain(|list| !is_campaign(list) || !has_none(list));
    }
    lists
}

/// The books in one sentence: `Ok` when balanced.
fn books(books: Option<Books>, today: Day, viewer: &Viewer) -> Result<String, String> {
    let Some(books) = books else { return Ok("The books have not been checked yet.".to_owned()) };
    let hour = Hour::of_unix(books.checked_at);
    let clock = format!("{:02}:{:02} UTC", hour.of_day(), books.checked_at / 60 % 60);
    let when = if hour.day() == today {
        clock
    } else {
        format!("{clock} on {}", period::long(hour.day()))
    };
    if books.balanced() {
        return Ok(format!("Books balanced, checked at {when}."));
    }
    if !viewer.is_owner() {
        return Err(format!("The books do not balance. Checked at {when}."));
    }
    let gap = if books.tiled { "" } else { " A batch is missing or was applied twice." };
    let delta = grouped(books.audit_delta);
    Err(format!(
        "The books do not balance: counts and ledger differ by {delta}.{gap} Checked at {when}."
    ))
}
