//! The close of days in ClickHouse: as in SQLite, each value once, whoever else closes or is killed.

use headcount_core::cell::Attribute;
use proptest::prelude::*;

use super::*;
use crate::question::{By, Metric, Question, TimeBucket};
use crate::sqlite::tests::questions::{lines, question};
use crate::sqlite::tests::{DAYS, NAMES, Place, source};

const K: u32 = 5;

fn by_source(time: Option<TimeBucket>) -> Question {
    let metrics = [Metric::Visitors, Metric::Views, Metric::Visits];
    Question { time, ..question(By::Attribute(Attribute::Source), &metrics) }
}

/// What is kept of sources in the table, by day, name and visitors, merged or not.
fn kept(settings: &Settings) -> Vec<String> {
    let sql = "SELECT toDate(bucket), name, sum(visitors) FROM DB.counts WHERE kind = 'source' \
               GROUP BY 1, 2 HAVING sum(visitors) != 0 ORDER BY 1, 2";
    rows(settings, sql).lines().map(|line| line.replace('\t', " ")).collect()
}

/// A Sunday whose last batches were closed on Monday: its values lie in two weeks.
fn sunday(writer: &mut Writer) -> Day {
    let day = FIRST_DAY + 3;
    assert_eq!(Day(day).weekday(), 6);
    let of_sunday = [
        source("a.example", day, "large", 9),
        source("a.example", day, "company", 4),
        source("a.example", day, "small", 1),
    ];
    let of_monday = [
        source("a.example", day, "company", 3),
        source("a.example", day, "small", 2),
        source("a.example", day + 1, "morgen", 3),
    ];
    apply(writer, &insert_on("p-0", 1, day, &of_sunday));
    apply(writer, &insert_on("p-0", 2, day + 1, &of_monday));
    Day(day)
}

#[test]
fn a_day_that_lies_in_two_weeks_is_closed_whole() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let day = sunday(&mut writer);
    let reader = Reader::connect(&settings).unwrap();
    assert_eq!(lines(&reader.ask(&by_source(None)).unwrap()), ["(other) 22 44 22"]);
    assert_eq!(writer.close_before(day.plus(1), K).unwrap(), 2);
    let whole =
        ["2025-12-28 (other) 10 20 10", "2025-12-28 large 9 18 9", "2025-12-29 (other) 3 6 3"];
    let by_day = by_source(Some(TimeBucket::Day));
    assert_eq!(lines(&reader.ask(&by_day).unwrap()), whole);
    // Not only does it add up to nothing: it is gone.
    let left = "SELECT count() FROM DB.counts WHERE name IN ('small', 'company')";
    assert_eq!(rows(&settings, left), "0");
    assert!(writer.audit(0).unwrap().balanced());
    // Again, and a late batch, and one that was brought in by hand.
    assert_eq!(writer.close_before(day.plus(1), K).unwrap(), 0);
    let late = |src: &str, lo| insert_on(src, lo, day.0, &[source("a.example", day.0, "spaet", 7)]);
    apply(&mut writer, &late("p-0", 3));
    assert_eq!(kept(&settings)[0], "2025-12-28 (other) 17");
    apply(&mut writer, &late("merge:07", 1));
    assert_eq!(
        kept(&settings)[..3],
        ["2025-12-28 (other) 17", "2025-12-28 large 9", "2025-12-28 spaet 7"]
    );
    assert!(writer.audit(0).unwrap().balanced());
}

/// Killed after the first of two blocks: the small value is whole and loses its name at the next
/// close, which may take another one with it.
#[test]
fn a_close_that_was_killed_between_two_blocks_tells_no_small_value() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let day = sunday(&mut writer);
    rows(
        &settings,
        "INSERT INTO DB.counts (week, kind, site, bucket, name, views, visitors, visits) SELECT \
         week, kind, site, bucket, arrayJoin(['company', '(other)']) AS moved, \
         if(moved = 'company', -1, 1) * views, if(moved = 'company', -1, 1) * visitors, \
         if(moved = 'company', -1, 1) * visits FROM DB.counts WHERE name = 'company' AND \
         week = '2025-12-22'",
    );
    rows(
        &settings,
        "INSERT INTO DB.counts (week, kind, src, lo, hi, n) \
         SELECT '2025-12-22', 'retention', '(fold)', 1, 1, 1",
    );
    assert!(writer.audit(0).unwrap().balanced());
    let reader = Reader::connect(&settings).unwrap();
    assert_eq!(lines(&reader.ask(&by_source(None)).unwrap()), ["(other) 22 44 22"]);
    let mut writer = Writer::connect(&settings).unwrap();
    writer.close_before(day.plus(1), K).unwrap();
    for line in kept(&settings).iter().filter(|line| line.starts_with("2025-12-28")) {
        assert!(line.contains("(other)") || line.contains("large 9"), "{line}");
    }
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn two_writers_that_close_at_once_move_each_value_once() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let day = sunday(&mut writer);
    let mut writers: Vec<Writer> = (0..3).map(|_| Writer::connect(&settings).unwrap()).collect();
    std::thread::scope(|scope| {
        for writer in &mut writers {
            scope.spawn(|| writer.close_before(day.plus(1), K).unwrap());
        }
    });
    let kept = kept(&settings);
    assert!(kept.iter().all(|line| !line.contains('-') || !line.contains(" -")), "{kept:?}");
    assert_eq!(kept.iter().filter(|line| line.contains("small")).count(), 0, "{kept:?}");
    let total = "SELECT sum(visitors) FROM DB.counts WHERE kind = 'source'";
    assert_eq!(rows(&settings, total), "22");
    assert_eq!(rows(&settings, "SELECT min(n), max(n) FROM DB.counts WHERE n != 0"), "1\t1");
    assert!(writer.audit(0).unwrap().balanced());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// Batches, a close in between and late ones: every answer is SQLite's.
    #[test]
    fn closes_leave_what_sqlite_keeps(
        days in proptest::collection::vec((0..DAYS, 0usize..9, 1u64..9), 1..60),
        open in 0..DAYS,
    ) {
        let (place, settings) = (Place::new(), fresh());
        let mut file = place.writer();
        let mut server = Writer::connect(&settings).unwrap();
        let parts: Vec<_> = days.chunks(days.len().div_ceil(4)).collect();
        for (lo, part) in (1u64..).zip(&parts) {
            let cells: Vec<Cell> = part
                .iter()
                .map(|(day, name, n)| source("a.example", FIRST_DAY + day, NAMES[*name], *n))
                .collect();
            let insert = insert_on("kafka:hits:0", lo, FIRST_DAY, &cells);
            file.apply(&insert).unwrap();
            apply(&mut server, &insert);
            if lo == 3 {
                file.close_before(Day(FIRST_DAY + open), K).unwrap();
                server.close_before(Day(FIRST_DAY + open), K).unwrap();
                prop_assert!(server.audit(0).unwrap().balanced());
            }
        }
        let (file, server) = (place.reader(), Reader::connect(&settings).unwrap());
        for time in [None, Some(TimeBucket::Day), Some(TimeBucket::Week), Some(TimeBucket::Month)] {
            prop_assert_eq!(
                lines(&server.ask(&by_source(time)).unwrap()),
                lines(&file.ask(&by_source(time)).unwrap())
            );
        }
    }
}
