//! Inserts: each once, in order, with its ledger row; the books balance at every moment.

use headcount_core::ledger::Verdict;

use super::*;
use crate::error::StoreError;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Two sources send batches in any order and again; what comes out is each once.
    #[test]
    fn any_order_with_resends_applies_each_once(
        batches in proptest::collection::vec(cells(12), 1..8),
        arrivals in proptest::collection::vec((0usize..2, 0usize..8), 0..60),
    ) {
        let place = Place::new();
        let mut writer = place.writer();
        let sources = ["p-0", "p-1"];
        let mut applied: Vec<Cell> = Vec::new();
        for (now, (source, at)) in (1..).zip(arrivals) {
            let Some(cells) = batches.get(at) else { continue };
            let seq = u64::try_from(at).unwrap() + 1;
            let before = writer.progress(sources[source]).unwrap();
            match (before.judge(seq), writer.apply(&insert(sources[source], seq, cells))) {
                (Verdict::Apply, Ok(done)) => {
                    prop_assert_eq!(done.progress.applied, seq);
                    applied.extend(cells);
                }
                (
                    Verdict::Repeat | Verdict::Gap { .. },
                    Err(StoreError::OutOfOrder { expected, .. }),
                ) => prop_assert_eq!(expected, before.applied + 1),
                (verdict, outcome) => prop_assert!(false, "{verdict:?} {outcome:?}"),
            }
            prop_assert!(writer.audit(now).unwrap().balanced());
        }
        prop_assert_eq!(views::stored(&place), model(&applied));
        // And the same after a restart, which reads and checks everything.
        drop(writer);
        let mut writer = place.writer();
        prop_assert!(writer.audit(1).unwrap().balanced());
        for source in sources {
            let applied = writer.progress(source).unwrap().applied;
            let last = writer.last_seqs(source).unwrap();
            prop_assert_eq!(last.first().map_or(0, |id| id.seq), applied);
        }
    }
}

#[test]
fn equal_cells_of_several_batches_add_up_and_one_row_is_written() {
    let place = Place::new();
    let mut writer = place.writer();
    let cell = page("a.example", FIRST_DAY, "/", 2);
    let batches = vec![Batch::new([cell]).unwrap(), Batch::new([cell]).unwrap()];
    let insert = Insert {
        src: "p-0".into(),
        lo: 1,
        hi: 2,
        totals: Insert::totals_of(&batches).unwrap(),
        batches,
        ..Insert::default()
    };
    let applied = writer.apply(&insert).unwrap();
    assert_eq!((applied.cells, applied.progress.applied), (1, 2));
    assert_eq!(views::stored(&place), model(&[cell, cell]));
}

#[test]
fn refuses_inserts_that_contradict_themselves() {
    let place = Place::new();
    let mut writer = place.writer();
    let good = insert("p-0", 1, &[page("a.example", FIRST_DAY, "/", 2)]);
    let refused = |change: &dyn Fn(&mut Insert)| {
        let mut bad = good.clone();
        change(&mut bad);
        matches!(bad.check(), Err(StoreError::BadInsert { .. }))
    };
    assert!(good.check().is_ok());
    assert!(refused(&|it| it.src.clear()));
    assert!(refused(&|it| it.src = "(erase)".into()));
    assert!(refused(&|it| it.lo = 0));
    assert!(refused(&|it| it.hi = 0));
    assert!(refused(&|it| it.hi = u64::MAX));
    assert!(refused(&|it| it.totals.views += 1));
    writer.apply(&good).unwrap();
    let mut back = insert("p-0", 2, &[]);
    back.last_seqs = vec![BatchId { collector: u64::MAX, epoch: 1, seq: 0 }];
    assert!(matches!(writer.apply(&back), Err(StoreError::BadInsert { .. })));
    assert_eq!(writer.progress("p-0").unwrap().applied, 1);
}

/// A failed insert must leave no id in the cache that the file does not have.
#[test]
fn a_rolled_back_insert_leaves_no_name_behind() {
    let place = Place::new();
    let mut writer = place.writer();
    let cell = page("a.example", FIRST_DAY, "/new", 2);
    let mut bad = insert("p-0", 1, &[cell]);
    bad.last_seqs = vec![
        BatchId { collector: 1, epoch: 1, seq: 5 },
        BatchId { collector: 1, epoch: 1, seq: 4 },
    ];
    assert!(writer.apply(&bad).is_err());
    writer.apply(&insert("p-0", 1, &[page("a.example", FIRST_DAY, "/else", 1), cell])).unwrap();
    assert!(writer.audit(1).unwrap().balanced());
    assert_eq!(views::stored(&place).len(), 2);
}

/// `headcount site erase` may run as another process while `up` holds names in its cache.
#[test]
fn another_writer_may_erase_names_that_are_cached_here() {
    let place = Place::new();
    let (mut ours, mut theirs) = (place.writer(), place.writer());
    let cell = page("a.example", FIRST_DAY, "/", 2);
    ours.apply(&insert("p-0", 1, &[cell])).unwrap();
    theirs.erase_site(&host("a.example")).unwrap();
    theirs.apply(&insert("p-1", 1, &[page("b.example", FIRST_DAY, "/b", 1)])).unwrap();
    ours.apply(&insert("p-0", 2, &[cell])).unwrap();
    assert!(ours.audit(1).unwrap().balanced());
    assert_eq!(views::stored(&place), model(&[cell, page("b.example", FIRST_DAY, "/b", 1)]));
}

#[test]
fn a_count_cannot_pass_the_limit() {
    let place = Place::new();
    let mut writer = place.writer();
    let most = (
        "a.example",
        CellKey::Site { hour: Hour(1) },
        Counts { views: i64::MAX.unsigned_abs(), ..Counts::ZERO },
    );
    writer.apply(&insert("p-0", 1, &[most])).unwrap();
    assert!(writer.apply(&insert("p-0", 2, &[most])).is_err());
    assert!(writer.audit(1).unwrap().balanced());
    assert_eq!(views::stored(&place), model(&[most]));
}

#[test]
fn the_ledger_has_one_row_a_day_and_stays_true() {
    let place = Place::new();
    let mut writer = place.writer();
    for seq in 1..=30u64 {
        for src in ["p-0", "p-1"] {
            let mut insert = insert(src, seq, &[page("a.example", FIRST_DAY, "/", seq)]);
            insert.closed_day = Day(FIRST_DAY + u32::try_from(seq / 10).unwrap());
            writer.apply(&insert).unwrap();
        }
    }
    let raw = rusqlite::Connection::open(place.path()).unwrap();
    let rows: i64 = raw.query_row("SELECT count(*) FROM ledger", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2 * 4);
    assert_eq!(writer.compact_ledger(Day(FIRST_DAY + 9)).unwrap(), 0);
    assert!(writer.audit(1).unwrap().balanced());
    assert_eq!(writer.progress("p-1").unwrap().applied, 30);
    let next = insert("p-0", 31, &[]);
    writer.apply(&next).unwrap();
    assert!(writer.apply(&next).is_err());
}

#[test]
fn books_show_what_is_missing_and_what_is_misplaced() {
    let place = Place::new();
    let mut writer = place.writer();
    let cells = [page("a.example", FIRST_DAY, "/", 3), page("b.example", FIRST_DAY, "/b", 3)];
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    let next_day = Insert { closed_day: Day(FIRST_DAY + 9), ..insert("p-0", 2, &[]) };
    writer.apply(&next_day).unwrap();
    let tamper = |sql: &str| {
        let raw = rusqlite::Connection::open(place.path()).unwrap();
        raw.execute_batch(sql).unwrap();
    };
    assert!(writer.audit(7).unwrap().balanced());
    assert_eq!(place.reader().books_now().unwrap().map(|it| it.checked_at), Some(7));
    tamper("UPDATE counts SET views = views + 2 WHERE site = 1");
    assert_eq!(writer.audit(8).unwrap().audit_delta, 2);
    // Totals are right again, and yet a view stands under the wrong site.
    tamper("UPDATE counts SET views = views - 2 WHERE site = 2");
    let books = place.reader().audit(9).unwrap();
    assert_eq!((books.audit_delta, books.tiled), (1, true));
    assert_eq!(place.reader().books_now().unwrap().map(|it| it.audit_delta), Some(2));
    writer.record_audit(&books).unwrap();
    assert_eq!(place.reader().books_now().unwrap(), Some(books));
    tamper("DELETE FROM ledger_rows WHERE lo = 1");
    assert!(!writer.audit(10).unwrap().tiled);
    drop(writer);
    assert!(matches!(Writer::open(&place.path()), Err(StoreError::Damaged { .. })));
}
