//! What the ledger tells: sums of days, and no single insert.
//!
//! What it is not: about its numbers; see `apply`.
//!
//! What surprises: the attack that this holds off was found by a reader of the file with a list of
//! guesses. Each row had a checksum of its cells without a key, and a quiet site has a row a view.

use rusqlite::Connection;

use super::*;
use crate::placement::{chain, text_hash, weigh};
use crate::sqlite::{books, codes, meta};

/// What a view of a page may look like in the store: new or seen before, from inside or outside.
fn guesses() -> Vec<u64> {
    let mut guesses = Vec::new();
    for page in ["/", "/about", "/diagnosis/hiv", "/contact"] {
        let key = CellKey::Page { hour: Day(FIRST_DAY).first_hour(), page };
        let (kind, bucket, ..) = codes::parts(key);
        let cell = chain(&[
            text_hash("a.example"),
            kind.cast_unsigned(),
            bucket.cast_unsigned(),
            text_hash(page),
            0,
        ]);
        for (visitors, visits) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            guesses.push(weigh(cell, &Counts { views: 1, visitors, visits, ..Counts::ZERO }));
        }
    }
    guesses
}

/// Every number of the ledger and of the single numbers beside it.
fn numbers(place: &Place) -> Vec<u64> {
    let db = Connection::open(place.path()).unwrap();
    let mut found = Vec::new();
    for table in ["ledger_rows", "meta"] {
        let mut get = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = get.column_count();
        let mut rows = get.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            found.extend((0..columns).filter_map(|at| row.get::<_, i64>(at).ok()));
        }
    }
    found.into_iter().map(i64::cast_unsigned).collect()
}

fn view(page: &'static str) -> Cell {
    let counts = Counts { views: 1, visitors: 1, visits: 1, ..Counts::ZERO };
    ("a.example", CellKey::Page { hour: Day(FIRST_DAY).first_hour(), page }, counts)
}

#[test]
fn no_single_view_can_be_guessed_back_from_the_ledger() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.apply(&insert("p-0", 1, &[view("/diagnosis/hiv")])).unwrap();
    let is_guessed = |place: &Place| {
        let numbers = numbers(place);
        guesses().iter().any(|guess| numbers.contains(guess))
    };
    assert!(is_guessed(&place), "one view in all is what the counts say, too: the attack works");
    for (seq, page) in [(2, "/about"), (3, "/contact"), (4, "/")] {
        writer.apply(&insert("p-0", seq, &[view(page)])).unwrap();
        assert!(!is_guessed(&place), "{page}");
    }
    let db = Connection::open(place.path()).unwrap();
    let rows: i64 = db.query_row("SELECT count(*) FROM ledger", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1, "a row for the day");
    writer.erase_site(&host("a.example")).unwrap();
    assert!(!is_guessed(&place), "nothing of it after the erasure");
    assert!(writer.audit(1).unwrap().balanced());
}

/// Makes a file of before, whose ledger has a placement in each row, and tells these. A free page has
/// them, too.
fn file_of_before(place: &Place) -> Vec<u64> {
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON;",
    )
    .unwrap();
    for script in [
        include_str!("../migrations/0001_counts.sql"),
        include_str!("../migrations/0002_imports.sql"),
    ] {
        db.execute_batch(script).unwrap();
    }
    db.execute_batch("INSERT INTO sites VALUES (1, 'a.example')").unwrap();
    let guesses = guesses();
    let mut weights = Vec::new();
    for (number, page) in [(1_i64, "/"), (2, "/about"), (3, "/contact")] {
        db.execute("INSERT INTO names VALUES (?1, ?2)", (number, page)).unwrap();
        let (site, key, counts) = view(page);
        let (kind, bucket, ..) = codes::parts(key);
        db.execute(
            "INSERT INTO counts VALUES (1, ?1, ?2, ?3, 0, 1, 1, 1, 0, 0)",
            (kind, bucket, number),
        )
        .unwrap();
        let hashed =
            [text_hash(site), kind.cast_unsigned(), bucket.cast_unsigned(), text_hash(page), 0];
        let placement = weigh(chain(&hashed), &counts);
        assert!(guesses.contains(&placement));
        let day = i64::from(FIRST_DAY);
        let plain = [number, number, day, 1, 1, 1, 1, 0, 0].map(i64::cast_unsigned);
        let head = [text_hash("p-0"), text_hash("batch"), placement];
        let seal = chain(&head.into_iter().chain(plain).collect::<Vec<_>>());
        db.execute(
            "INSERT INTO ledger_rows VALUES ('p-0', ?1, ?1, 'batch', ?2, 1, 1, 1, 1, 0, 0, ?3, ?4)",
            (number, day, placement.cast_signed(), seal.cast_signed()),
        )
        .unwrap();
        weights.push(placement);
    }
    db.execute_batch(
        "PRAGMA secure_delete = OFF;
         CREATE TABLE gone AS SELECT placement FROM ledger_rows;
         DROP TABLE gone;",
    )
    .unwrap();
    db.execute_batch(&format!(
        "PRAGMA application_id = {}; PRAGMA user_version = 2;",
        COUNTS_FILE.application_id
    ))
    .unwrap();
    weights
}

/// Is one of these numbers anywhere in the file, its free space included?
fn has_bytes_of(place: &Place, numbers: &[u64]) -> bool {
    let bytes = place.bytes();
    numbers.iter().any(|number| {
        let bytes_of = number.to_be_bytes();
        bytes.windows(8).any(|window| window == bytes_of)
    })
}

#[test]
fn a_file_of_before_loses_its_placements_and_stays_true() {
    let place = Place::new();
    let placements = file_of_before(&place);
    assert!(has_bytes_of(&place, &placements));
    let mut writer = place.writer();
    assert!(writer.audit(1).unwrap().balanced());
    assert_eq!(writer.progress("p-0").unwrap().applied, 3);
    let guesses = guesses();
    assert!(!numbers(&place).iter().any(|number| guesses.contains(number)));
    assert!(!has_bytes_of(&place, &placements), "not in the file's free space");
    drop(writer);
    assert!(place.writer().audit(2).unwrap().balanced());
}

#[test]
fn a_conversion_that_was_killed_is_ended_at_the_next_start() {
    let place = Place::new();
    let placements = file_of_before(&place);
    let mut conn = COUNTS_FILE.open(&place.path()).unwrap();
    books::reseal(&mut conn).unwrap();
    drop(conn);
    assert!(has_bytes_of(&place, &placements), "killed here, the file still has them");
    let mut writer = place.writer();
    assert!(writer.audit(1).unwrap().balanced());
    assert!(!has_bytes_of(&place, &placements));
    assert_eq!(meta::get(&writer.conn, meta::REWRITE_DUE).unwrap(), None);
}
