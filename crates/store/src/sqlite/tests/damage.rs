//! Files that are not ours, newer, cut short or changed: an error, never a wrong count.

use super::*;
use crate::error::StoreError;
use crate::question::{By, Metric, Question, TimeBucket};

/// Files that are tried at once.
const AT_ONCE: usize = 4;

/// A small file with everything in it, and no write-ahead log beside it.
fn written() -> (Place, Vec<Cell>) {
    let place = Place::new();
    let mut writer = place.writer();
    let day = FIRST_DAY;
    let counts = Counts { views: 3, visitors: 2, visits: 1, clicks: 4, ..Counts::ZERO };
    let clicks = Counts { clicks: 4, ..Counts::ZERO };
    let refused = Counts { refused: 5, ..Counts::ZERO };
    let (hour, reason) = (Day(day).first_hour(), RefusalReason::Gpc);
    let mut cells = vec![
        ("a.example", CellKey::Site { hour }, counts),
        ("a.example", CellKey::Click { hour, page: "/a", target: "/b" }, clicks),
        ("b.example", CellKey::Refusal { day: Day(day), reason }, refused),
        source("a.example", day, "/a", 7),
    ];
    cells.extend(NAMES.map(|name| page("a.example", day, name, 3)));
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    writer.audit(1).unwrap();
    writer.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(writer);
    (place, cells)
}

fn question() -> Question {
    Question {
        site: host("a.example"),
        from: Day(0),
        to: Day(99_999),
        metrics: vec![Metric::Views, Metric::Visitors, Metric::Visits, Metric::Clicks],
        by: By::Page,
        time: Some(TimeBucket::Hour),
        zone: crate::zone::Zone::default(),
        pages: Vec::new(),
        order: Vec::new(),
        limit: 100,
        offset: 0,
        k: 0,
        open_k: Some(5),
    }
}

/// Every byte in turn has one bit flipped (another bit each time). Whoever opens the file for
/// writing gets an error or the right counts; so does a reader that audits.
#[test]
fn a_flipped_bit_is_an_error_or_harmless() {
    let (place, cells) = written();
    let expect = (model(&cells), place.reader().ask(&question()).unwrap());
    let good = std::fs::read(place.path()).unwrap();
    let places: Vec<usize> =
        (0..good.len()).filter(|at| at % 4096 < 200 || good[*at] != 0).step_by(3).collect();
    let flip = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let other = Place::new();
        std::fs::write(other.path(), &bad).unwrap();
        let read = Reader::open(&other.path()).ok().and_then(|reader| {
            reader.audit(1).ok().filter(crate::question::Books::balanced)?;
            reader.ask(&question()).ok()
        });
        assert!(read.is_none_or(|answer| answer == expect.1), "byte {at} for a reader");
        match Writer::open(&other.path()) {
            Err(_) => true,
            Ok(mut writer) => {
                assert_eq!(views::stored(&other), expect.0, "byte {at}");
                assert_eq!(writer.progress("p-0").unwrap().applied, 1, "byte {at}");
                false
            }
        }
    };
    // On all processors at the end of a run, where this test is the last one.
    let refused: usize = std::thread::scope(|scope| {
        let count = |some: &[usize]| some.iter().filter(|at| flip(**at)).count();
        let parts = places.chunks(places.len().div_ceil(AT_ONCE));
        let running: Vec<_> = parts.map(|some| scope.spawn(move || count(some))).collect();
        running.into_iter().map(|part| part.join().unwrap()).sum()
    });
    assert!(refused > 500, "{refused} refused of {}", places.len());
}

#[test]
fn a_file_cut_short_is_an_error() {
    let (place, _) = written();
    let good = std::fs::read(place.path()).unwrap();
    for length in (1..good.len()).step_by(1_021) {
        std::fs::write(place.path(), &good[..length]).unwrap();
        assert!(Writer::open(&place.path()).is_err(), "{length} of {} bytes", good.len());
        let counted = Reader::open(&place.path())
            .and_then(|reader| reader.audit(1))
            .is_ok_and(|books| books.balanced());
        assert!(!counted, "{length} of {} bytes", good.len());
    }
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let place = Place::new();
    let path = place.path();
    let refused = || {
        let before = std::fs::read(&path).unwrap();
        let errors = [Writer::open(&path).err().unwrap(), Reader::open(&path).err().unwrap()];
        for error in errors {
            assert!(matches!(error, StoreError::ForeignFile { .. }), "{error}");
            assert!(error.to_string().contains("counts.db is not a counts file"), "{error}");
            assert!(!error.is_retryable());
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    };
    std::fs::write(&path, "a text file, longer than a header of SQLite would be; ".repeat(9))
        .unwrap();
    refused();
    std::fs::remove_file(&path).unwrap();
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE diary (entry TEXT)").unwrap();
    drop(foreign);
    refused();
    std::fs::remove_file(&path).unwrap();
    drop(crate::control::Control::open(&path).unwrap());
    refused();
}

#[test]
fn newer_older_missing_and_changed_schemas_are_told_apart() {
    let place = Place::new();
    assert!(matches!(Reader::open(&place.path()), Err(StoreError::Missing { .. })));
    drop(place.writer());
    let raw = || rusqlite::Connection::open(place.path()).unwrap();
    raw().pragma_update(None, "user_version", 7).unwrap();
    for error in
        [Writer::open(&place.path()).err().unwrap(), Reader::open(&place.path()).err().unwrap()]
    {
        assert!(matches!(error, StoreError::NewerSchema { found: 7, known: 3, .. }), "{error}");
    }
    raw().pragma_update(None, "user_version", 0).unwrap();
    assert!(matches!(Reader::open(&place.path()), Err(StoreError::OlderSchema { .. })));
    raw().pragma_update(None, "user_version", 3).unwrap();
    // What others add does no harm; what is ours must be as it was made.
    raw().execute_batch("CREATE VIEW my_own AS SELECT 1").unwrap();
    drop(place.writer());
    raw()
        .execute_batch("DROP VIEW refusal_counts; CREATE VIEW refusal_counts AS SELECT 1")
        .unwrap();
    for error in
        [Writer::open(&place.path()).err().unwrap(), Reader::open(&place.path()).err().unwrap()]
    {
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("refusal_counts"), "{error}");
    }
}

#[test]
fn a_new_file_is_private_and_set_up_as_promised() {
    let place = Place::new();
    let writer = place.writer();
    let pragma = |name: &str| {
        writer.conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let found = ["auto_vacuum", "synchronous", "secure_delete", "temp_store"].map(pragma);
    assert_eq!(found, [2, 2, 1, 2]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for entry in std::fs::read_dir(place.dir.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }
}
