//! Questions: every answer equals a sum by hand, whatever is asked.

use std::time::Duration;

use super::*;
use crate::error::StoreError;
use crate::question::{Answer, By, Metric, Order, OrderKey, PageFilter, Question, Row, TimeBucket};
use crate::zone::{Shift, Zone};

pub(crate) const METRICS: [Metric; 4] =
    [Metric::Views, Metric::Visitors, Metric::Visits, Metric::Clicks];
const ATTRIBUTE: Attribute = Attribute::Source;

pub(crate) fn question(by: By, metrics: &[Metric]) -> Question {
    Question {
        site: host("a.example"),
        from: Day(FIRST_DAY),
        to: Day(FIRST_DAY + DAYS),
        metrics: metrics.to_vec(),
        by,
        time: None,
        zone: Zone::default(),
        pages: Vec::new(),
        order: Vec::new(),
        limit: 1_000,
        offset: 0,
        k: 5,
    }
}

/// Rows as lines: time, names, numbers.
pub(crate) fn lines(answer: &Answer) -> Vec<String> {
    let line = |row: &Row| {
        let time = row.time.iter().cloned();
        let numbers = row.metrics.iter().map(u64::to_string);
        time.chain(row.names.iter().cloned()).chain(numbers).collect::<Vec<_>>().join(" ")
    };
    answer.rows.iter().map(line).collect()
}

/// A store whose days were closed with a threshold of 0: what is asked for decides what is folded.
fn store(cells: &[Cell]) -> (Place, Reader) {
    let place = Place::new();
    let mut writer = place.writer();
    writer.apply(&insert("p-0", 1, cells)).unwrap();
    writer.note_closed(Day(u32::MAX));
    let reader = place.reader();
    (place, reader)
}

/// The day that a cell lies in: of the zone where the cell has an hour.
fn day_of(zone: &Zone, key: &CellKey<&str>) -> Day {
    match key {
        CellKey::Site { hour } | CellKey::Page { hour, .. } | CellKey::Click { hour, .. } => {
            let local = i64::from(hour.0) * 3_600 + i64::from(zone.offset_at(hour.unix_seconds()));
            Day(u32::try_from(local / 86_400).unwrap())
        }
        CellKey::Attribute { day, .. } | CellKey::Refusal { day, .. } => *day,
    }
}

/// The bucket's name, by the calendar alone.
fn time_name(time: TimeBucket, key: &CellKey<&str>, zone: &Zone) -> String {
    let day = day_of(zone, key);
    let (year, month, _) = day.civil();
    match (time, key) {
        (
            TimeBucket::Hour,
            CellKey::Site { hour } | CellKey::Page { hour, .. } | CellKey::Click { hour, .. },
        ) => hour.to_string(),
        (TimeBucket::Hour | TimeBucket::Day, _) => day.to_string(),
        (TimeBucket::Week, _) => {
            (0..7).map(|back| day.minus(back)).find(|it| it.weekday() == 0).unwrap().to_string()
        }
        (TimeBucket::Month, _) => format!("{year:04}-{month:02}-01"),
    }
}

fn passes(filters: &[PageFilter], page: &str) -> bool {
    filters.iter().all(|filter| {
        let (words, exact, wanted) = match filter {
            PageFilter::Is(words) => (words, true, true),
            PageFilter::IsNot(words) => (words, true, false),
            PageFilter::Contains(words) => (words, false, true),
            PageFilter::ContainsNot(words) => (words, false, false),
        };
        let found = words.iter().any(|word| if exact { page == word } else { page.contains(word) });
        found == wanted
    })
}

/// What a cell adds to which row of an answer, without folding; none if it has no part in it.
fn part_of(question: &Question, (site, key, counts): &Cell) -> Option<(Vec<String>, [u64; 4])> {
    let all = [counts.views, counts.visitors, counts.visits, counts.clicks];
    let viewed = [counts.views, counts.visitors, counts.visits, 0];
    let clicked = [0, 0, 0, counts.clicks];
    let filtered = !question.pages.is_empty();
    let page_passes = |page| passes(&question.pages, page);
    let in_period = (question.from..=question.to).contains(&day_of(&question.zone, key));
    let (names, numbers) = match (question.by, key) {
        (By::Total, CellKey::Site { .. }) if !filtered => (vec![], all),
        (By::Total, CellKey::Page { page, .. }) if filtered && page_passes(page) => {
            (vec![], viewed)
        }
        (By::Total, CellKey::Click { page, .. }) if filtered && page_passes(page) => {
            (vec![], clicked)
        }
        (By::Page, CellKey::Page { page, .. }) if page_passes(page) => (vec![*page], viewed),
        (By::Page, CellKey::Click { page, .. }) if page_passes(page) => (vec![*page], clicked),
        (By::Target, CellKey::Click { page, target, .. }) if page_passes(page) => {
            (vec![*target], clicked)
        }
        (By::PageAndTarget, CellKey::Click { page, target, .. }) if page_passes(page) => {
            (vec![*page, *target], clicked)
        }
        (By::Attribute(wanted), CellKey::Attribute { attribute, value, .. })
            if wanted == *attribute =>
        {
            (vec![*value], viewed)
        }
        _ => return None,
    };
    let group = question.time.map(|time| time_name(time, key, &question.zone)).into_iter();
    let group = group.chain(names.into_iter().map(str::to_owned)).collect();
    (in_period && *site == question.site.as_str()).then_some((group, numbers))
}

type Sums = BTreeMap<Vec<String>, [u64; 4]>;

fn sums(question: &Question, cells: &[Cell]) -> Sums {
    let mut sums = Sums::new();
    for (group, numbers) in cells.iter().filter_map(|cell| part_of(question, cell)) {
        let sum = sums.entry(group).or_default();
        (0..4).for_each(|at| sum[at] += numbers[at]);
    }
    sums
}

/// The numbers a question wants, rows of zeros left out.
fn wanted(question: &Question, sums: &Sums) -> BTreeMap<Vec<String>, Vec<u64>> {
    let pick = |sum: &[u64; 4]| -> Vec<u64> {
        let at = |metric| METRICS.iter().position(|it| *it == metric).unwrap();
        question.metrics.iter().map(|metric| sum[at(*metric)]).collect()
    };
    sums.iter()
        .map(|(group, sum)| (group.clone(), pick(sum)))
        .filter(|(_, numbers)| numbers.iter().any(|number| *number > 0))
        .collect()
}

fn answered(answer: &Answer) -> BTreeMap<Vec<String>, Vec<u64>> {
    let group = |row: &Row| row.time.iter().chain(&row.names).cloned().collect::<Vec<_>>();
    answer.rows.iter().map(|row| (group(row), row.metrics.clone())).collect()
}

fn metrics() -> impl Strategy<Value = Vec<Metric>> {
    proptest::sample::subsequence(METRICS.to_vec(), 1..=4).prop_shuffle()
}

fn filter() -> impl Strategy<Value = PageFilter> {
    let words = proptest::collection::vec(name().prop_map(str::to_owned), 0..3);
    let parts = proptest::collection::vec(
        proptest::sample::select(&["%", "_", "'", "\0", "/a", "", "A", "\u{e5}"][..])
            .prop_map(str::to_owned),
        0..3,
    );
    prop_oneof![
        words.clone().prop_map(PageFilter::Is),
        words.prop_map(PageFilter::IsNot),
        parts.clone().prop_map(PageFilter::Contains),
        parts.prop_map(PageFilter::ContainsNot),
    ]
}

/// UTC, or a place whose offset changes once in the days of the tests.
fn zone() -> impl Strategy<Value = Zone> {
    let offset = || proptest::sample::select(&[0, 3_600, -36_000, 19_800, 20_700, 46_800][..]);
    let summer = (offset(), 0..DAYS * 24).prop_map(|(offset, hour)| {
        let at = (FIRST_DAY * 24 + hour) * 3_600;
        Zone::new(offset, [Shift { at, offset_seconds: offset + 3_600 }])
    });
    prop_oneof![Just(Zone::default()), offset().prop_map(|it| Zone::new(it, [])), summer]
}

pub(crate) fn any_question() -> impl Strategy<Value = Question> {
    let by = prop_oneof![
        Just(By::Total),
        Just(By::Page),
        Just(By::Target),
        Just(By::PageAndTarget),
        Just(By::Attribute(ATTRIBUTE)),
    ];
    let times = [TimeBucket::Hour, TimeBucket::Day, TimeBucket::Week, TimeBucket::Month];
    let time = proptest::option::of(proptest::sample::select(times.to_vec()));
    let filters = proptest::collection::vec(filter(), 0..3);
    let period = (0..DAYS, 0..DAYS);
    let key = prop_oneof![
        proptest::sample::select(METRICS.to_vec()).prop_map(OrderKey::Metric),
        Just(OrderKey::Time),
        Just(OrderKey::Name),
    ];
    let order = (key, any::<bool>()).prop_map(|(key, descending)| Order { key, descending });
    let order = proptest::collection::vec(order, 0..3);
    (by, metrics(), time, filters, (period, zone()), order).prop_map(
        |(by, metrics, time, pages, (days, zone), order)| Question {
            time,
            zone,
            pages,
            from: Day(FIRST_DAY + days.0),
            to: Day(FIRST_DAY + days.1),
            order,
            k: 0,
            ..question(by, &metrics)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn answers_equal_sums_by_hand(
        cells in cells(150), questions in proptest::collection::vec(any_question(), 30),
    ) {
        let (_place, reader) = store(&cells);
        let mut answers = 0;
        for question in questions {
            match reader.ask(&question) {
                Ok(answer) => {
                    answers += 1;
                    let sums = sums(&question, &cells);
                    prop_assert_eq!(answered(&answer), wanted(&question, &sums), "{:?}", question);
                    prop_assert_eq!(answer.rows_total, u64::try_from(answer.rows.len()).unwrap());
                    prop_assert!(is_sorted(&question, &answer), "{question:?} {answer:?}");
                    pages_are_slices_of_the_whole(&reader, &question, &answer);
                }
                Err(error) => prop_assert!(is_declined(&question), "{error}"),
            }
        }
        prop_assert!(answers > 0);
    }

    /// The promise about small values, over the whole period, also when grouped by time.
    #[test]
    fn no_value_below_k_is_shown_and_nothing_is_lost(
        days in proptest::collection::vec((0..DAYS, 0usize..9, 0u64..7), 0..40),
        k in 0u32..8,
        time in proptest::sample::select(&[None, Some(TimeBucket::Day), Some(TimeBucket::Month)][..]),
    ) {
        let cells: Vec<Cell> = days
            .iter()
            .map(|(day, name, visitors)| source("a.example", FIRST_DAY + day, NAMES[*name], *visitors))
            .collect();
        let (_place, reader) = store(&cells);
        let asked = Question { k, time, ..question(By::Attribute(ATTRIBUTE), &METRICS[..3]) };
        let answer = reader.ask(&asked).unwrap();
        let by_value = sums(&Question { time: None, ..asked.clone() }, &cells);
        let by_day = sums(&Question { time: Some(TimeBucket::Day), ..asked.clone() }, &cells);
        let largest_day = |value: &str| {
            by_day.iter().filter(|(group, _)| group[1] == value).map(|(_, sum)| sum[1]).max()
        };
        let shown: std::collections::BTreeSet<&str> =
            answer.rows.iter().map(|row| &*row.names[0]).filter(|name| *name != "(other)").collect();
        for value in &shown {
            prop_assert!(k <= 1 || by_value[&vec![(*value).to_owned()]][1] >= u64::from(k));
            prop_assert!(k <= 1 || largest_day(value) >= Some(u64::from(k.min(3))));
        }
        let values = by_value.iter().filter(|(value, sum)| value[0] != "(other)" && sum[1] > 0).count();
        prop_assert!(answer.folded != 1 || values == 1, "{answer:?}");
        prop_assert_eq!(u64::try_from(values - shown.len()).unwrap(), answer.folded);
        for at in 0..3 {
            let shown: u64 = answer.rows.iter().map(|row| row.metrics[at]).sum();
            prop_assert_eq!(shown, by_value.values().map(|sum| sum[at]).sum::<u64>());
        }
    }
}

/// Whether a question is one that must be declined.
fn is_declined(question: &Question) -> bool {
    let clicks = question.metrics.contains(&Metric::Clicks);
    let others = question.metrics.iter().any(|metric| *metric != Metric::Clicks);
    let unsorted = question.order.iter().any(|order| match order.key {
        OrderKey::Metric(metric) => !question.metrics.contains(&metric),
        OrderKey::Time | OrderKey::Name => false,
    });
    unsorted
        || match question.by {
            By::Total | By::Page => false,
            By::Target | By::PageAndTarget => others,
            By::Attribute(_) => {
                clicks || !question.pages.is_empty() || question.time == Some(TimeBucket::Hour)
            }
        }
}

fn is_sorted(question: &Question, answer: &Answer) -> bool {
    answer.rows.is_sorted_by(|a, b| {
        for order in &question.order {
            let ordering = match order.key {
                OrderKey::Metric(metric) => {
                    let at = question.metrics.iter().position(|it| *it == metric).unwrap();
                    a.metrics[at].cmp(&b.metrics[at])
                }
                OrderKey::Time => a.time.cmp(&b.time),
                OrderKey::Name => a.names.cmp(&b.names),
            };
            let ordering = if order.descending { ordering.reverse() } else { ordering };
            if ordering.is_ne() {
                return ordering.is_lt();
            }
        }
        (&a.time, &a.names) < (&b.time, &b.names)
    })
}

fn pages_are_slices_of_the_whole(reader: &Reader, question: &Question, whole: &Answer) {
    let part = reader.ask(&Question { limit: 2, offset: 1, ..question.clone() }).unwrap();
    let slice: Vec<Row> = whole.rows.iter().skip(1).take(2).cloned().collect();
    assert_eq!((part.rows, part.rows_total), (slice, whole.rows_total));
}

#[test]
fn declined_questions_teach() {
    let (_place, reader) = store(&[page("a.example", FIRST_DAY, "/", 1)]);
    let why = |question: &Question| match reader.ask(question).unwrap_err() {
        StoreError::Unanswerable { why } => why,
        other => panic!("{other}"),
    };
    let source = question(By::Attribute(ATTRIBUTE), &[Metric::Views]);
    let pages = vec![PageFilter::Is(vec!["/".into()])];
    assert!(
        why(&Question { pages, ..source.clone() }).contains("source is counted for the whole site")
    );
    assert!(why(&Question { time: Some(TimeBucket::Hour), ..source.clone() }).contains("per day"));
    assert!(why(&question(By::Attribute(ATTRIBUTE), &[Metric::Clicks])).contains("clicks by page"));
    assert!(why(&question(By::Target, &[Metric::Views])).contains("clicks only"));
    assert!(why(&question(By::Total, &[])).contains("at least one metric"));
    let order = vec![Order { key: OrderKey::Metric(Metric::Visits), descending: true }];
    assert!(why(&Question { order, ..source }).contains("sorted"));
}

#[test]
fn names_are_matched_as_they_are_written() {
    let cells: Vec<Cell> = NAMES.map(|name| page("a.example", FIRST_DAY, name, 1)).to_vec();
    let (_place, reader) = store(&cells);
    let check = |filter: fn(Vec<String>) -> PageFilter, word: &str, expect: &[&str]| {
        let pages = vec![filter(vec![word.to_owned()])];
        let asked = Question { pages, ..question(By::Page, &[Metric::Views]) };
        let found: Vec<String> =
            reader.ask(&asked).unwrap().rows.into_iter().flat_map(|row| row.names).collect();
        assert_eq!(found, expect, "{word:?}");
    };
    check(PageFilter::Contains, "%", &["/a%"]);
    check(PageFilter::Contains, "_", &["/a_"]);
    check(PageFilter::Contains, "'", &["/a'b\"c"]);
    check(PageFilter::Contains, "\0", &["/a\0b"]);
    check(PageFilter::Contains, ";--", &["/x;--"]);
    check(PageFilter::Is, "/A", &[]);
    check(PageFilter::Is, "/a\0b", &["/a\0b"]);
    check(PageFilter::Is, "/a", &["/a"]);
    check(PageFilter::Contains, "' OR 1=1", &[]);
}

#[test]
fn weeks_begin_on_monday_and_months_on_their_first_day() {
    let days = ["2025-12-28", "2025-12-29", "2025-12-31", "2026-01-01", "2026-01-04"];
    let cells = days.map(|day| page("a.example", Day::parse(day).unwrap().0, "/", 1));
    let (_place, reader) = store(&cells);
    let ask = |time| {
        let time = Some(time);
        lines(&reader.ask(&Question { time, ..question(By::Page, &[Metric::Views]) }).unwrap())
    };
    assert_eq!(ask(TimeBucket::Week), ["2025-12-22 / 1", "2025-12-29 / 4"]);
    assert_eq!(ask(TimeBucket::Month), ["2025-12-01 / 3", "2026-01-01 / 2"]);
    assert_eq!(ask(TimeBucket::Hour)[0], "2025-12-28T00:00:00Z / 1");
    assert_eq!(ask(TimeBucket::Day)[4], "2026-01-04 / 1");
}

#[test]
fn small_values_fold_and_the_next_goes_with_a_lone_one() {
    let day = FIRST_DAY;
    let ask = |cells: &[Cell]| {
        let order = vec![Order { key: OrderKey::Metric(Metric::Visitors), descending: true }];
        let by_source = question(By::Attribute(ATTRIBUTE), &[Metric::Visitors]);
        let answer = store(cells).1.ask(&Question { order, ..by_source }).unwrap();
        (lines(&answer), answer.folded)
    };
    let [a, b, c] = [
        source("a.example", day, "/a", 9),
        source("a.example", day, "/a_", 6),
        source("a.example", day, "/x;--", 2),
    ];
    assert_eq!(ask(&[a, b]), (vec!["/a 9".into(), "/a_ 6".into()], 0));
    assert_eq!(ask(&[a, b, c]), (vec!["/a 9".into(), "(other) 8".into()], 2));
    let other = source("a.example", day, "(other)", 5);
    assert_eq!(ask(&[a, b, c, other]), (vec!["(other) 13".into(), "/a 9".into()], 2));
    // One visitor on thirty days is one visitor.
    let daily: Vec<Cell> = (0..12).map(|step| source("a.example", day + step, "/a%", 1)).collect();
    assert_eq!(ask(&[&[a, b][..], &daily].concat()), (vec!["(other) 18".into(), "/a 9".into()], 2));
}

#[test]
fn refusals_sites_and_first_days_are_told() {
    let (hour, day) = (Hour(FIRST_DAY * 24), Day(FIRST_DAY + 2));
    let refused = |reason, refused| {
        ("b.example", CellKey::Refusal { day, reason }, Counts { refused, ..Counts::ZERO })
    };
    let cells = [
        refused(RefusalReason::Robot, 3),
        refused(RefusalReason::Gpc, 2),
        ("a.example", CellKey::Site { hour }, Counts { clicks: 1, ..Counts::ZERO }),
    ];
    let (_place, reader) = store(&cells);
    let told = |from, to| {
        let refused = reader.refused(&host("b.example"), from, to).unwrap();
        refused.into_iter().map(|it| format!("{} {}", it.reason, it.refused)).collect::<Vec<_>>()
    };
    assert_eq!(told(Day(0), day), ["gpc 2", "robot 3"]);
    assert!(told(Day(0), day.minus(1)).is_empty());
    assert_eq!(reader.sites_with_counts().unwrap(), SITES.map(host));
    assert_eq!(reader.first_day(&host("a.example")).unwrap(), Some(hour.day()));
    assert_eq!(reader.first_day(&host("b.example")).unwrap(), Some(day));
    assert_eq!(reader.first_day(&host("c.example")).unwrap(), None);
    assert_eq!(reader.books_now().unwrap(), None);
}

/// Each insert adds one view to the site and one to a page, so in every snapshot they are equal.
#[test]
fn a_reader_sees_whole_inserts_while_the_writer_runs() {
    let place = Place::new();
    let mut writer = place.writer();
    let done = std::sync::atomic::AtomicBool::new(false);
    let hour = Hour(FIRST_DAY * 24);
    let one = Counts { views: 1, ..Counts::ZERO };
    let cells = [
        ("a.example", CellKey::Site { hour }, one),
        ("a.example", CellKey::Page { hour, page: "/" }, one),
    ];
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let reader = place.reader();
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                let books = reader.audit(0).unwrap();
                assert!(books.balanced());
                let total = reader.ask(&question(By::Total, &[Metric::Views])).unwrap();
                let now = total.rows.first().map_or(0, |row| row.metrics[0]);
                assert!(now >= last);
                last = now;
            }
        });
        for seq in 1..=200 {
            writer.apply(&insert("p-0", seq, &cells)).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        watching.join().unwrap();
    });
    assert_eq!(
        lines(&place.reader().ask(&question(By::Page, &[Metric::Views])).unwrap()),
        ["/ 200"]
    );
}

#[test]
fn a_reader_gives_up_in_time_and_goes_on() {
    let place = Place::new();
    let mut writer = place.writer();
    let one = Counts { views: 1, ..Counts::ZERO };
    let cells: Vec<Cell> = (0..20_000)
        .map(|step| ("a.example", CellKey::Site { hour: Hour(FIRST_DAY * 24 + step) }, one))
        .collect();
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    let asked = Question { to: Day(99_999), ..question(By::Total, &[Metric::Views]) };
    let hasty = Reader::with_timeout(&place.path(), Duration::ZERO).unwrap();
    assert!(matches!(hasty.ask(&asked), Err(StoreError::TimedOut)));
    assert!(hasty.audit(1).unwrap().balanced());
    assert_eq!(lines(&place.reader().ask(&asked).unwrap()), ["20000"]);
}
