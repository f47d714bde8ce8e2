//! Notes of imported files: together with their counts or not at all.

use headcount_core::batch::Batch;
use headcount_core::cell::{CellKey, Counts};
use headcount_core::site::SiteHost;
use headcount_core::time::Day;

use crate::error::StoreError;
use crate::insert::Insert;
use crate::sqlite::{ImportNote, Writer};

const DAY: Day = Day(20_000);

fn host(text: &str) -> SiteHost {
    SiteHost::parse(text).unwrap()
}

fn note(lines: u64) -> ImportNote {
    ImportNote {
        id: u64::MAX - 4,
        first_hour: 480_000,
        lines,
        last_day: DAY,
        digest: [7; 16],
        waymarks: vec![[1; 16], [2; 16]],
    }
}

fn insert(note: &ImportNote, lo: u64) -> Insert {
    let counts = Counts { views: 2, ..Counts::ZERO };
    let key = CellKey::Page { hour: DAY.first_hour(), page: "/a" };
    let batches = vec![Batch::new([("example.org", key, counts)]).unwrap()];
    Insert {
        src: note.src(),
        lo,
        hi: note.lines,
        closed_day: DAY,
        totals: Insert::totals_of(&batches).unwrap(),
        batches,
        last_seqs: Vec::new(),
    }
}

#[test]
fn a_note_stays_its_sites() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(&dir.path().join("counts.db")).unwrap();
    let (site, other, first) = (host("example.org"), host("example.net"), note(100));
    writer.apply_import(&site, &[insert(&first, 1)], &first).unwrap();
    let second = note(150);
    let taken = writer.apply_import(&other, &[insert(&second, 101)], &second);
    assert!(matches!(taken, Err(StoreError::BadInsert { .. })), "{taken:?}");
    assert_eq!(writer.imports(&site).unwrap(), [first]);
    assert_eq!(writer.imports(&other).unwrap(), []);
}

#[test]
fn a_note_and_its_counts_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(&dir.path().join("counts.db")).unwrap();
    let (site, first) = (host("example.org"), note(100));
    writer.apply_import(&site, &[insert(&first, 1)], &first).unwrap();
    assert_eq!(writer.imports(&site).unwrap(), std::slice::from_ref(&first));
    assert_eq!(writer.imports(&host("example.net")).unwrap(), []);
    // Another run of the same lines changes nothing, and neither does its note.
    let twice = writer.apply_import(
        &site,
        &[insert(&first, 1)],
        &ImportNote { digest: [9; 16], ..first.clone() },
    );
    assert!(matches!(twice, Err(StoreError::OutOfOrder { .. })));
    assert_eq!(writer.imports(&site).unwrap(), [first]);
    let grown = note(150);
    writer.apply_import(&site, &[insert(&grown, 101)], &grown).unwrap();
    assert_eq!(writer.imports(&site).unwrap(), std::slice::from_ref(&grown));
    assert_eq!(writer.progress(&grown.src()).unwrap().applied, 150);
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn a_note_goes_with_its_site_and_with_its_days() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(&dir.path().join("counts.db")).unwrap();
    let (site, first) = (host("example.org"), note(100));
    writer.apply_import(&site, &[insert(&first, 1)], &first).unwrap();
    writer.purge_older(DAY).unwrap();
    assert_eq!(writer.imports(&site).unwrap().len(), 1);
    writer.purge_older(DAY.plus(1)).unwrap();
    assert_eq!(writer.imports(&site).unwrap(), []);
    let next = ImportNote { id: 5, ..note(100) };
    writer.apply_import(&site, &[insert(&next, 1)], &next).unwrap();
    writer.erase_site(&host("example.net")).unwrap();
    assert_eq!(writer.imports(&site).unwrap().len(), 1);
    writer.erase_site(&site).unwrap();
    assert_eq!(writer.imports(&site).unwrap(), []);
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn a_note_with_a_flipped_bit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(&dir.path().join("counts.db")).unwrap();
    let (site, first) = (host("example.org"), note(100));
    writer.apply_import(&site, &[insert(&first, 1)], &first).unwrap();
    writer.conn.execute("UPDATE imports SET lines = lines + 1", []).unwrap();
    assert!(matches!(writer.imports(&site), Err(StoreError::Damaged { .. })));
}

#[test]
fn only_a_file_of_which_nothing_was_counted_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(&dir.path().join("counts.db")).unwrap();
    let (site, full) = (host("example.org"), note(100));
    let empty = ImportNote { id: 7, ..note(50) };
    let (batches, totals) = (Vec::new(), Counts::ZERO);
    let nothing = Insert { batches, totals, ..insert(&empty, 1) };
    writer.apply_import(&site, &[insert(&full, 1)], &full).unwrap();
    writer.apply_import(&site, &[nothing], &empty).unwrap();
    assert!(!writer.forget_empty_import(&full).unwrap());
    assert!(writer.forget_empty_import(&empty).unwrap());
    assert!(!writer.forget_empty_import(&empty).unwrap());
    assert_eq!(writer.imports(&site).unwrap(), [full]);
}
