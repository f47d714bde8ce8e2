//! What the dashboard's template shows: numbers as text, lists with bars, sentences.
//!
//! What it is not: escaping. The template escapes every text; the only markup made outside of it
//! is the plot, from numbers and our own labels.
//!
//! What surprises: names are hostile text. They appear as text, and as values in links to this
//! same dashboard, never as links to where they point.

use askama::Template;
use headcount_core::cell::Attribute;
use headcount_core::refusal::RefusalReason;
use headcount_core::site::SiteHost;
use headcount_core::time::{Day, Hour};
use headcount_store::question::{Answer, Books, Metric, Refused, TimeBucket};

use super::country;
use super::gather::{self, Gathered, HEADLINE, LIST_ROWS, Subject};
use super::period::{self, PERIODS, Period, href};
use super::plot::{self, Point};
use crate::assets;
use crate::breakdown::Breakdown;
use crate::query::date::Bounds;
use crate::query::words::metric_column;
use crate::text::{grouped, visible};

/// What the page is about, besides the numbers.
pub(crate) struct Context {
    pub(crate) subject: Subject,
    pub(crate) period: Period,
    pub(crate) bounds: Bounds,
    pub(crate) sites: Vec<SiteHost>,
    pub(crate) visitors_note: String,
}

/// A link to another view of the dashboard.
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// One large number.
pub(crate) struct Headline {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) meaning: &'static str,
}

/// One row of a list.
pub(crate) struct ListRow {
    pub(crate) mark: String,
    pub(crate) name: String,
    pub(crate) href: Option<String>,
    /// Tenths of a percent of the longest bar.
    pub(crate) bar: u64,
    pub(crate) numbers: Vec<String>,
}

/// One list with its notes.
pub(crate) struct List {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) column: &'static str,
    pub(crate) numbers: Vec<&'static str>,
    pub(crate) rows: Vec<ListRow>,
    pub(crate) more: Option<String>,
    pub(crate) folded: Option<String>,
    pub(crate) csv: String,
}

/// Refused hits of one reason.
pub(crate) struct RefusedRow {
    pub(crate) meaning: &'static str,
    pub(crate) refused: String,
}

/// The page.
#[derive(Template)]
#[template(path = "dashboard.html")]
pub(crate) struct DashboardPage {
    css: &'static str,
    js: &'static str,
    live: bool,
    site: String,
    sites: Vec<Link>,
    word: &'static str,
    periods: Vec<Link>,
    earlier: Option<String>,
    later: Option<String>,
    title: String,
    notice: Option<String>,
    from: String,
    to: String,
    oldest: String,
    today: String,
    page: Option<String>,
    all_pages: String,
    headlines: Vec<Headline>,
    bucket: &'static str,
    wide: String,
    narrow: String,
    points: Vec<[String; 3]>,
    series_csv: String,
    lists: Vec<List>,
    refused: Vec<RefusedRow>,
    refused_total: String,
    books: Result<String, String>,
    visitors_note: String,
    k: u32,
}

impl DashboardPage {
    /// The page of these answers.
    pub(crate) fn new(context: &Context, found: &Gathered) -> Self {
        let Context { subject, period, bounds, sites, visitors_note } = context;
        let links = Links { context };
        let bucket = subject.range.bucket();
        let points = points(subject, &found.series);
        Self {
            css: assets::css_path(),
            js: assets::js_path(),
            live: subject.range.to >= bounds.today,
            site: subject.site.to_string(),
            sites: sites.iter().map(|site| links.site(site)).collect(),
            word: period.word.unwrap_or_default(),
            periods: PERIODS.iter().map(|(word, text)| links.period(word, text)).collect(),
            earlier: period.earlier(bounds).map(|days| links.days(days)),
            later: period.later(bounds).map(|days| links.days(days)),
            title: period.title(bounds.today),
            notice: period.notice.clone(),
            from: subject.range.from.to_string(),
            to: subject.range.to.min(bounds.today).to_string(),
            oldest: bounds.oldest.to_string(),
            today: bounds.today.to_string(),
            page: subject.page.as_deref().map(visible),
            all_pages: links.page(None),
            headlines: headlines(&found.totals),
            bucket: bucket_name(bucket),
            wide: plot::svg(&points, plot::WIDE),
            narrow: plot::svg(&points, plot::NARROW),
            points: points
                .into_iter()
                .map(|point| [point.title, grouped(point.views), grouped(point.visitors)])
                .collect(),
            series_csv: links.csv(Breakdown::Time(bucket)),
            lists: lists(&links, found),
            refused: refused(&found.refused),
            refused_total: grouped(found.refused.iter().map(|one| one.refused).sum()),
            books: books(found.books, bounds.today),
            visitors_note: visitors_note.clone(),
            k: subject.k,
        }
    }
}

/// Makes the page's links: the same view with one thing changed.
struct Links<'a> {
    context: &'a Context,
}

impl Links<'_> {
    fn dashboard(&self, period: &[(&str, &str)], page: Option<&str>) -> String {
        let site = [("site", self.context.subject.site.as_str())];
        let page = page.map(|page| ("page", page));
        href("/", &site.into_iter().chain(period.iter().copied()).chain(page).collect::<Vec<_>>())
    }

    fn own_page(&self) -> Option<&str> {
        self.context.subject.page.as_deref()
    }

    fn site(&self, site: &SiteHost) -> Link {
        let word = self.context.period.word.unwrap_or_default();
        Link {
            text: site.to_string(),
            href: href("/", &[("site", site.as_str()), ("period", word)]),
            current: *site == self.context.subject.site,
        }
    }

    fn period(&self, word: &str, text: &str) -> Link {
        Link {
            text: text.to_owned(),
            href: self.dashboard(&[("period", word)], self.own_page()),
            current: self.context.period.word == Some(word),
        }
    }

    fn days(&self, [from, to]: [Day; 2]) -> String {
        let (from, to) = (from.to_string(), to.to_string());
        self.dashboard(&[("from", &from), ("to", &to)], self.own_page())
    }

    fn page(&self, page: Option<&str>) -> String {
        let range = self.context.subject.range;
        match self.context.period.word {
            Some(word) => self.dashboard(&[("period", word)], page),
            None => {
                let (from, to) = (range.from.to_string(), range.to.to_string());
                self.dashboard(&[("from", &from), ("to", &to)], page)
            }
        }
    }

    fn csv(&self, by: Breakdown) -> String {
        let Subject { site, range, .. } = &self.context.subject;
        let (from, to) = (range.from.to_string(), range.to.to_string());
        let pairs = [("site", site.as_str()), ("by", by.as_str()), ("from", &from), ("to", &to)];
        href("/api/v1/export.csv", &pairs)
    }
}

fn headlines(totals: &Answer) -> Vec<Headline> {
    let numbers = totals.rows.first().map(|row| row.metrics.as_slice()).unwrap_or_default();
    let headline = |(at, metric): (usize, &Metric)| Headline {
        label: metric_column(*metric),
        value: grouped(numbers.get(at).copied().unwrap_or(0)),
        meaning: match metric {
            Metric::Views => "pages looked at",
            Metric::Visitors => "different visitors of each UTC day, added up",
            Metric::Visits => "views that came from elsewhere",
            Metric::Clicks => "clicks and declared events",
        },
    };
    HEADLINE.iter().enumerate().map(headline).collect()
}

fn bucket_name(bucket: TimeBucket) -> &'static str {
    match bucket {
        TimeBucket::Hour => "hour",
        TimeBucket::Day => "day",
        TimeBucket::Week => "week",
        TimeBucket::Month => "month",
    }
}

/// One point for each bucket of the range, also for those without counts.
fn points(subject: &Subject, series: &Answer) -> Vec<Point> {
    let bucket = subject.range.bucket();
    let mut rows = series.rows.iter().peekable();
    let labels = subject.range.labels(bucket);
    let point = |label: String| {
        // Both lists are in order of time, so one pass finds every row.
        let row = rows.next_if(|row| row.time.as_deref() == Some(label.as_str()));
        let number = |at: usize| row.and_then(|row| row.metrics.get(at).copied()).unwrap_or(0);
        let (short, title) = bucket_label(bucket, &label);
        Point { label: short, title, views: number(0), visitors: number(1) }
    };
    labels.into_iter().map(point).collect()
}

/// A bucket for people: short, and in full.
fn bucket_label(bucket: TimeBucket, label: &str) -> (String, String) {
    let day = label.get(..10).and_then(Day::parse).unwrap_or_default();
    let (year, _, number) = day.civil();
    let month = period::month(day);
    match bucket {
        TimeBucket::Hour => {
            let clock = label.get(11..16).unwrap_or_default();
            (clock.to_owned(), format!("{} {clock} UTC", period::long(day)))
        }
        TimeBucket::Day => (format!("{number} {month}"), period::long(day)),
        TimeBucket::Week => (format!("{number} {month}"), format!("week of {}", period::long(day))),
        TimeBucket::Month => (month.to_owned(), format!("{month} {year}")),
    }
}

fn lists(links: &Links<'_>, found: &Gathered) -> Vec<List> {
    let mut lists = Vec::new();
    if links.own_page().is_none() {
        let numbers = vec!["views", "visitors"];
        let mut pages = list(links, Breakdown::Page, numbers, &found.pages);
        for row in &mut pages.rows {
            row.href = Some(links.page(Some(&row.name)));
        }
        lists.push(pages);
    }
    lists.push(list(links, Breakdown::Target, vec!["clicks"], &found.targets));
    for (attribute, answer) in &found.attributes {
        let numbers =
            gather::metrics(*attribute).iter().map(|metric| metric_column(*metric)).collect();
        let mut values = list(links, Breakdown::Attribute(*attribute), numbers, answer);
        if *attribute == Attribute::Country {
            values.rows.iter_mut().for_each(name_country);
        }
        lists.push(values);
    }
    // Most sites have no campaigns: one empty list says so, three would only be in the way.
    let is_campaign = |list: &List| list.id.starts_with("utm_");
    if lists.iter().filter(|list| is_campaign(list)).all(|list| list.rows.is_empty()) {
        lists.retain(|list| !is_campaign(list) || list.id == Attribute::UtmCampaign.as_str());
    } else {
        lists.retain(|list| !is_campaign(list) || !list.rows.is_empty());
    }
    for row in lists.iter_mut().flat_map(|list| &mut list.rows) {
        row.name = visible(&row.name);
    }
    lists
}

fn name_country(row: &mut ListRow) {
    if let Some(name) = country::name(&row.name) {
        row.mark = std::mem::replace(&mut row.name, name.to_owned());
    }
}

fn list(links: &Links<'_>, by: Breakdown, numbers: Vec<&'static str>, answer: &Answer) -> List {
    let largest =
        answer.rows.iter().filter_map(|row| row.metrics.first()).max().copied().unwrap_or(0);
    let bar = |value: u64| u64::try_from(u128::from(value) * 1_000 / u128::from(largest.max(1)));
    let row = |row: &headcount_store::question::Row| ListRow {
        mark: String::new(),
        name: row.names.first().cloned().unwrap_or_default(),
        href: None,
        bar: bar(row.metrics.first().copied().unwrap_or(0)).unwrap_or(0),
        numbers: row.metrics.iter().map(|number| grouped(*number)).collect(),
    };
    let k = links.context.subject.k;
    let (title, column) = titles(by);
    List {
        id: by.as_str(),
        title,
        column,
        numbers,
        rows: answer.rows.iter().map(row).collect(),
        more: (answer.rows_total > u64::from(LIST_ROWS))
            .then(|| format!("{LIST_ROWS} of {} rows.", grouped(answer.rows_total))),
        folded: match answer.folded {
            0 => None,
            1 => Some(format!("1 value with fewer than {k} visitors is in (other).")),
            folded => Some(format!(
                "{} values with fewer than {k} visitors are in (other).",
                grouped(folded)
            )),
        },
        csv: links.csv(by),
    }
}

/// The title of a list and of its first column.
fn titles(by: Breakdown) -> (&'static str, &'static str) {
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

fn refused(refused: &[Refused]) -> Vec<RefusedRow> {
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

/// The books in one sentence: `Ok` when balanced.
fn books(books: Option<Books>, today: Day) -> Result<String, String> {
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
    let gap = if books.tiled { "" } else { " A batch is missing or was applied twice." };
    let delta = grouped(books.audit_delta);
    Err(format!(
        "The books do not balance: counts and ledger differ by {delta}.{gap} Checked at {when}."
    ))
}
