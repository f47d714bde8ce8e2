//! Questions: every answer equals the one that SQLite gives.

use headcount_core::cell::{CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::time::{Day, Hour};
use proptest::prelude::*;

use super::*;
use crate::error::StoreError;
use crate::insert::Insert;
use crate::question::{By, Metric, Order, OrderKey, PageFilter, Question, Row, TimeBucket};
use crate::sqlite::tests::questions::{any_question, lines, question};
use crate::sqlite::tests::{DAYS, NAMES, Place, SITES, cells, country, host, page, source};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn answers_equal_those_of_sqlite(
        parts in proptest::collection::vec((cells(80), 0u32..20), 1..5),
        questions in proptest::collection::vec((any_question(), 0u32..7, 0u32..4), 20),
    ) {
        let place = Place::new();
        let settings = fresh();
        let mut file = place.writer();
        let mut server = Writer::connect(&settings).unwrap();
        for (lo, (cells, day)) in (1..).zip(&parts) {
            let insert = insert_on("kafka:hits:0", lo, FIRST_DAY + day, cells);
            file.apply(&insert).unwrap();
            apply(&mut server, &insert);
        }
        prop_assert_eq!(server.audit(9).unwrap(), file.audit(9).unwrap());
        prop_assert_eq!(
            server.standing("kafka:hits:0").unwrap(),
            file.standing("kafka:hits:0").unwrap()
        );
        let (file, server) = (place.reader(), Reader::connect(&settings).unwrap());
        prop_assert_eq!(server.taken().unwrap(), crate::shape::taken(&place.path()).unwrap());
        for (asked, k, offset) in questions {
            for asked in [
                Question { k, ..asked.clone() },
                Question { k, offset, limit: 3, ..asked.clone() },
            ] {
                match (file.ask(&asked), server.ask(&asked)) {
                    (Ok(wanted), Ok(found)) => prop_assert_eq!(found, wanted, "{:?}", asked),
                    (Err(wanted), Err(found)) => {
                        prop_assert_eq!(found.to_string(), wanted.to_string());
                    }
                    (wanted, found) => prop_assert!(false, "{wanted:?} {found:?} {asked:?}"),
                }
            }
        }
        prop_assert_eq!(server.sites_with_counts().unwrap(), file.sites_with_counts().unwrap());
        prop_assert_eq!(server.books_now().unwrap(), file.books_now().unwrap());
        for site in SITES.map(host) {
            prop_assert_eq!(server.first_day(&site).unwrap(), file.first_day(&site).unwrap());
            let (from, to) = (Day(FIRST_DAY + 2), Day(FIRST_DAY + DAYS));
            prop_assert_eq!(
                server.refused(&site, from, to).unwrap(),
                file.refused(&site, from, to).unwrap()
            );
        }
    }

    /// Folding by days, with few visitors, as SQLite does it.
    #[test]
    fn small_values_fold_as_in_sqlite(
        days in proptest::collection::vec((0..DAYS, 0usize..9, 0u64..7), 0..40),
        asked in proptest::collection::vec((0u32..8, 0usize..4), 12),
    ) {
        let cells: Vec<Cell> = days
            .iter()
            .flat_map(|(day, name, visitors)| {
                let (day, site, name) = (FIRST_DAY + day, SITES[name % 2], NAMES[*name]);
                [source("a.example", day, name, *visitors), country(site, day, name, *visitors)]
            })
            .collect();
        let (place, settings) = (Place::new(), fresh());
        let insert = insert("p-0", 1, &cells);
        place.writer().apply(&insert).unwrap();
        let mut server = Writer::connect(&settings).unwrap();
        apply(&mut server, &insert);
        // Closed with a threshold of 0: what is asked for decides what is folded.
        facts::put(&server.link, &[(facts::CLOSED_BEFORE_DAY, 60_000)]).unwrap();
        place.writer().note_closed(Day(60_000));
        let (file, server) = (place.reader(), Reader::connect(&settings).unwrap());
        let small = crate::shape::small_cells(&place.path(), 3).unwrap();
        prop_assert_eq!(server.small_cells(3).unwrap(), small);
        prop_assert_eq!(server.taken().unwrap(), crate::shape::taken(&place.path()).unwrap());
        let times = [None, Some(TimeBucket::Day), Some(TimeBucket::Week), Some(TimeBucket::Month)];
        for (k, time) in asked {
            let by = By::Attribute(headcount_core::cell::Attribute::Source);
            let asked = Question { k, time: times[time], ..question(by, &[Metric::Visitors, Metric::Visits]) };
            prop_assert_eq!(server.ask(&asked).unwrap(), file.ask(&asked).unwrap());
        }
    }
}

/// Texts that break a quoted text, a pattern, an escape or a line.
const HOSTILE: [&str; 16] = [
    "/'; DROP TABLE counts; --",
    "/\"`\\'",
    "/\\n\\t\\0\\x41\\\\",
    "/\n\r\t\0\u{8}end",
    "/%_*?[a-z]",
    "/{site:String}",
    "/\u{1f600}\u{e5}\u{202e}",
    "\u{feff}",
    "",
    " ",
    "NULL",
    "\\N",
    "[]",
    "','",
    "--\r\nContent-Disposition: form-data; name=\"query\"",
    "(other)",
];

/// Which there are is the server's affair; each is a log by its name.
#[test]
fn the_servers_own_logs_are_listed() {
    let settings = fresh();
    drop(Writer::connect(&settings).unwrap());
    let logs = Reader::connect(&settings).unwrap().server_logs().unwrap();
    assert!(logs.iter().all(|name| name.ends_with("_log")), "{logs:?}");
}

#[test]
fn names_are_kept_and_matched_as_they_are_written() {
    let settings = fresh();
    let cells: Vec<Cell> = HOSTILE.map(|name| page("a.example", FIRST_DAY, name, 1)).to_vec();
    apply(&mut Writer::connect(&settings).unwrap(), &insert("p-0", 1, &cells));
    let reader = Reader::connect(&settings).unwrap();
    let ask = |pages: Vec<PageFilter>| -> Vec<String> {
        let asked = Question { pages, ..question(By::Page, &[Metric::Views]) };
        reader.ask(&asked).unwrap().rows.into_iter().flat_map(|row| row.names).collect()
    };
    let mut sorted = HOSTILE.to_vec();
    sorted.sort_unstable();
    assert_eq!(ask(vec![]), sorted);
    for name in HOSTILE {
        let text = vec![name.to_owned()];
        assert_eq!(ask(vec![PageFilter::Is(text.clone())]), [name]);
        let without: Vec<&str> = sorted.iter().copied().filter(|it| *it != name).collect();
        assert_eq!(ask(vec![PageFilter::IsNot(text.clone())]), without, "{name:?}");
        let holding: Vec<&str> = sorted.iter().copied().filter(|it| it.contains(name)).collect();
        assert_eq!(ask(vec![PageFilter::Contains(text)]), holding, "{name:?}");
    }
    assert_eq!(ask(vec![PageFilter::Is(HOSTILE.map(str::to_owned).to_vec())]), sorted);
    assert!(ask(vec![PageFilter::Is(vec![])]).is_empty());
    assert_eq!(ask(vec![PageFilter::ContainsNot(vec![])]), sorted);
}

#[test]
fn an_offset_beyond_the_end_still_tells_how_many_rows_there_are() {
    let settings = fresh();
    let cells: Vec<Cell> = NAMES.map(|name| page("a.example", FIRST_DAY, name, 1)).to_vec();
    apply(&mut Writer::connect(&settings).unwrap(), &insert("p-0", 1, &cells));
    let reader = Reader::connect(&settings).unwrap();
    let asked = |limit, offset| {
        let asked = Question { limit, offset, ..question(By::Page, &[Metric::Views]) };
        let answer = reader.ask(&asked).unwrap();
        (answer.rows.len(), answer.rows_total)
    };
    assert_eq!(
        (asked(5, 0), asked(5, 5), asked(5, 99), asked(0, 0)),
        ((5, 9), (4, 9), (0, 9), (0, 9))
    );
}

#[test]
fn views_have_the_names_and_columns_of_the_file() {
    let settings = fresh();
    let hour = Hour(FIRST_DAY * 24 + 9);
    let mut writer = Writer::connect(&settings).unwrap();
    let refused = Counts { refused: 2, ..Counts::ZERO };
    let clicked = Counts { clicks: 3, ..Counts::ZERO };
    let viewed = Counts { views: 4, visitors: 2, visits: 1, ..Counts::ZERO };
    let cells = [
        page("a.example", FIRST_DAY, "/", 1),
        ("a.example", CellKey::Site { hour }, Counts { clicks: 3, ..viewed }),
        ("a.example", CellKey::Click { hour, page: "/", target: "/x" }, clicked),
        source("a.example", FIRST_DAY, "b.example", 5),
        ("a.example", CellKey::Refusal { day: hour.day(), reason: RefusalReason::Gpc }, refused),
    ];
    // Two parts that are not merged yet: the views add them up.
    apply(&mut writer, &insert("p-0", 1, &cells));
    apply(&mut writer, &insert("p-0", 2, &cells));
    let all = |view: &str| rows(&settings, &format!("SELECT * FROM DB.{view} FORMAT TSVWithNames"));
    assert_eq!(
        all("page_counts"),
        "site\thour\tpage\tviews\tvisitors\tvisits\na.example\t2025-12-25 00:00:00\t/\t2\t2\t2"
    );
    assert_eq!(
        all("site_counts"),
        "site\thour\tviews\tvisitors\tvisits\tclicks\na.example\t2025-12-25 09:00:00\t8\t4\t2\t6"
    );
    assert_eq!(
        all("click_counts"),
        "site\thour\tpage\ttarget\tclicks\na.example\t2025-12-25 09:00:00\t/\t/x\t6"
    );
    assert_eq!(
        all("attribute_counts"),
        "site\tday\tattribute\tvalue\tviews\tvisitors\tvisits\na.example\t2025-12-25\tsource\tb.example\t20\t10\t10"
    );
    assert_eq!(all("refusal_counts"), "site\tday\treason\trefused\na.example\t2025-12-25\tgpc\t4");
    assert_eq!(all("books"), "audit_delta\tbroken_tiles\n0\t0");
    let one = [page("a.example", FIRST_DAY, "/", 1)];
    let next_day = Day(FIRST_DAY + 1);
    apply(&mut writer, &Insert { closed_day: next_day, ..insert("p-0", 3, &one) });
    // What no writer does: a range is missing.
    rows(
        &settings,
        "INSERT INTO DB.counts (week, kind, src, lo, hi, closed_day, n) \
         VALUES ('2025-12-22', 'batch', 'p-0', 5, 5, '2025-12-26', 1)",
    );
    assert_eq!(
        rows(&settings, "SELECT * FROM DB.ledger ORDER BY lo FORMAT TSVWithNames"),
        "src\tlo\thi\tkind\tclosed_day\tcells\tviews\tvisitors\tvisits\tclicks\trefused\n\
         p-0\t1\t2\tbatch\t2025-12-25\t10\t30\t16\t14\t12\t4\n\
         p-0\t3\t3\tbatch\t2025-12-26\t1\t1\t1\t1\t0\t0\n\
         p-0\t5\t5\tbatch\t2025-12-26\t0\t0\t0\t0\t0\t0",
        "one row for what follows each other on a day, and a gap is still seen"
    );
    assert_eq!(all("books"), "audit_delta\tbroken_tiles\n0\t1");
}

#[test]
fn a_reader_cannot_write_and_gives_up_in_time() {
    let settings = fresh();
    assert!(matches!(Reader::connect(&settings), Err(StoreError::Missing { .. })));
    let mut writer = Writer::connect(&settings).unwrap();
    let one = Counts { views: 1, ..Counts::ZERO };
    let cells: Vec<Cell> = (0..19_000)
        .map(|step| ("a.example", CellKey::Site { hour: Hour(FIRST_DAY * 24 + step) }, one))
        .collect();
    apply(&mut writer, &insert("p-0", 1, &cells));
    let asked = Question {
        to: Day(99_999),
        time: Some(TimeBucket::Hour),
        order: vec![Order { key: OrderKey::Time, descending: true }],
        ..question(By::Total, &[Metric::Views])
    };
    let hasty = Reader::with_timeout(&settings, std::time::Duration::ZERO).unwrap();
    assert!(matches!(hasty.ask(&asked), Err(StoreError::TimedOut)));
    let reader = Reader::connect(&settings).unwrap();
    assert_eq!(reader.ask(&asked).unwrap().rows_total, 19_000);
    assert!(reader.refuses_to_write());
    // From several threads at once.
    std::thread::scope(|scope| {
        let answers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| reader.ask(&Question { time: None, ..asked.clone() }).unwrap()))
            .collect();
        for answer in answers {
            let row = Row { time: None, names: vec![], metrics: vec![19_000] };
            assert_eq!(answer.join().unwrap().rows, [row]);
        }
    });
    assert_eq!(lines(&reader.ask(&question(By::Page, &[Metric::Views])).unwrap()), [""; 0]);
}

#[test]
fn a_reader_sees_whole_inserts_while_a_writer_runs() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let hour = Hour(FIRST_DAY * 24);
    let one = Counts { views: 1, ..Counts::ZERO };
    let cells = [("a.example", CellKey::Site { hour }, one), page("a.example", FIRST_DAY, "/", 1)];
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let reader = Reader::connect(&settings).unwrap();
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                assert!(reader.audit(0).unwrap().balanced());
                let total = reader.ask(&question(By::Total, &[Metric::Views])).unwrap();
                let now = total.rows.first().map_or(0, |row| row.metrics[0]);
                assert!(now >= last);
                last = now;
            }
        });
        for lo in 1..=40 {
            apply(&mut writer, &insert("p-0", lo, &cells));
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        watching.join().unwrap();
    });
}
