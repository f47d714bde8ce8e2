//! The edge file under enemies: resends, restarts, cut-off and bit-flipped files.

mod flips;

use headcount_core::cell::{CellKey, Counts};
use headcount_core::time::{Day, Hour};
use proptest::prelude::*;

use super::*;
use crate::names::{NameId, NameKind};

fn cell(page: u32, views: u64) -> EdgeCell {
    let key = CellKey::Page { hour: Hour(24), page: NameId(page) };
    (SiteId(1), key, Counts { views, ..Counts::ZERO })
}

fn name(id: u32) -> Name {
    let text = format!("/a-page-with-a-longer-name-{id}").into();
    Name { id: NameId(id), site: SiteId(1), day: Day(1), kind: NameKind::Page, text }
}

fn views(recovered: &Recovered) -> Vec<EdgeCell> {
    let rule = crate::release::ReleaseRule { crowd: 8, admission: false };
    recovered.held.plan(rule, (Day(1), true), |_, _| false).leaving
}

/// A file with names, journal, cells and outbox; closed as a crash leaves it if `crash`.
fn filled(path: &Path, crash: bool) -> Vec<EdgeCell> {
    let (mut file, _) = EdgeFile::open(path, 7).unwrap();
    file.site_id(&SiteHost::parse("example.org").unwrap()).unwrap();
    let names: Vec<Name> = (1..40).map(name).collect();
    file.commit(Step { names: &names, increments: &[cell(1, 1)], ..Step::default() }).unwrap();
    let folding = Folding {
        write: &[cell(1, 1)],
        batches: vec![(0, vec![1; 600]), (0, vec![2; 5_000])],
        ..Folding::default()
    };
    file.commit(Step { release: Some(folding), ..Step::default() }).unwrap();
    for page in 2..40 {
        file.commit(Step { increments: &[cell(page, 2)], ..Step::default() }).unwrap();
    }
    if crash {
        let copy = path.with_extension("copy");
        for end in ["", "-wal"] {
            let end_of = |p: &Path| format!("{}{end}", p.display());
            std::fs::copy(end_of(path), end_of(&copy)).unwrap();
        }
        drop(file);
        for end in ["", "-wal"] {
            let end_of = |p: &Path| format!("{}{end}", p.display());
            std::fs::rename(end_of(&copy), end_of(path)).unwrap();
        }
    }
    let mut cells = vec![cell(1, 1)];
    cells.extend((2..40).map(|page| cell(page, 2)));
    cells
}

#[test]
fn finds_everything_again() {
    for crash in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge.db");
        let expect = filled(&path, crash);
        let (mut file, recovered) = EdgeFile::open(&path, 9).unwrap();
        assert_eq!(views(&recovered), expect);
        assert_eq!(recovered.outbox.len(), 2);
        assert_eq!(recovered.names.len(), 39);
        assert_eq!(file.lane().0, 7);
        let acked = recovered.outbox[0].id;
        file.commit(Step { acked: &[(0, acked)], ..Step::default() }).unwrap();
        drop(file);
        let (file, recovered) = EdgeFile::open(&path, 9).unwrap();
        assert_eq!(recovered.outbox.len(), 1);
        assert_eq!(file.last_seq(0), 2);
    }
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.db");
    let first = EdgeFile::open(&path, 7).unwrap();
    assert!(matches!(EdgeFile::open(&path, 7), Err(EdgeFileError::InUse)));
    drop(first);
}

#[test]
fn foreign_and_newer_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.db");
    std::fs::write(&path, b"a text that somebody keeps here, not a database").unwrap();
    assert!(matches!(EdgeFile::open(&path, 7), Err(EdgeFileError::Foreign)));
    let other = dir.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    assert!(matches!(EdgeFile::open(&other, 7), Err(EdgeFileError::Foreign)));
    let newer = dir.path().join("newer.db");
    drop(EdgeFile::open(&newer, 7).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(EdgeFile::open(&newer, 7), Err(EdgeFileError::Newer { found: 3 })));
}

/// Opens a damaged copy: an error, or exactly what was there.
fn never_wrong(path: &Path, expect: &[EdgeCell]) {
    if let Ok((_, recovered)) = EdgeFile::open(path, 9) {
        assert_eq!(views(&recovered), expect, "a wrong count");
        assert_eq!(recovered.outbox.len(), 2);
    }
}

#[test]
fn an_older_copy_is_refused_until_its_mark_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("edge.db"), dir.path().join("copy.db"));
    drop(EdgeFile::open(&path, 7).unwrap());
    std::fs::copy(&path, &copy).unwrap();
    filled(&path, false);
    std::fs::copy(&copy, &path).unwrap();
    let refused = EdgeFile::open(&path, 7).map(drop);
    assert!(matches!(refused, Err(EdgeFileError::Behind { found: 0, noted: 40 })), "{refused:?}");
    std::fs::remove_file(mark::path_of(&path)).unwrap();
    assert!(EdgeFile::open(&path, 7).is_ok());
}

#[test]
fn each_partition_has_its_own_numbers_and_a_new_epoch_keeps_the_old_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.db");
    let (mut file, _) = EdgeFile::open(&path, 7).unwrap();
    let batches = vec![(0, vec![1]), (2, vec![2]), (0, vec![3])];
    let send = |file: &mut EdgeFile| {
        let release = Some(Folding { batches: batches.clone(), ..Folding::default() });
        file.commit(Step { release, ..Step::default() }).unwrap()
    };
    let sent: Vec<_> = send(&mut file).iter().map(|r| (r.partition, r.id.seq)).collect();
    assert_eq!(sent, [(0, 1), (2, 1), (0, 2)]);
    file.renew_epoch(99).unwrap();
    let sent: Vec<_> =
        send(&mut file).iter().map(|r| (r.id.epoch, r.partition, r.id.seq)).collect();
    assert_eq!(sent, [(99, 0, 1), (99, 2, 1), (99, 0, 2)]);
    drop(file);
    let (mut file, recovered) = EdgeFile::open(&path, 7).unwrap();
    let payloads: Vec<_> = recovered.outbox.iter().map(|r| r.payload[0]).collect();
    assert_eq!(payloads, [1, 2, 3, 1, 2, 3], "in the order of their rows");
    file.commit(Step { acked: &[(0, recovered.outbox[2].id)], ..Step::default() }).unwrap();
    drop(file);
    let (_, recovered) = EdgeFile::open(&path, 7).unwrap();
    let left: Vec<_> = recovered.outbox.iter().map(|r| (r.partition, r.payload[0])).collect();
    assert_eq!(left, [(2, 2), (0, 1), (2, 2), (0, 3)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_never_makes_a_wrong_count(at: prop::sample::Index, bit in 0u8..8, wal: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge.db");
        let expect = filled(&path, wal);
        let victim = if wal { dir.path().join("edge.db-wal") } else { path.clone() };
        let mut bytes = std::fs::read(&victim).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        std::fs::write(&victim, bytes).unwrap();
        never_wrong(&path, &expect);
    }

    #[test]
    fn a_truncated_file_never_makes_a_wrong_count(length: prop::sample::Index, wal: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge.db");
        let expect = filled(&path, wal);
        let victim = if wal { dir.path().join("edge.db-wal") } else { path.clone() };
        let mut bytes = std::fs::read(&victim).unwrap();
        bytes.truncate(length.index(bytes.len()));
        std::fs::write(&victim, bytes).unwrap();
        never_wrong(&path, &expect);
    }
}

/// Where rows of a table lie in the file, in the order of their keys. Checksums are eight bytes that
/// no other row has.
fn places(file: &EdgeFile, path: &Path, table: &str, key: &str) -> Vec<usize> {
    let bytes = std::fs::read(path).unwrap();
    let sql = format!("SELECT checksum FROM {table} ORDER BY {key}");
    let mut statement = file.db().prepare(&sql).unwrap();
    let sums = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(Result::unwrap);
    let place = |sum: i64| bytes.windows(8).position(|at| at == sum.to_be_bytes()).unwrap();
    sums.map(place).collect()
}

/// Where few come a commit is one visit: rows in the order of their coming have its page and its
/// source side by side, and its attributes.
#[test]
fn rows_lie_in_the_order_of_their_keys_and_not_of_their_coming() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.db");
    let (mut file, _) = EdgeFile::open(&path, 7).unwrap();
    file.site_id(&SiteHost::parse("example.org").unwrap()).unwrap();
    // Keys without an order, as random ones.
    for at in 1..=30_u32 {
        let number = at * 17 % 31;
        file.commit(Step { names: &[name(number)], ..Step::default() }).unwrap();
        let folding = Folding { write: &[cell(number, 1)], ..Folding::default() };
        file.commit(Step { release: Some(folding), ..Step::default() }).unwrap();
    }
    file.checkpoint().unwrap();
    let is_by_key = |file: &EdgeFile| {
        [("names", "id"), ("cells", "cell")]
            .map(|(table, key)| places(file, &path, table, key).is_sorted_by(|a, b| a > b))
    };
    assert_eq!(is_by_key(&file), [false, false]);
    file.write_anew().unwrap();
    assert_eq!(is_by_key(&file), [true, true]);
}

/// What was deleted is overwritten, whole pages as well: a row of the journal is a part of one
/// commit, and where few come a commit is one visit.
#[test]
fn free_pages_hold_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.db");
    let (mut file, _) = EdgeFile::open(&path, 7).unwrap();
    file.site_id(&SiteHost::parse("example.org").unwrap()).unwrap();
    for page in 1..2_000 {
        let step = Step { names: &[name(page)], increments: &[cell(page, 1)], ..Step::default() };
        file.commit(step).unwrap();
    }
    let written: Vec<_> = (1..2_000).map(|page| cell(page, 1)).collect();
    let folding = Folding { write: &written[..1], ..Folding::default() };
    file.commit(Step { release: Some(folding), ..Step::default() }).unwrap();
    file.checkpoint().unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("edge.db-wal")).unwrap().len(), 0);
    let bytes = std::fs::read(&path).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    // <https://www.sqlite.org/fileformat2.html#the_freelist>
    let page_bytes = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let (mut trunk, mut free) = (number(32), 0);
    while trunk != 0 {
        let at = (trunk - 1) * page_bytes;
        for leaf in 0..number(at + 4) {
            let from = (number(at + 8 + 4 * leaf) - 1) * page_bytes;
            assert!(bytes[from..from + page_bytes].iter().all(|byte| *byte == 0));
            free += 1;
        }
        trunk = number(at);
    }
    assert!(free > 5, "{free} free pages");
}
