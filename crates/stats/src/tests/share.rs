//! What a reader of a shared link can work out about a day, whatever addresses they combine.
//!
//! What it is not: about beacons. Who can send them can push a number over its next step.
//!
//! What surprises: the reader is given every answer for every pair of days. Each answer bounds a
//! difference of two sums, and the shortest paths between the sums are all that follows from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_core::time::{Day, Hour};
use headcount_store::question::{Answer, By, PageFilter, Question, Row, TimeBucket};

use super::fake::{Fake, NOW, SHARE, host};
use super::routes::send;
use crate::Stats;
use crate::backend::Backend;
use crate::query::date::{month_after, month_start};
use crate::viewer::{SHARE_STEP, Viewer};

/// Days with counts, up to today: a whole month and a running one.
const DAYS: u32 = 52;
/// More views than there are.
const MANY: i64 = 1_000_000;

/// Views of an hour under a name, which is a page and a country here.
type Views = Arc<dyn Fn(Day, u32, &str) -> u64 + Send + Sync>;

const NAMES: [&str; 3] = ["/a", "/b", "SE"];

fn first_day() -> Day {
    Hour::of_unix(NOW).day().minus(DAYS - 1)
}

/// A store that adds the views up as it is asked.
fn backend(views: &Views) -> Backend {
    let views = Arc::clone(views);
    Backend {
        ask: Arc::new(move |question| Ok(answer(&views, question))),
        ..Fake::default().backend()
    }
}

fn answer(views: &Views, question: &Question) -> Answer {
    let chosen = question.pages.iter().find_map(|filter| match filter {
        PageFilter::Is(pages) => pages.first().map(String::as_str),
        _ => None,
    });
    let mut rows: BTreeMap<(Option<String>, Vec<String>), u64> = BTreeMap::new();
    for day in (question.from.0..=question.to.0).map(Day).filter(|day| *day >= first_day()) {
        for hour in 0..24 {
            let time = question.time.map(|time| match time {
                TimeBucket::Hour => Hour(day.first_hour().0 + hour).to_string(),
                TimeBucket::Day => day.to_string(),
                TimeBucket::Week => day.monday().to_string(),
                TimeBucket::Month => month_start(day, 0).to_string(),
            });
            for name in NAMES.iter().filter(|name| chosen.is_none_or(|chosen| chosen == **name)) {
                let names = match question.by {
                    By::Total => vec![],
                    _ => vec![(*name).to_owned()],
                };
                *rows.entry((time.clone(), names)).or_default() += views(day, hour, name);
            }
        }
    }
    let row =
        |((time, names), views)| Row { time, names, metrics: vec![views; question.metrics.len()] };
    let mut rows: Vec<Row> = rows.into_iter().filter(|(_, views)| *views > 0).map(row).collect();
    rows.sort_by_key(|row| row.time.is_none().then_some(std::cmp::Reverse(row.metrics[0])));
    Answer { rows_total: u64::try_from(rows.len()).expect("few"), rows, folded: 0 }
}

/// What is known of the sums up to each day: at `[from][to]`, the most that lies between them.
struct Known(Vec<Vec<i64>>);

impl Known {
    fn nothing() -> Self {
        let sums = 0..=DAYS;
        let most = |from, to| if from < to { MANY } else { 0 };
        Self(sums.clone().map(|from| sums.clone().map(|to| most(from, to)).collect()).collect())
    }

    /// Between these two days, both included, lie as many views as are shown as `shown`.
    fn learn(&mut self, [from, to]: [Day; 2], shown: u64) {
        let share = Viewer::of_share(host("example.org"), SHARE.to_owned());
        let mut fitting = (0..).skip_while(|n| share.number(*n) < shown);
        let least = fitting.next().expect("a number");
        let most = fitting.take_while(|n| share.number(*n) == shown).last().unwrap_or(least);
        let (from, to) = (place(from), place(to.plus(1)));
        let narrow = |known: &mut i64, bound: i64| *known = bound.min(*known);
        narrow(&mut self.0[from][to], i64::try_from(most).expect("small"));
        narrow(&mut self.0[to][from], -i64::try_from(least).expect("small"));
    }

    /// Least and most of each day, after all that follows.
    fn days(mut self) -> Vec<(i64, i64)> {
        let places = self.0.len();
        for by in 0..places {
            for from in 0..places {
                for to in 0..places {
                    let around = self.0[from][by] + self.0[by][to];
                    self.0[from][to] = around.min(self.0[from][to]);
                }
            }
        }
        (1..places).map(|at| (-self.0[at][at - 1], self.0[at - 1][at])).collect()
    }
}

/// The sum before a day.
fn place(day: Day) -> usize {
    usize::try_from(day.0.saturating_sub(first_day().0).min(DAYS)).expect("small")
}

/// Names and views of a shared file; none where it is refused.
async fn file(stats: &Stats, query: &str) -> Option<Vec<(String, u64)>> {
    let line = format!("GET /share/{SHARE}/export.csv?site=example.org&{query}");
    let got = send(stats, &line, &[], "").await;
    if got.status.as_u16() != 200 {
        assert_eq!(got.status.as_u16(), 400, "{query}: {}", got.text);
        return None;
    }
    let number = |cell: &str| cell.trim_matches('"').parse().expect("a number");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let has_name =
            cells.len() > 4 || query.starts_with("by=page") || query.starts_with("by=country");
        let name = if has_name { cells[0].trim_matches('"').to_owned() } else { String::new() };
        (name, number(cells[usize::from(has_name)]))
    };
    Some(got.text.lines().skip(1).map(row).collect())
}

/// Asks everything about a name (none is the site) and works out its days.
async fn attack(stats: &Stats, name: Option<&str>) -> Vec<(i64, i64)> {
    let mut known = Known::nothing();
    let mut answered = 0;
    let page = name.filter(|name| name.starts_with('/'));
    let chosen = page.map(|page| format!("&page={page}")).unwrap_or_default();
    let list = match (name, page) {
        (None, _) => None,
        (Some(_), Some(_)) => Some("by=page".to_owned()),
        (Some(_), None) => Some("by=country".to_owned()),
    };
    let days: Vec<Day> = (0..DAYS).map(|at| first_day().plus(at)).collect();
    for (at, from) in days.iter().enumerate() {
        // For a name a quarter of the pairs and all that end a month: it is the same code.
        let ends_month =
            |day: &&Day| month_after(**day) == day.plus(1) || **day == days[days.len() - 1];
        let chosen_to = |day: &&Day| name.is_none() || day.0.is_multiple_of(4) || ends_month(day);
        for to in days[at..].iter().filter(chosen_to) {
            let range = format!("&from={from}&to={to}");
            if let Some(list) = &list {
                let found = file(stats, &format!("{list}{range}")).await;
                answered += usize::from(found.is_some());
                for (_, shown) in
                    found.iter().flatten().filter(|(row, _)| Some(row.as_str()) == name)
                {
                    known.learn([*from, *to], *shown);
                }
            }
            if name.is_some() && page.is_none() {
                continue;
            }
            if let Some(found) = file(stats, &format!("by=total{chosen}{range}")).await {
                answered += 1;
                known.learn([*from, *to], found[0].1);
                over_time(stats, &mut known, &format!("{chosen}{range}"), *from).await;
            }
        }
    }
    assert!(answered > 0, "nothing was asked");
    known.days()
}

/// Learns what files over time tell, whose numbers add up from their first day on.
async fn over_time(stats: &Stats, known: &mut Known, rest: &str, from: Day) {
    for by in ["hour", "day", "week", "month"] {
        let found = file(stats, &format!("by={by}{rest}")).await.expect("the total was answered");
        let mut sum = 0;
        for (at, (label, shown)) in found.iter().enumerate() {
            sum += shown;
            let last = found.get(at + 1).map_or(label, |(next, _)| next);
            let day = |label: &str| label.get(..10).and_then(Day::parse).expect("a day");
            if by == "day" || (by == "hour" && day(last) != day(label)) {
                known.learn([from, day(label)], sum);
            }
        }
    }
}

/// Runs the attack on these views.
async fn check(views: Views) {
    let stats = Fake::default().stats_over(backend(&views));
    for name in [None, Some("/a"), Some("SE")] {
        let found = attack(&stats, name).await;
        for (at, (least, most)) in (0..).zip(found) {
            let day = first_day().plus(at);
            let names = NAMES.iter().filter(|known| name.is_none_or(|name| name == **known));
            let exact: u64 =
                names.map(|name| (0..24).map(|hour| views(day, hour, name)).sum::<u64>()).sum();
            let exact = i64::try_from(exact).expect("small");
            assert!((least..=most).contains(&exact), "{day}: {least} to {most}, not {exact}");
            let values = u64::try_from(most - least + 1).expect("a range");
            assert!(values >= SHARE_STEP, "{day} of {name:?} is known to be {least} to {most}");
        }
    }
}

#[tokio::test]
async fn no_day_is_known_more_closely_than_by_ten_values() {
    check(Arc::new(|day, hour, name| {
        let seed = u64::from(day.0) * 24 + u64::from(hour) + name.len() as u64;
        ((seed * 2_654_435_761) >> 7) % 5 / 4 * (seed % 3)
    }))
    .await;
}

#[tokio::test]
async fn nor_where_each_day_alone_is_left_out() {
    check(Arc::new(|_, hour, _| u64::from(hour % 8 == 0))).await;
}

#[tokio::test]
async fn a_shared_view_is_one_month_and_begins_with_a_whole_one() {
    let stats = Fake::default().stats();
    let get =
        async |rest: &str| send(&stats, &format!("GET /share/{SHARE}{rest}"), &[], "").await.text;
    let notice = "A shared view shows one whole month";
    for (query, title, noted) in [
        ("", "1 Nov 2026 to 21 Nov 2026", false),
        ("?period=month", "1 Nov 2026 to 21 Nov 2026", false),
        ("?period=day", "1 Nov 2026 to 21 Nov 2026", true),
        ("?from=2026-10-01&to=2026-10-31", "1 Oct 2026 to 31 Oct 2026", false),
        ("?from=2026-10-02&to=2026-10-31", "1 Oct 2026 to 31 Oct 2026", true),
        ("?from=2026-09-30&to=2026-10-31", "1 Sep 2026 to 30 Sep 2026", true),
        ("?from=2020-01-01", "1 Dec 2025 to 31 Dec 2025", true),
        ("?to=2030-01-01", "1 Nov 2026 to 21 Nov 2026", true),
    ] {
        let html = get(query).await;
        assert!(html.contains(title), "{query}");
        assert_eq!(html.contains(notice), noted, "{query}");
    }
    // Retention leaves nine days of November 2025: they are no beginning.
    let first = get("?from=2025-12-01&to=2025-12-31").await;
    assert!(!first.contains("aria-label=\"Earlier\"") && first.contains("aria-label=\"Later\""));
    let october = get("?from=2026-10-01&to=2026-10-31").await;
    for link in ["from=2026-09-01&#38;to=2026-09-30", "from=2026-11-01&#38;to=2026-11-21"] {
        assert!(october.contains(link), "{link}");
    }
    assert!(!october.contains("id=\"from\""), "no other days are offered");
}
