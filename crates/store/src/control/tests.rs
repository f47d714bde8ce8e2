//! Tests of the control file.

use super::*;

fn host(text: &str) -> SiteHost {
    SiteHost::parse(text).unwrap()
}

fn control() -> (tempfile::TempDir, Control) {
    let dir = tempfile::tempdir().unwrap();
    let control = Control::open(&dir.path().join(FILE_NAME)).unwrap();
    (dir, control)
}

fn grant(text: &str) -> Grant {
    Grant { site: host(text), share: false }
}

const TODAY: Day = Day(20_000);

#[test]
fn sites_are_listed_once_and_sorted() {
    let (_dir, mut control) = control();
    assert!(control.site_add(&host("b.example"), TODAY).unwrap());
    assert!(control.site_add(&host("a.example"), TODAY).unwrap());
    assert!(!control.site_add(&host("b.example"), TODAY).unwrap());
    assert_eq!(control.site_list().unwrap(), [host("a.example"), host("b.example")]);
}

#[test]
fn an_erasure_leaves_a_tombstone_until_the_site_is_added_again() {
    let (_dir, mut control) = control();
    let site = host("a.example");
    control.site_add(&site, TODAY).unwrap();
    let token = control.token_add(&grant("a.example"), TODAY).unwrap();
    control.erasure_request(&site, TODAY).unwrap();
    assert!(control.site_list().unwrap().is_empty());
    assert_eq!(control.token_check(token.as_str()).unwrap(), None);
    assert_eq!(control.erasures_open().unwrap(), std::slice::from_ref(&site));
    assert!(matches!(control.site_add(&site, TODAY), Err(StoreError::ErasureOpen { .. })));
    assert!(control.erasure_done(&site).unwrap());
    assert!(!control.erasure_done(&site).unwrap());
    assert!(control.erasures_open().unwrap().is_empty());
    assert_eq!(control.tombstones().unwrap(), std::slice::from_ref(&site));
    assert!(control.site_add(&site, TODAY).unwrap());
    assert!(control.tombstones().unwrap().is_empty());
    assert_eq!(control.token_check(token.as_str()).unwrap(), None);
}

#[test]
fn tokens_open_their_site_until_revoked() {
    let (_dir, mut control) = control();
    let site = host("a.example");
    let token = control.token_add(&grant("a.example"), TODAY).unwrap();
    let share = Grant { site: host("b.example"), share: true };
    let other = control.token_add(&share, TODAY).unwrap();
    assert_eq!(control.token_check(token.as_str()).unwrap(), Some(grant("a.example")));
    for wrong in ["", "hc_", "x", &token.as_str().to_uppercase(), token.as_str().split_at(66).0] {
        assert_eq!(control.token_check(wrong).unwrap(), None, "{wrong}");
    }
    let id = control.token_list().unwrap()[0].id;
    assert!(control.token_revoke(id, TODAY.plus(1)).unwrap());
    assert!(!control.token_revoke(id, TODAY.plus(2)).unwrap());
    assert_eq!(control.token_check(token.as_str()).unwrap(), None);
    assert_eq!(control.token_check(other.as_str()).unwrap(), Some(share));
    let expect = TokenInfo { id, site, created: TODAY, revoked: Some(TODAY.plus(1)), share: false };
    assert_eq!(control.token_list().unwrap()[0], expect);
}

#[test]
fn the_token_itself_is_in_no_file_and_no_debug_text() {
    let (dir, mut control) = control();
    let token = control.token_add(&grant("a.example"), TODAY).unwrap();
    let hex = token.as_str().strip_prefix("hc_").unwrap().to_owned();
    assert_eq!(hex.len(), 64);
    assert_eq!(format!("{token:?}"), "REDACTED");
    let raw: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2).unwrap(), 16).unwrap())
        .collect();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(64).any(|it| it == hex.as_bytes()));
        assert!(!bytes.windows(32).any(|it| it == raw));
    }
}

#[test]
fn others_notice_a_change() {
    let (dir, mut ours) = control();
    let mut theirs = Control::open(&dir.path().join(FILE_NAME)).unwrap();
    let before = ours.version().unwrap();
    assert_eq!(ours.version().unwrap(), before);
    theirs.site_add(&host("a.example"), TODAY).unwrap();
    assert_ne!(ours.version().unwrap(), before);
    let before = ours.version().unwrap();
    ours.site_add(&host("b.example"), TODAY).unwrap();
    assert_eq!(ours.version().unwrap(), before);
    assert_eq!(theirs.site_list().unwrap().len(), 2);
}

#[test]
fn processes_may_open_and_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let mut control = Control::open(path).unwrap();
                for n in 0..10 {
                    control.site_add(&host(&format!("s{n}.t{thread}.example")), TODAY).unwrap();
                }
            });
        }
    });
    assert_eq!(Control::open(&path).unwrap().site_list().unwrap().len(), 80);
}

#[test]
fn refuses_other_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    crate::sqlite::Writer::open(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Control::open(&path), Err(StoreError::ForeignFile { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(&path, b"not a database at all, but long enough to have a header").unwrap();
    assert!(matches!(Control::open(&path), Err(StoreError::ForeignFile { .. })));
    std::fs::remove_file(&path).unwrap();
    drop(Control::open(&path).unwrap());
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    let error = Control::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 2, .. }));
}
