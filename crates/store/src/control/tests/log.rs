//! Tests of the admin log: what is in it, and that no change of it stays unseen.

use super::admin::{ENTRIES_MAX, Entry, MARK_FILE_NAME, Verdict, hash_text};
use super::*;

/// How long entries are kept.
const KEPT_DAYS: u32 = 365;

/// A file with nine entries, and where it is.
fn written() -> (tempfile::TempDir, PathBuf) {
    let (dir, control) = control();
    let mut control = control.acting_as(Actor::User("anna".to_owned()));
    for name in ["a", "b", "c"] {
        control.site_add(&host(&format!("{name}.example")), TODAY).unwrap();
    }
    let token = control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
    control.sign_in(Proof::Secret(token.as_str()), NOW).unwrap();
    control.token_revoke(token.id(), TODAY).unwrap();
    control.erasure_request(&host("b.example"), TODAY).unwrap();
    control.erasure_done(&host("b.example")).unwrap();
    control.note_settings("one").unwrap();
    control.note_settings("one").unwrap();
    let path = dir.path().join(FILE_NAME);
    (dir, path)
}

fn verdict(path: &Path) -> Verdict {
    Control::open(path).unwrap().log_verify(None, KEPT_DAYS).unwrap()
}

/// The number of the entry that is named; none if all is well.
fn broken(path: &Path) -> Option<i64> {
    match verdict(path) {
        Verdict::Whole { .. } => None,
        Verdict::Broken { seq, .. } => Some(seq),
    }
}

fn change(path: &Path, sql: &str) {
    let conn = Connection::open(path).unwrap();
    assert!(conn.execute(sql, []).unwrap() > 0, "{sql}");
}

#[test]
fn every_act_is_an_entry_with_who_what_and_where() {
    let (_dir, path) = written();
    let entries = Control::open(&path).unwrap().log_entries().unwrap();
    let told = |entry: &Entry| {
        let Entry { seq, who, what, site, detail, .. } = entry;
        format!("{seq} {who}: {what} {site} {detail}").trim_end().to_owned()
    };
    assert_eq!(
        entries.iter().map(told).collect::<Vec<_>>(),
        [
            "1 user anna: site-add a.example",
            "2 user anna: site-add b.example",
            "3 user anna: site-add c.example",
            "4 user anna: token-add a.example api 1, owner",
            "5 token 1: sign-in a.example owner",
            "6 user anna: token-revoke a.example 1",
            "7 user anna: site-erase b.example",
            "8 user anna: site-erased b.example",
            "9 user anna: settings  one",
        ]
    );
    assert_eq!(entries[0].time().len(), "2026-11-21T12:00:00Z".len());
    let Verdict::Whole { entries: 9, head: Some(head), trimmed: None } = verdict(&path) else {
        panic!()
    };
    assert_eq!(head.hash, entries[8].hash);
}

#[test]
fn nothing_done_is_nothing_written() {
    let (_dir, mut control) = control();
    assert_eq!(
        control.log_verify(None, KEPT_DAYS).unwrap(),
        Verdict::Whole { entries: 0, head: None, trimmed: None }
    );
    control.site_add(&host("a.example"), TODAY).unwrap();
    control.site_add(&host("a.example"), TODAY).unwrap();
    assert!(!control.token_revoke(7, TODAY).unwrap());
    assert!(!control.erasure_done(&host("b.example")).unwrap());
    assert_eq!(control.sign_in(Proof::Secret("hc_x"), NOW).unwrap(), None);
    assert_eq!(control.log_entries().unwrap().len(), 1);
}

#[test]
fn any_changed_field_is_named() {
    let (_dir, path) = written();
    let whole = std::fs::read(&path).unwrap();
    for (column, value) in [
        ("at", "at + 1"),
        ("who", "who || ' '"),
        ("what", "'site-list'"),
        ("site", "'x.example'"),
        ("detail", "'y'"),
        ("hash", "zeroblob(32)"),
    ] {
        for seq in 1..=9 {
            change(&path, &format!("UPDATE admin_log SET {column} = {value} WHERE seq = {seq}"));
            assert_eq!(broken(&path), Some(seq), "{column} of {seq}");
            std::fs::write(&path, &whole).unwrap();
        }
    }
    assert_eq!(broken(&path), None);
}

#[test]
fn any_flipped_byte_of_the_entries_is_seen() {
    let (_dir, path) = written();
    let conn = Connection::open(&path).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(conn);
    let whole = std::fs::read(&path).unwrap();
    let entries = Control::open(&path).unwrap().log_entries().unwrap();
    let mut flipped = 0;
    for entry in &entries {
        let text = [&*entry.who, &entry.what, &entry.site, &entry.detail].concat();
        for needle in [text.as_bytes(), &entry.hash] {
            let found = whole.windows(needle.len()).position(|it| it == needle);
            let Some(start) = found else { continue };
            for at in (start..start + needle.len()).step_by(9) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                std::fs::write(&path, &bytes).unwrap();
                let seen = match Control::open(&path) {
                    Ok(control) => {
                        !matches!(control.log_verify(None, KEPT_DAYS), Ok(Verdict::Whole { .. }))
                    }
                    Err(_) => true,
                };
                assert!(seen, "byte {at} of entry {}", entry.seq);
                flipped += 1;
            }
        }
    }
    assert!(flipped > 40, "{flipped}");
}

#[test]
fn taking_out_swapping_and_cutting_are_named() {
    for (sql, expect) in [
        ("DELETE FROM admin_log WHERE seq = 4", 4),
        ("DELETE FROM admin_log WHERE seq = 1", 1),
        ("DELETE FROM admin_log WHERE seq <= 3", 3),
        ("DELETE FROM admin_log WHERE seq >= 9", 9),
        ("DELETE FROM admin_log WHERE seq >= 2", 2),
        ("DELETE FROM admin_log", 1),
        ("UPDATE admin_log SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3)", 1),
        ("UPDATE admin_log SET seq = seq + 1 WHERE seq = 9", 9),
    ] {
        let (_dir, path) = written();
        change(&path, sql);
        let conn = Connection::open(&path).unwrap();
        conn.execute("UPDATE admin_log SET seq = abs(seq)", []).unwrap();
        let expect = if sql.contains("CASE") { 2 } else { expect };
        assert_eq!(broken(&path), Some(expect), "{sql}");
    }
}

#[test]
fn a_cut_end_stays_visible_whatever_is_written_after_it() {
    let (dir, path) = written();
    change(&path, "DELETE FROM admin_log WHERE seq >= 8");
    for number in 0..5 {
        let mut control = Control::open(&path).unwrap();
        control.site_add(&host(&format!("n{number}.example")), TODAY).unwrap();
        assert!(broken(&path).is_some(), "after {number} more");
    }
    let mut control = Control::open(&path).unwrap();
    control.log_accept().unwrap();
    assert_eq!(broken(&path), None);
    let last = control.log_entries().unwrap().pop().unwrap();
    assert_eq!((&*last.what, &*last.detail), ("accept", "with its mark at 9"));
    // The same for a mark that is missing or damaged.
    for bytes in [None, Some("x"), Some("")] {
        let mark = dir.path().join(MARK_FILE_NAME);
        match bytes {
            None => std::fs::remove_file(&mark).unwrap(),
            Some(text) => std::fs::write(&mark, text).unwrap(),
        }
        control.note(Act::Import, None, "").unwrap();
        assert!(broken(&path).is_some(), "{bytes:?}");
        control.log_accept().unwrap();
        assert_eq!(broken(&path), None, "{bytes:?}");
    }
}

#[test]
fn a_log_made_anew_is_seen_by_a_hash_that_was_kept() {
    let (_dir, path) = written();
    let control = Control::open(&path).unwrap();
    let kept = control.log_entries().unwrap()[5].hash;
    assert!(matches!(control.log_verify(Some(kept), KEPT_DAYS).unwrap(), Verdict::Whole { .. }));
    let (_other_dir, other) = written();
    change(&other, "UPDATE admin_log SET who = 'x' WHERE seq = 1");
    let other = Control::open(&other).unwrap();
    assert!(matches!(other.log_verify(None, KEPT_DAYS).unwrap(), Verdict::Broken { seq: 1, .. }));
    assert!(matches!(
        control.log_verify(Some([7; 32]), KEPT_DAYS).unwrap(),
        Verdict::Broken { seq: 9, .. }
    ));
}

/// A line of the mark's file.
fn line(entry: &Entry) -> String {
    format!("{:020} {}\n", entry.seq, hash_text(&entry.hash))
}

/// The log as it were if each entry had been written when `at` says, by its number; its mark, too.
fn written_at(path: &Path, at: impl Fn(i64) -> i64) {
    let conn = Connection::open(path).unwrap();
    let mut before = [0; 32];
    let mut last = String::new();
    for mut entry in Control::open(path).unwrap().log_entries().unwrap() {
        entry.at = at(entry.seq);
        entry.hash = entry.expected(&before);
        let row = (entry.seq, entry.at, entry.hash);
        conn.execute("UPDATE admin_log SET at = ?2, hash = ?3 WHERE seq = ?1", row).unwrap();
        (before, last) = (entry.hash, line(&entry));
    }
    std::fs::write(path.with_file_name(MARK_FILE_NAME), last).unwrap();
}

/// An entry that nobody of us wrote, fitting the ones before it.
fn forge(path: &Path, at: i64, what: &str, detail: &str) {
    let conn = Connection::open(path).unwrap();
    let last = Control::open(path).unwrap().log_entries().unwrap().pop().unwrap();
    let mut entry = Entry {
        seq: last.seq + 1,
        at,
        what: what.to_owned(),
        detail: detail.to_owned(),
        site: String::new(),
        ..last.clone()
    };
    entry.hash = entry.expected(&last.hash);
    insert(&conn, &entry);
}

fn insert(conn: &Connection, entry: &Entry) {
    let Entry { seq, at, who, what, site, detail, hash } = entry;
    let sql = "INSERT INTO admin_log (seq, at, who, what, site, detail, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    conn.execute(sql, (seq, at, who, what, site, detail, hash)).unwrap();
}

/// So many entries more, and the mark with them.
fn lengthen(path: &Path, entries: usize) {
    let mut conn = Connection::open(path).unwrap();
    let mut last = Control::open(path).unwrap().log_entries().unwrap().pop().unwrap();
    let tx = conn.transaction().unwrap();
    for _ in 0..entries {
        let mut entry = Entry { seq: last.seq + 1, ..last.clone() };
        entry.hash = entry.expected(&last.hash);
        insert(&tx, &entry);
        last = entry;
    }
    tx.commit().unwrap();
    std::fs::write(path.with_file_name(MARK_FILE_NAME), line(&last)).unwrap();
}

/// Now, as the file's own library has it.
fn now() -> i64 {
    let conn = Connection::open_in_memory().unwrap();
    conn.query_row("SELECT unixepoch()", [], |row| row.get(0)).unwrap()
}

const DAY_SECONDS: i64 = 86_400;

#[test]
fn old_entries_are_trimmed_but_for_the_last_of_them() {
    let (_dir, path) = written();
    let mut control = Control::open(&path).unwrap();
    control.log_trim(0).unwrap();
    assert_eq!(control.log_entries().unwrap().len(), 9);
    // Four old ones; and a long time without any before the others.
    let (now, kept) = (now(), i64::from(KEPT_DAYS) * DAY_SECONDS);
    written_at(&path, |seq| if seq <= 4 { now - kept - 100 + seq } else { now - 100 + seq });
    let oldest = u64::try_from(now - kept).unwrap();
    for _ in 0..2 {
        control.log_trim(oldest).unwrap();
        let entries = control.log_entries().unwrap();
        assert_eq!((entries.len(), entries[0].seq, &*entries[6].what), (7, 4, "trim"));
    }
    control.site_add(&host("x.example"), TODAY).unwrap();
    let Verdict::Whole { trimmed: Some(trimmed), .. } = verdict(&path) else { panic!() };
    assert_eq!((trimmed.last, &*trimmed.who), (3, "headcount"));
    assert!(trimmed.to_string().starts_with("entries up to 3 were taken out on 2"), "{trimmed}");
    // Who keeps them longer finds it too early.
    let longer = control.log_verify(None, KEPT_DAYS + 2).unwrap();
    let Verdict::Broken { seq: 3, why } = longer else { panic!("{longer:?}") };
    assert!(why.contains("retention_days = 367") && why.contains("HEADCOUNT_RETENTION"), "{why}");
    let hash = hash_text(&[0; 32]);
    change(&path, &format!("UPDATE admin_log SET detail = 'up to 3 {hash}' WHERE seq = 10"));
    assert_eq!(broken(&path), Some(4));
}

#[test]
fn a_trim_that_nothing_explains_is_named() {
    for at in [now() - 1, now() + 2 * i64::from(KEPT_DAYS) * DAY_SECONDS] {
        let (_dir, path) = written();
        let entries = Control::open(&path).unwrap().log_entries().unwrap();
        let head = Some(entries[8].hash);
        forge(&path, at, "trim", &format!("up to 3 {}", hash_text(&entries[2].hash)));
        change(&path, "DELETE FROM admin_log WHERE seq <= 3");
        let mut control = Control::open(&path).unwrap();
        for _ in 0..2 {
            let found = control.log_verify(head, KEPT_DAYS).unwrap();
            let Verdict::Broken { seq: 3, why } = found else { panic!("{found:?}") };
            assert!(why.contains("entries up to 3 were taken out on"), "{why}");
            // Whoever writes the mark, too, is found out as well.
            let last = control.log_entries().unwrap().pop().unwrap();
            std::fs::write(path.with_file_name(MARK_FILE_NAME), line(&last)).unwrap();
            control.site_add(&host("later.example"), TODAY).unwrap();
        }
    }
}

#[test]
fn an_entry_past_the_mark_is_named_whatever_is_written_after_it() {
    let (_dir, path) = written();
    forge(&path, now(), "token-add", "api 1, owner");
    assert_eq!(broken(&path), Some(10));
    let mut control = Control::open(&path).unwrap();
    control.site_add(&host("later.example"), TODAY).unwrap();
    assert_eq!(broken(&path), Some(10));
    control.log_accept().unwrap();
    assert_eq!(broken(&path), None);
}

#[test]
fn a_kill_beside_a_commit_leaves_a_log_that_fits_its_mark() {
    let (_dir, path) = written();
    let mark = path.with_file_name(MARK_FILE_NAME);
    let mut control = Control::open(&path).unwrap();
    let before = control.log_entries().unwrap().pop().unwrap();
    control.note(Act::Import, None, "").unwrap();
    let after = control.log_entries().unwrap().pop().unwrap();
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), line(&after));
    let both = line(&before) + &line(&after);
    // Killed after the commit, and before it.
    for sql in ["SELECT 1", "DELETE FROM admin_log WHERE seq = 10"] {
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        // A second line that is cut off was never synced.
        for end in if sql == "SELECT 1" { [both.len(); 2] } else { [both.len(), both.len() - 1] } {
            std::fs::write(&mark, &both.as_bytes()[..end]).unwrap();
            assert_eq!(broken(&path), None, "{sql} {end}");
        }
    }
    // The next entry goes on from there, and what is cut off then is seen.
    control.note(Act::Import, None, "").unwrap();
    assert_eq!(broken(&path), None);
    change(&path, "DELETE FROM admin_log WHERE seq >= 9");
    assert_eq!(broken(&path), Some(9));
    // In a log without entries, too.
    let (dir, mut control) = super::control();
    control.note(Act::Import, None, "").unwrap();
    let first = control.log_entries().unwrap().pop().unwrap();
    let (mark, path) = (dir.path().join(MARK_FILE_NAME), dir.path().join(FILE_NAME));
    std::fs::write(&mark, format!("{:020} {:064}\n{}", 0, 0, line(&first))).unwrap();
    assert_eq!(broken(&path), None);
    change(&path, "DELETE FROM admin_log");
    assert_eq!(broken(&path), None);
}

#[test]
fn the_log_is_bounded() {
    let (_dir, path) = written();
    // As many entries as may be, made as one statement; their hashes are of no matter here.
    change(
        &path,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < {ENTRIES_MAX})
             INSERT INTO admin_log SELECT i, 1, 'w', 'x', '', '', zeroblob(32) FROM n"
        ),
    );
    let mut control = Control::open(&path).unwrap();
    control.note(Act::Import, None, "").unwrap();
    let entries = control.log_entries().unwrap();
    assert!(entries.len() < 90_010 && entries.last().unwrap().what == "trim");
    control.note(Act::Import, None, "").unwrap();
    assert_eq!(control.log_entries().unwrap().len(), entries.len() + 1);
}

#[test]
fn who_looks_while_others_write_sees_a_whole_log() {
    let (_dir, path) = written();
    // To read it takes longer than to write one entry more.
    lengthen(&path, 2_000);
    // Opened before: that takes the lock, which hardly ever is free while the other writes.
    let looking = Control::open(&path).unwrap();
    std::thread::scope(|scope| {
        let looker = scope.spawn(move || {
            for look in 0..20 {
                let verdict = looking.log_verify(None, KEPT_DAYS).unwrap();
                assert!(matches!(verdict, Verdict::Whole { .. }), "look {look}: {verdict:?}");
            }
        });
        let mut control = Control::open(&path).unwrap();
        while !looker.is_finished() {
            control.note(Act::Import, None, "").unwrap();
            // Else nobody else would get in between.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
}

#[test]
fn writers_at_once_keep_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    write_at_once(&path);
    let Verdict::Whole { entries: 80, head: Some(head), trimmed: None } = verdict(&path) else {
        panic!()
    };
    let mark = std::fs::read_to_string(dir.path().join(MARK_FILE_NAME)).unwrap();
    assert_eq!(mark, format!("{:020} {}\n", head.seq, hash_text(&head.hash)));
}
