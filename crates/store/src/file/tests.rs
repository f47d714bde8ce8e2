//! Opening a file beside others who open it.
//!
//! What it is not: about what is in it; the kinds of files have tests of their own.
//!
//! What surprises: two connections of one process are to SQLite as those of two.

use super::*;

/// `SQLite` itself gives up at once: without waiting, one of two processes that make a file
/// together was refused.
#[test]
fn the_switch_to_a_write_ahead_log_waits_for_who_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let (ours, theirs) = (connect(&path, flags).unwrap(), connect(&path, flags).unwrap());
    theirs.execute_batch("BEGIN IMMEDIATE; CREATE TABLE t (n INTEGER) STRICT").unwrap();
    let refused: rusqlite::Result<String> =
        ours.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
    let code = refused.unwrap_err().sqlite_error_code();
    assert_eq!(code, Some(ErrorCode::DatabaseBusy), "what this is about");
    std::thread::scope(|scope| {
        let switched = scope.spawn(move || use_wal(&ours));
        std::thread::sleep(BUSY_PAUSE * 20);
        theirs.execute_batch("COMMIT").unwrap();
        switched.join().unwrap().unwrap();
    });
}
