//! Retention and erasure: at once for readers, then gone from the disk, and the books balance.

use std::fmt::Write as _;

use super::*;
use crate::error::StoreError;

#[test]
fn retention_keeps_its_first_day_and_nothing_older() {
    let place = Place::new();
    let mut writer = place.writer();
    let limit = FIRST_DAY + 5;
    let last_hour = |day: u32| Day(day).last_hour();
    let one = Counts { views: 1, ..Counts::ZERO };
    let old = [
        ("a.example", CellKey::Page { hour: last_hour(limit - 1), page: "/old" }, one),
        ("a.example", CellKey::Site { hour: last_hour(limit - 1) }, one),
        source("b.example", limit - 1, "/old", 9),
    ];
    let kept = [
        page("a.example", limit, "/kept", 1),
        source("a.example", limit, "/kept", 9),
        ("b.example", CellKey::Site { hour: Day(limit).first_hour() }, one),
    ];
    writer.apply(&insert("p-0", 1, &[&old[..], &kept[..]].concat())).unwrap();
    // Hidden at once …
    writer.set_oldest_readable(Day(limit)).unwrap();
    assert_eq!(views::stored(&place), model(&kept));
    assert_eq!(place.reader().first_day(&host("a.example")).unwrap(), Some(Day(limit)));
    writer.set_oldest_readable(Day(limit - 1)).unwrap();
    assert_eq!(views::stored(&place).len(), 6);
    // … and then gone.
    let removed = writer.purge_older(Day(limit)).unwrap();
    assert_eq!((removed.cells, removed.totals), (3, insert("", 1, &old).totals));
    assert_eq!(views::stored(&place), model(&kept));
    assert!(writer.audit(1).unwrap().balanced());
    assert!(!holds(&place.bytes(), "/old") && holds(&place.bytes(), "/kept"));
    assert_eq!(writer.purge_older(Day(limit)).unwrap(), Removed::default());
    assert_eq!(place.reader().oldest_readable().unwrap(), Day(limit));
}

/// Many names in an order that splits and joins pages of the file, some long enough to overflow.
fn names(prefix: &str, number: u32) -> Vec<String> {
    (0..number)
        .map(|n| {
            let scattered = n.wrapping_mul(2_654_435_761) % 1_000_003;
            let mut name = format!("/{prefix}-{scattered}-{prefix}/");
            for _ in 0..(if n % 97 == 0 { 500 } else { n % 13 }) {
                write!(name, "{prefix}").unwrap();
            }
            name
        })
        .collect()
}

fn apply_named(writer: &mut Writer, seq: u64, (site, day): (&str, u32), names: &[String]) {
    let one = Counts { views: 1, visitors: 1, ..Counts::ZERO };
    let hour = Day(day).first_hour();
    let batches = vec![
        Batch::new(names.iter().map(|page| (site, CellKey::Page { hour, page: &**page }, one)))
            .unwrap(),
    ];
    let totals = Insert::totals_of(&batches).unwrap();
    let src = "p-0".to_owned();
    let insert = Insert { src, lo: seq, hi: seq, batches, totals, ..Insert::default() };
    writer.apply(&insert).unwrap();
}

#[test]
fn an_erased_site_leaves_no_bytes() {
    let place = Place::new();
    let mut writer = place.writer();
    let (mine, yours) = (names("keepme", 4_000), names("eraseme", 4_000));
    for (seq, start) in (0u64..).zip((0..4_000).step_by(500)) {
        let part = start..start + 500;
        apply_named(&mut writer, 2 * seq + 1, ("mine.example", 1), &mine[part.clone()]);
        apply_named(&mut writer, 2 * seq + 2, ("yours.example", 1), &yours[part]);
    }
    assert!(holds(&place.bytes(), "eraseme") && holds(&place.bytes(), "yours.example"));
    let reader = place.reader();
    let size = std::fs::metadata(place.path()).unwrap().len();
    let removed = writer.erase_site(&host("yours.example")).unwrap();
    assert_eq!((removed.cells, removed.totals.views), (4_000, 4_000));
    let bytes = place.bytes();
    assert!(!holds(&bytes, "eraseme") && !holds(&bytes, "yours.example"));
    assert!(holds(&bytes, "keepme") && holds(&bytes, "mine.example"));
    assert!(std::fs::metadata(place.path()).unwrap().len() < size);
    assert!(writer.audit(1).unwrap().balanced());
    assert_eq!(reader.sites_with_counts().unwrap(), [host("mine.example")]);
    // A replay of what was erased is refused: the ledger has gone past it.
    let replay = insert("p-0", 2, &[]);
    assert!(matches!(writer.apply(&replay), Err(StoreError::OutOfOrder { expected: 17, .. })));
    // Again, and a site that never was: no error, nothing to do.
    assert_eq!(writer.erase_site(&host("yours.example")).unwrap(), Removed::default());
    apply_named(&mut writer, 17, ("yours.example", 1), &yours[..3]);
    drop(writer);
    assert_eq!(place.writer().erase_site(&host("yours.example")).unwrap().cells, 3);
}

#[test]
fn purging_day_by_day_leaves_no_bytes_of_any_day() {
    let place = Place::new();
    let mut writer = place.writer();
    let tags = ["qzero", "qone", "qtwo", "qthree", "qfour", "qfive"];
    for (seq, tag) in (1u32..).zip(tags) {
        apply_named(&mut writer, seq.into(), ("a.example", seq), &names(tag, 1_500));
    }
    for (day, tag) in (1u32..).zip(tags) {
        writer.purge_older(Day(day + 1)).unwrap();
        let bytes = place.bytes();
        for (other_day, other) in (1u32..).zip(tags) {
            assert_eq!(holds(&bytes, other), other_day > day, "{tag} {other}");
        }
        assert!(writer.audit(1).unwrap().balanced());
    }
}

/// More cells than one transaction takes: several ledger rows, all balanced.
#[test]
fn large_removals_go_in_steps() {
    let place = Place::new();
    let mut writer = place.writer();
    let one = Counts { views: 1, clicks: 2, ..Counts::ZERO };
    for part in 0..5u32 {
        let hours = part * 10_000..(part + 1) * 10_000;
        let cells: Vec<Cell> =
            hours.map(|hour| ("a.example", CellKey::Site { hour: Hour(hour) }, one)).collect();
        writer.apply(&insert("p-0", u64::from(part) + 1, &cells)).unwrap();
    }
    let removed = writer.purge_older(Hour(45_000).day()).unwrap();
    assert_eq!((removed.cells, removed.totals.clicks), (45_000, 90_000));
    let raw = rusqlite::Connection::open(place.path()).unwrap();
    let sql = "SELECT count(*), min(views), sum(cells) FROM ledger WHERE kind = 'retention'";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    assert_eq!(raw.query_row(sql, [], read).unwrap(), (3i64, -20_000i64, 45_000i64));
    assert!(writer.audit(1).unwrap().balanced());
    writer.compact_ledger(Day(u32::MAX)).unwrap();
    assert!(writer.audit(1).unwrap().balanced());
}

/// Until the names are wiped the file remembers that they must be, whatever happens in between.
#[test]
fn a_wipe_that_was_interrupted_is_made_up_for() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.apply(&insert("p-0", 1, &[page("a.example", FIRST_DAY, "/old", 1)])).unwrap();
    let reading = rusqlite::Connection::open(place.path()).unwrap();
    reading.execute_batch("BEGIN; SELECT * FROM counts").unwrap();
    writer.conn.busy_timeout(std::time::Duration::ZERO).unwrap();
    let error = writer.erase_site(&host("a.example")).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }) && error.is_retryable());
    assert!(views::stored(&place).is_empty());
    drop(reading);
    drop(writer);
    place.writer().erase_site(&host("a.example")).unwrap();
    assert!(!holds(&place.bytes(), "/old"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn what_is_left_is_what_was_not_removed(
        before in cells(60), after in cells(20), limit in 0..DAYS + 1,
    ) {
        let place = Place::new();
        let mut writer = place.writer();
        writer.apply(&insert("p-0", 1, &before)).unwrap();
        writer.purge_older(Day(FIRST_DAY + limit)).unwrap();
        prop_assert!(writer.audit(1).unwrap().balanced());
        writer.erase_site(&host("b.example")).unwrap();
        prop_assert!(writer.audit(2).unwrap().balanced());
        let mut left = before;
        left.retain(|(site, key, _)| *site == "a.example" && key.day() >= Day(FIRST_DAY + limit));
        prop_assert_eq!(views::stored(&place), model(&left));
        writer.apply(&insert("p-0", 2, &after)).unwrap();
        prop_assert!(writer.audit(3).unwrap().balanced());
        left.extend(after.into_iter().filter(|cell| cell.1.day() >= Day(FIRST_DAY + limit)));
        prop_assert_eq!(views::stored(&place), model(&left));
    }
}
