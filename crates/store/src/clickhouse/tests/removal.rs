//! Erasure and retention: gone from the views and the parts, and the books balance throughout.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headcount_core::cell::{CellKey, Counts};
use proptest::prelude::*;

use super::apply::{CUT_ONE_INSERT, PASS, SWALLOW_ONE_INSERT, lossy_way};
use super::*;
use crate::clickhouse::remove::ERASING;
use crate::clickhouse::rows::{date, week_of};
use crate::error::StoreError;
use crate::question::Question;
use crate::sqlite::tests::questions::{any_question, lines, question};
use crate::sqlite::tests::{DAYS, NAMES, Place, SITES, cells, host, page, source};

/// Three weeks of two sites, an insert a day, with a site's hour, a page and a source each.
fn three_weeks(writer: &mut Writer) {
    for lo in 1..=21u32 {
        let day = FIRST_DAY + lo - 1;
        let hour = Day(day).first_hour();
        let one = Counts { views: 1, visitors: 1, ..Counts::ZERO };
        let cells: Vec<Cell> = SITES
            .iter()
            .flat_map(|site| {
                let whole: Cell = (site, CellKey::Site { hour }, one);
                [
                    whole,
                    page(site, day, NAMES[lo as usize % 9], 2),
                    source(site, day, "x.example", 3),
                ]
            })
            .collect();
        apply(writer, &insert_on("kafka:hits:0", lo.into(), day, &cells));
    }
}

/// Rows of a site in the table, merged or not.
fn left(settings: &Settings, site: &str) -> String {
    rows(settings, &format!("SELECT count() FROM DB.counts WHERE site = '{site}'"))
}

fn answers(reader: &Reader) -> Vec<String> {
    let by = [By::Total, By::Page, By::Attribute(headcount_core::cell::Attribute::Source)];
    let asked = |by| Question {
        to: Day(FIRST_DAY + 30),
        ..question(by, &[crate::question::Metric::Views, crate::question::Metric::Visitors])
    };
    by.into_iter().flat_map(|by| lines(&reader.ask(&asked(by)).unwrap())).collect()
}

use crate::question::By;

#[test]
fn an_erased_site_is_gone_from_the_views_and_the_table() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    let reader = Reader::connect(&settings).unwrap();
    assert_eq!(answers(&reader)[0], "21 21");
    let removed = writer.erase_site(&host("a.example")).unwrap();
    assert_eq!((removed.cells, removed.totals.views), (63, 21 + 42 + 126));
    assert!(answers(&reader).is_empty());
    assert_eq!(
        (left(&settings, "a.example"), left(&settings, "b.example")),
        ("0".into(), "63".into())
    );
    assert_eq!(reader.sites_with_counts().unwrap(), [host("b.example")]);
    assert!(writer.audit(0).unwrap().balanced());
    let ledger = "SELECT kind, count(), sum(views) FROM DB.ledger GROUP BY kind ORDER BY kind";
    assert_eq!(rows(&settings, ledger), "batch\t21\t378\nerase\t4\t-189");
    assert_eq!(writer.standing("kafka:hits:0").unwrap().applied, 21);
    // No name of the site is left beside the note that it was erased.
    assert_eq!(
        rows(&settings, "SELECT count() FROM DB.ledger WHERE position(src, 'a.example') > 0"),
        "0"
    );
    // A second time is no error and changes nothing.
    assert_eq!(writer.erase_site(&host("a.example")).unwrap().cells, 0);
    assert_eq!(writer.erase_site(&host("never.example")).unwrap().cells, 0);
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn what_still_comes_of_an_erased_site_is_left_out_until_it_is_counted_again() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let mut other = Writer::connect(&settings).unwrap();
    let both = [page("a.example", FIRST_DAY, "/", 1), page("b.example", FIRST_DAY, "/", 1)];
    apply(&mut writer, &insert("p-0", 1, &both));
    apply(&mut other, &insert("p-1", 1, &both));
    writer.erase_site(&host("a.example")).unwrap();
    apply(&mut writer, &insert("p-0", 2, &both));
    // The other writer has not read the note yet, unless the erasure was slow; its cells are not shown,
    // and go with the next sweep.
    apply(&mut other, &insert("p-1", 2, &both));
    let late = left(&settings, "a.example");
    assert!(["0", "1"].contains(&late.as_str()), "{late}");
    let reader = Reader::connect(&settings).unwrap();
    assert!(answers(&reader).is_empty());
    assert!(writer.audit(0).unwrap().balanced());
    std::thread::sleep(Duration::from_millis(2_100));
    apply(&mut other, &insert("p-1", 3, &both));
    assert_eq!(left(&settings, "a.example"), late);
    Writer::connect(&settings).unwrap();
    assert_eq!(left(&settings, "a.example"), "0");
    writer.restore_site(&host("a.example")).unwrap();
    assert!(answers(&reader).is_empty());
    apply(&mut writer, &insert("p-0", 3, &both));
    assert_eq!(answers(&reader)[0], "/ 1 1");
    assert!(writer.audit(0).unwrap().balanced());
    let ledger = "SELECT views FROM DB.counts WHERE src = 'p-0' AND kind = 'batch' ORDER BY lo";
    assert_eq!(rows(&settings, ledger), "2\n1\n2");
}

#[test]
fn an_erasure_that_is_overtaken_by_a_return_leaves_the_new_counts() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let mut slow = Writer::connect(&settings).unwrap();
    let (host, one) = (host("a.example"), [page("a.example", FIRST_DAY, "/", 1)]);
    apply(&mut writer, &insert("p-0", 1, &one));
    // The slow one has found the erasure, and before it goes on the site is back and counts.
    writer.put_state("a.example", ERASING).unwrap();
    assert_eq!(slow.unfinished_erasures().unwrap(), ["a.example"]);
    writer.restore_site(&host).unwrap();
    apply(&mut writer, &insert("p-0", 2, &one));
    assert_eq!(slow.finish_erasure("a.example").unwrap(), Default::default());
    assert_eq!(left(&settings, "a.example"), "1");
    apply(&mut slow, &insert("p-1", 1, &one));
    let reader = Reader::connect(&settings).unwrap();
    assert_eq!(answers(&reader)[0], "/ 2 2");
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn only_sites_with_something_left_are_looked_at_again() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let mut late = Writer::connect(&settings).unwrap();
    let both = [page("a.example", FIRST_DAY, "/", 1), page("b.example", FIRST_DAY, "/", 1)];
    apply(&mut late, &insert("p-0", 1, &both));
    for site in ["a.example", "b.example"] {
        writer.erase_site(&host(site)).unwrap();
    }
    assert!(writer.unfinished_erasures().unwrap().is_empty());
    late.overlook_erasures();
    apply(&mut late, &insert("p-0", 2, &both[1..]));
    writer.put_state("c.example", ERASING).unwrap();
    assert_eq!(writer.unfinished_erasures().unwrap(), ["b.example", "c.example"]);
    assert_eq!(writer.finish_erasures().unwrap().cells, 1);
    assert!(writer.unfinished_erasures().unwrap().is_empty());
}

#[test]
fn an_erasure_that_was_killed_is_finished_at_the_next_connect() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    // The note only; and one week taken out but not merged.
    writer.put_state("a.example", ERASING).unwrap();
    rows(
        &settings,
        "INSERT INTO DB.counts SELECT * REPLACE (-views AS views, -visitors AS visitors, \
         -visits AS visits) FROM DB.counts WHERE site = 'a.example' AND week = '2025-12-29'",
    );
    rows(
        &settings,
        "INSERT INTO DB.counts (week, kind, src, lo, hi, n, views, visitors, visits) \
         SELECT '2025-12-29', 'erase', '(erase)', 1, 1, 1, -63, -42, -35",
    );
    assert!(answers(&Reader::connect(&settings).unwrap()).is_empty());
    let mut writer = Writer::connect(&settings).unwrap();
    assert_eq!(
        (left(&settings, "a.example"), left(&settings, "b.example")),
        ("0".into(), "63".into())
    );
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn two_writers_that_erase_at_once_take_each_cell_out_once() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    let mut writers: Vec<Writer> = (0..3).map(|_| Writer::connect(&settings).unwrap()).collect();
    std::thread::scope(|scope| {
        for writer in &mut writers {
            scope.spawn(|| writer.erase_site(&host("a.example")).unwrap());
        }
    });
    let ledger = "SELECT count(), sum(views), uniqExact(lo) FROM DB.ledger WHERE kind = 'erase'";
    assert_eq!(rows(&settings, ledger), "4\t-189\t1");
    assert_eq!(left(&settings, "a.example"), "0");
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn an_erasure_goes_on_when_a_removal_is_cut_off_or_its_answer_lost() {
    let straight = fresh();
    let (url, mode) = lossy_way();
    let mut writer = Writer::connect(&Settings { url, ..straight.clone() }).unwrap();
    three_weeks(&mut writer);
    for (site, loss) in [("a.example", CUT_ONE_INSERT), ("b.example", SWALLOW_ONE_INSERT)] {
        mode.store(loss, Ordering::SeqCst);
        writer.erase_site(&host(site)).unwrap();
        assert_eq!(mode.load(Ordering::SeqCst), PASS, "it was lost");
        assert_eq!(left(&straight, site), "0");
        assert!(writer.audit(0).unwrap().balanced());
    }
    let ledger = "SELECT count(), sum(views) FROM DB.ledger WHERE kind = 'erase'";
    assert_eq!(rows(&straight, ledger), "8\t-378");
}

#[test]
fn killed_while_erasing_the_books_balance_at_once_and_the_site_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ClickHouse::start(Some(folder.path()), &[]);
    let database = server.database();
    let at = |server: &ClickHouse| settings(server, database.clone());
    let mut writer = Writer::connect(&at(&server)).unwrap();
    for round in 0u64..4 {
        three_weeks_from(&mut writer, 1 + round * 21);
        let mut killed = false;
        std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20 + 40 * round));
                server.kill();
            });
            killed |= writer.erase_site(&host("a.example")).is_err();
            killer.join().unwrap();
        });
        server = ClickHouse::start(Some(folder.path()), &[]);
        let reader = Reader::connect(&at(&server)).unwrap();
        assert!(reader.audit(0).unwrap().balanced(), "round {round}, killed {killed}");
        writer = Writer::connect(&at(&server)).unwrap();
        writer.erase_site(&host("a.example")).unwrap();
        let sites =
            server.query(&format!("SELECT DISTINCT site FROM {database}.counts WHERE site != ''"));
        assert_eq!(sites.trim(), "b.example");
        assert!(writer.audit(0).unwrap().balanced());
        writer.restore_site(&host("a.example")).unwrap();
    }
}

fn three_weeks_from(writer: &mut Writer, first: u64) {
    for step in 0..21u32 {
        let day = FIRST_DAY + step;
        let cells = SITES.map(|site| page(site, day, NAMES[step as usize % 9], 2));
        apply(writer, &insert_on("kafka:hits:0", first + u64::from(step), day, &cells));
    }
}

#[test]
fn a_reader_sees_balanced_books_while_sites_and_weeks_go() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    let (done, looks) = (AtomicBool::new(false), std::sync::atomic::AtomicU32::new(0));
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let reader = Reader::connect(&settings).unwrap();
            while !done.load(Ordering::SeqCst) {
                let books = reader.audit(0).unwrap();
                assert!(books.balanced(), "{books:?}");
                looks.fetch_add(1, Ordering::SeqCst);
            }
        });
        writer.erase_site(&host("a.example")).unwrap();
        writer.purge_older(Day(FIRST_DAY + 8)).unwrap();
        writer.purge_older(Day(FIRST_DAY + 15)).unwrap();
        while looks.load(Ordering::SeqCst) < 3 {
            std::thread::sleep(Duration::from_millis(5));
        }
        done.store(true, Ordering::SeqCst);
        watching.join().unwrap();
    });
}

#[test]
fn old_weeks_are_dropped_and_progress_stays() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    let mut wide = insert_on("kafka:hits:1", 1, FIRST_DAY, &[page("a.example", FIRST_DAY, "/", 1)]);
    wide.hi = 40;
    wide.last_seqs.push(BatchId { collector: 9, epoch: 2, seq: 6 });
    apply(&mut writer, &wide);
    let before = writer.standing("kafka:hits:0").unwrap();
    // 2026-01-07 is a Wednesday: its week begins on the 5th.
    let oldest = Day::parse("2026-01-07").unwrap();
    let removed = writer.purge_older(oldest).unwrap();
    assert_eq!(removed.cells, 6 * 11 + 1);
    let weeks = "SELECT DISTINCT week FROM DB.counts ORDER BY week";
    assert_eq!(rows(&settings, weeks), "2026-01-05\n2026-01-12");
    let reader = Reader::connect(&settings).unwrap();
    assert_eq!(reader.oldest_readable().unwrap(), oldest);
    assert_eq!(reader.first_day(&host("a.example")).unwrap(), Some(oldest));
    let check = |writer: &mut Writer| {
        assert_eq!(writer.standing("kafka:hits:0").unwrap(), before);
        let other = writer.standing("kafka:hits:1").unwrap();
        assert_eq!((other.applied, other.last_seqs.len()), (40, 2));
        assert!(writer.audit(0).unwrap().balanced());
    };
    check(&mut writer);
    let mut again = Writer::connect(&settings).unwrap();
    check(&mut again);
    let floors = "SELECT src, lo, hi FROM DB.ledger WHERE kind = 'floor' ORDER BY src, lo";
    assert_eq!(rows(&settings, floors), "kafka:hits:0\t1\t11\nkafka:hits:1\t1\t40");
    // What was dropped cannot come again.
    let replay = insert_on("kafka:hits:0", 3, FIRST_DAY, &[page("a.example", FIRST_DAY, "/", 1)]);
    assert!(matches!(
        again.apply(&replay, 0),
        Err(ApplyError::Refused(StoreError::OutOfOrder { .. }))
    ));
    // An insert that was closed long ago goes to a week that is still kept.
    let late = insert_on("kafka:hits:1", 41, FIRST_DAY, &[page("a.example", FIRST_DAY, "/", 1)]);
    apply(&mut again, &late);
    assert_eq!(rows(&settings, weeks), "2026-01-05\n2026-01-12");
    assert!(again.audit(0).unwrap().balanced());
    // Another week later the floors are joined and move on.
    again.purge_older(oldest.plus(7)).unwrap();
    assert_eq!(rows(&settings, weeks), "2026-01-12");
    assert_eq!(rows(&settings, floors), "kafka:hits:0\t1\t18\nkafka:hits:1\t1\t41");
    assert_eq!(writer.standing("kafka:hits:0").unwrap(), before);
    assert!(again.audit(0).unwrap().balanced());
    // Nothing to do is no work.
    assert_eq!(again.purge_older(oldest.plus(7)).unwrap(), Default::default());
}

/// Whether a text is in a file below a folder.
fn on_disk(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return on_disk(&path, text);
        }
        std::fs::read(&path).is_ok_and(|bytes| crate::sqlite::tests::holds(&bytes, text))
    })
}

/// Names are packed on the disk, so that a search would find none: they are plain here, and what a
/// server does in its own time is done at once.
#[test]
fn dropped_weeks_leave_no_bytes_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let server = ClickHouse::start(Some(folder.path()), &[]);
    let settings = settings(&server, server.database());
    let mut writer = Writer::connect(&settings).unwrap();
    for change in [
        "MODIFY COLUMN name String CODEC(NONE)",
        "MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1, \
         cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 2",
    ] {
        server.query(&format!("ALTER TABLE {}.counts {change}", settings.database));
    }
    for (lo, day, name) in [(1, FIRST_DAY, "/vergangen"), (2, FIRST_DAY + 20, "/geblieben")] {
        apply(&mut writer, &insert_on("p-0", lo, day, &[page("a.example", day, name, 1)]));
    }
    let holds = |name| on_disk(folder.path(), name);
    assert!(holds("/vergangen") && holds("/geblieben"));
    writer.purge_older(Day(FIRST_DAY + 14)).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(300);
    while holds("/vergangen") && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!holds("/vergangen") && holds("/geblieben"));
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn old_buckets_of_late_batches_are_taken_out_of_younger_weeks() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let old = [
        page("a.example", FIRST_DAY, "/secret-old", 3),
        source("a.example", FIRST_DAY - 1, "old.example", 4),
        page("a.example", FIRST_DAY + 20, "/new", 1),
    ];
    apply(&mut writer, &insert_on("p-0", 1, FIRST_DAY + 20, &old));
    let removed = writer.purge_older(Day(FIRST_DAY + 14)).unwrap();
    assert_eq!((removed.cells, removed.totals.views), (2, 11));
    assert_eq!(rows(&settings, "SELECT DISTINCT name FROM DB.counts WHERE name != ''"), "/new");
    let ledger = "SELECT src, views FROM DB.ledger ORDER BY src";
    assert_eq!(rows(&settings, ledger), "(retention)\t-11\np-0\t12");
    assert!(writer.audit(0).unwrap().balanced());
    assert_eq!(writer.standing("p-0").unwrap().applied, 1);
}

/// Its inserts are closed in a week that goes while it writes.
#[test]
fn a_writer_that_goes_on_while_weeks_are_dropped_loses_nothing() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let mut other = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    let oldest = Day::parse("2026-01-07").unwrap();
    let late =
        |lo| insert_on("kafka:hits:1", lo, FIRST_DAY, &[page("a.example", FIRST_DAY, "/late", 1)]);
    let purged = AtomicBool::new(false);
    let mut written = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            writer.purge_older(oldest).unwrap();
            purged.store(true, Ordering::SeqCst);
        });
        loop {
            let is_last = purged.load(Ordering::SeqCst);
            written += 1;
            apply(&mut other, &late(written));
            if is_last {
                break;
            }
        }
    });
    let mut writer = Writer::connect(&settings).unwrap();
    let check = |writer: &mut Writer| {
        assert!(writer.audit(0).unwrap().balanced());
        assert_eq!(writer.standing("kafka:hits:1").unwrap().applied, written);
    };
    check(&mut writer);
    // A second purge of the same day drops what came into old weeks meanwhile, without a floor.
    writer.purge_older(oldest).unwrap();
    check(&mut Writer::connect(&settings).unwrap());
    let weeks = "SELECT min(week) FROM DB.counts";
    assert_eq!(rows(&settings, weeks), "2026-01-05");
}

#[test]
fn a_purge_that_was_killed_goes_on() {
    let settings = fresh();
    let oldest = Day::parse("2026-01-07").unwrap();
    let cut = week_of(oldest);
    let mut writer = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    // Killed after the floors, before they count; and then after they count, before the drop.
    writer.write_floors(cut, date(cut).unwrap()).unwrap();
    assert!(writer.audit(0).unwrap().balanced());
    let mut writer = Writer::connect(&settings).unwrap();
    facts::put(&writer.link, &[(facts::FLOORED_BEFORE_DAY, cut.0.into())]).unwrap();
    assert!(writer.audit(0).unwrap().balanced());
    // The next purge is a week later.
    let mut writer = Writer::connect(&settings).unwrap();
    writer.purge_older(oldest.plus(7)).unwrap();
    assert_eq!(rows(&settings, "SELECT DISTINCT week FROM DB.counts"), "2026-01-12");
    let floors = "SELECT src, lo, hi FROM DB.ledger WHERE kind = 'floor'";
    assert_eq!(rows(&settings, floors), "kafka:hits:0\t1\t18");
    assert!(writer.audit(0).unwrap().balanced());
    assert_eq!(writer.standing("kafka:hits:0").unwrap().applied, 21);
}

#[test]
fn days_before_the_oldest_readable_are_hidden_at_once() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    three_weeks(&mut writer);
    let reader = Reader::connect(&settings).unwrap();
    writer.set_oldest_readable(Day(FIRST_DAY + 20)).unwrap();
    assert_eq!(answers(&reader)[0], "1 1");
    for view in ["site_counts", "page_counts", "attribute_counts"] {
        let count =
            rows(&settings, &format!("SELECT count() FROM DB.{view} WHERE site = 'a.example'"));
        assert_eq!(count, "1", "{view}");
    }
    assert_eq!(reader.oldest_readable().unwrap(), Day(FIRST_DAY + 20));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Batches, an erasure and two purges in any order of days: books and answers as in SQLite.
    #[test]
    fn removals_leave_what_sqlite_keeps(
        parts in proptest::collection::vec((cells(60), 0u32..20), 2..5),
        purges in (0..DAYS, 0..DAYS), erased in 0usize..3,
        questions in proptest::collection::vec((any_question(), 0u32..7), 12),
    ) {
        let (place, settings) = (Place::new(), fresh());
        let mut file = place.writer();
        let mut server = Writer::connect(&settings).unwrap();
        let half = parts.len() / 2;
        for (lo, (cells, day)) in (1u64..).zip(&parts) {
            let insert = insert_on("kafka:hits:0", lo, FIRST_DAY + day, cells);
            file.apply(&insert).unwrap();
            apply(&mut server, &insert);
            let (first, second) = (purges.0.min(purges.1), purges.0.max(purges.1));
            let steps = [(half, first), (parts.len(), second)];
            for (_, day) in steps.into_iter().filter(|it| u64::try_from(it.0).unwrap() == lo) {
                file.purge_older(Day(FIRST_DAY + day)).unwrap();
                server.purge_older(Day(FIRST_DAY + day)).unwrap();
                prop_assert!(server.audit(0).unwrap().balanced());
                prop_assert_eq!(server.standing("kafka:hits:0").unwrap().applied, lo);
            }
        }
        if let Some(site) = SITES.get(erased) {
            file.erase_site(&host(site)).unwrap();
            server.erase_site(&host(site)).unwrap();
        }
        prop_assert!(server.audit(0).unwrap().balanced());
        let (file, server) = (place.reader(), Reader::connect(&settings).unwrap());
        for (asked, k) in questions {
            let asked = Question { k, ..asked };
            if let Ok(wanted) = file.ask(&asked) {
                prop_assert_eq!(server.ask(&asked).unwrap(), wanted, "{:?}", asked);
            }
        }
        prop_assert_eq!(server.sites_with_counts().unwrap(), file.sites_with_counts().unwrap());
    }
}
