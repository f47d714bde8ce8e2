//! Tests of the control file.

mod log;

use super::*;

fn host(text: &str) -> SiteHost {
    SiteHost::parse(text).unwrap()
}

fn control() -> (tempfile::TempDir, Control) {
    let dir = tempfile::tempdir().unwrap();
    let control = Control::open(&dir.path().join(FILE_NAME)).unwrap();
    (dir, control)
}

fn new(site: &str, kind: Kind) -> NewToken {
    let role = if kind == Kind::Api { Role::Owner } else { Role::Viewer };
    NewToken { site: Some(host(site)), kind, role, label: String::new(), expires_at: None }
}

const TODAY: Day = Day(20_000);
const NOW: u64 = 20_000 * 86_400 + 7;
const DAY: u64 = 86_400;

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
    let token = control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
    control.erasure_request(&site, TODAY).unwrap();
    assert!(control.site_list().unwrap().is_empty());
    assert_eq!(control.token_check(token.as_str(), NOW).unwrap(), None);
    assert_eq!(control.erasures_open().unwrap(), std::slice::from_ref(&site));
    assert!(matches!(control.site_add(&site, TODAY), Err(StoreError::ErasureOpen { .. })));
    assert!(control.erasure_done(&site).unwrap());
    assert!(!control.erasure_done(&site).unwrap());
    assert!(control.erasures_open().unwrap().is_empty());
    assert_eq!(control.tombstones().unwrap(), std::slice::from_ref(&site));
    assert!(control.site_add(&site, TODAY).unwrap());
    assert!(control.tombstones().unwrap().is_empty());
    assert_eq!(control.token_check(token.as_str(), NOW).unwrap(), None);
}

#[test]
fn an_erased_site_gets_no_token_until_it_is_added_again() {
    let (_dir, mut control) = control();
    let site = host("a.example");
    control.erasure_request(&site, TODAY).unwrap();
    for is_done in [false, true] {
        if is_done {
            control.erasure_done(&site).unwrap();
        }
        for kind in [Kind::Api, Kind::Share, Kind::Link] {
            let refused = control.token_add(&new("a.example", kind), NOW).err().unwrap();
            assert!(matches!(refused, StoreError::SiteErased { .. }), "{refused}");
        }
    }
    control.token_add(&new("b.example", Kind::Api), NOW).unwrap();
    let of_all = NewToken { site: None, ..new("b.example", Kind::Link) };
    control.token_add(&of_all, NOW).unwrap();
    control.site_add(&site, TODAY).unwrap();
    control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
    assert_eq!(control.token_list(NOW).unwrap().len(), 3);
}

#[test]
fn the_tokens_of_a_site_end_together_and_others_stay() {
    let (_dir, mut control) = control();
    let site = host("a.example");
    assert_eq!(control.tokens_end(&site, TODAY).unwrap(), 0);
    let ends = [Kind::Api, Kind::Share, Kind::Link]
        .map(|kind| control.token_add(&new("a.example", kind), NOW).unwrap());
    let stays = control.token_add(&new("b.example", Kind::Api), NOW).unwrap();
    assert_eq!(control.tokens_end(&site, TODAY).unwrap(), 3);
    assert_eq!(control.tokens_end(&site, TODAY).unwrap(), 0);
    for token in &ends {
        assert_eq!(control.token_check(token.as_str(), NOW).unwrap(), None);
        assert_eq!(control.token_standing(token.id(), NOW).unwrap(), None);
    }
    assert!(control.token_check(stays.as_str(), NOW).unwrap().is_some());
    let entries = control.log_entries().unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.what == "token-revoke").count(), 3);
}

#[test]
fn tokens_that_ended_long_ago_are_forgotten() {
    let (_dir, mut control) = control();
    let ends = NewToken { expires_at: Some(NOW + 60), ..new("a.example", Kind::Api) };
    let expired = control.token_add(&ends, NOW).unwrap();
    let stays = control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
    let revoked = control.token_add(&new("a.example", Kind::Share), NOW).unwrap();
    control.token_revoke(revoked.id(), TODAY).unwrap();
    control.tokens_expire(NOW + 61).unwrap();
    assert_eq!(control.tokens_forget(TODAY).unwrap(), 0);
    assert_eq!(control.tokens_forget(TODAY.plus(1)).unwrap(), 2);
    let left: Vec<i64> = control.token_list(NOW).unwrap().iter().map(|token| token.id).collect();
    assert_eq!(left, [stays.id()], "{} and {} are gone", expired.id(), revoked.id());
    let next = control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
    assert!(next.id() > revoked.id(), "no number comes again");
}

#[test]
fn tokens_open_their_site_until_revoked() {
    let (_dir, mut control) = control();
    let site = Some(host("a.example"));
    let token = control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
    let other = control.token_add(&new("b.example", Kind::Share), NOW).unwrap();
    let grant =
        |control: &Control, token: &Token| control.token_check(token.as_str(), NOW).unwrap();
    let expect = Grant { id: token.id(), site: site.clone(), kind: Kind::Api, role: Role::Owner };
    assert_eq!(grant(&control, &token), Some(expect));
    for wrong in ["", "hc_", "x", &token.as_str().to_uppercase(), token.as_str().split_at(66).0] {
        assert_eq!(control.token_check(wrong, NOW).unwrap(), None, "{wrong}");
    }
    let listed = |control: &Control| control.token_list(NOW).unwrap()[0].clone();
    assert_eq!((listed(&control).state, listed(&control).used), (State::Valid, Some(TODAY)));
    assert!(control.token_revoke(token.id(), TODAY.plus(1)).unwrap());
    assert!(!control.token_revoke(token.id(), TODAY.plus(2)).unwrap());
    assert_eq!(grant(&control, &token), None);
    assert_eq!(control.token_standing(token.id(), NOW).unwrap(), None);
    let share = grant(&control, &other).unwrap();
    assert_eq!((share.kind, share.role), (Kind::Share, Role::Viewer));
    let expect = TokenInfo {
        id: token.id(),
        site,
        kind: Kind::Api,
        role: Role::Owner,
        label: String::new(),
        created: TODAY,
        expires_at: None,
        used: Some(TODAY),
        state: State::Revoked,
    };
    assert_eq!(listed(&control), expect);
}

#[test]
fn a_token_opens_nothing_from_its_last_second_on() {
    let (_dir, mut control) = control();
    let end = NOW + DAY;
    for kind in [Kind::Api, Kind::Share] {
        let short = NewToken { expires_at: Some(end), ..new("a.example", kind) };
        let token = control.token_add(&short, NOW).unwrap();
        let opens = |control: &Control, at| {
            let standing = control.token_standing(token.id(), at).unwrap();
            let checked = control.token_check(token.as_str(), at).unwrap();
            assert_eq!(standing, checked);
            checked.is_some()
        };
        assert!(opens(&control, end - 1) && !opens(&control, end) && !opens(&control, u64::MAX));
        assert_eq!(control.tokens_expire(end - 1).unwrap(), 0);
        let state = |control: &Control, at| control.token_list(at).unwrap().pop().unwrap().state;
        assert_eq!(
            (state(&control, end - 1), state(&control, end)),
            (State::Valid, State::Expired)
        );
        assert_eq!(
            (control.tokens_expire(end).unwrap(), control.tokens_expire(end).unwrap()),
            (1, 0)
        );
        // A clock that goes back does not bring it back.
        assert!(!opens(&control, NOW));
        assert_eq!(state(&control, NOW), State::Expired);
    }
}

#[test]
fn a_link_signs_in_once_and_soon() {
    let (_dir, mut control) = control();
    let link = NewToken { site: None, role: Role::Owner, ..new("a.example", Kind::Link) };
    let (used, late) =
        (control.token_add(&link, NOW).unwrap(), control.token_add(&link, NOW).unwrap());
    assert_eq!(control.token_check(used.as_str(), NOW).unwrap(), None, "it is no token");
    let sign_in = |control: &mut Control, token: &Token, at| {
        control.sign_in(Proof::Secret(token.as_str()), at).unwrap()
    };
    let end = NOW + LINK_SECONDS;
    assert_eq!(sign_in(&mut control, &late, end), None);
    let grant = sign_in(&mut control, &used, end - 1).unwrap();
    assert_eq!((&grant.site, grant.kind, grant.role), (&None, Kind::Link, Role::Owner));
    assert_eq!(sign_in(&mut control, &used, end - 1), None, "twice");
    // The session outlives the link, and ends with it when it is revoked.
    assert_eq!(control.tokens_expire(end).unwrap(), 0);
    assert_eq!(control.token_standing(used.id(), end + DAY / 2).unwrap(), Some(grant));
    assert_eq!(control.token_list(end).unwrap()[0].state, State::Used);
    assert!(control.token_revoke(used.id(), TODAY).unwrap());
    assert_eq!(control.token_standing(used.id(), NOW).unwrap(), None);
    // Its note is gone when every session is.
    control.token_add(&link, end + DAY + 1).unwrap();
    assert_eq!(control.token_list(NOW).unwrap().len(), 1);
}

#[test]
fn sessions_begin_with_tokens_and_links_only() {
    let (_dir, mut control) = control();
    let token = control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
    let share = control.token_add(&new("a.example", Kind::Share), NOW).unwrap();
    let mut sign_in =
        |proof| control.sign_in(proof, NOW).unwrap().map(|grant| (grant.id, grant.role));
    assert_eq!(sign_in(Proof::Secret(token.as_str())), Some((token.id(), Role::Owner)));
    assert_eq!(sign_in(Proof::Secret(token.as_str())), Some((token.id(), Role::Owner)));
    assert_eq!(sign_in(Proof::Secret(share.as_str())), None);
    assert_eq!(sign_in(Proof::Secret("hc_x")), None);
    assert_eq!(sign_in(Proof::Code), Some((0, Role::Owner)));
    let who: Vec<String> =
        control.log_entries().unwrap().into_iter().skip(2).map(|entry| entry.who).collect();
    assert_eq!(who, ["token 1", "token 1", "start link"]);
}

#[test]
fn tokens_of_older_files_keep_what_they_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let token = format!("hc_{}", "7".repeat(64));
    let conn = Connection::open(&path).unwrap();
    for script in CONTROL_FILE.migrations.iter().take(2) {
        conn.execute_batch(script).unwrap();
    }
    conn.pragma_update(None, "application_id", CONTROL_FILE.application_id).unwrap();
    conn.pragma_update(None, "user_version", 2).unwrap();
    let hash = blake3::hash(token.as_bytes());
    let sql = "INSERT INTO tokens (site, hash, created_day, share) VALUES ('a.example', ?1, 1, 0), \
               ('a.example', zeroblob(32), 1, 1)";
    conn.execute(sql, [hash.as_bytes()]).unwrap();
    drop(conn);
    let control = Control::open(&path).unwrap();
    let grant = control.token_check(&token, NOW).unwrap().unwrap();
    assert_eq!((grant.kind, grant.role), (Kind::Api, Role::Owner));
    let list = control.token_list(NOW).unwrap();
    assert_eq!(
        (list[1].kind, list[1].role, list[1].state),
        (Kind::Share, Role::Viewer, State::Valid)
    );
}

#[test]
fn the_token_itself_is_in_no_file_and_no_debug_text() {
    let (dir, mut control) = control();
    let token = control.token_add(&new("a.example", Kind::Api), NOW).unwrap();
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

/// Eight at once open the file, which nobody has made yet, and each adds ten sites.
fn write_at_once(path: &Path) {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                let mut control = Control::open(path).unwrap();
                for n in 0..10 {
                    control.site_add(&host(&format!("s{n}.t{thread}.example")), TODAY).unwrap();
                }
            });
        }
    });
}

#[test]
fn processes_may_open_and_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    write_at_once(&path);
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
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 5, .. }));
}

#[test]
fn a_published_day_is_drawn_once_and_goes_with_its_site() {
    let (_dir, mut control) = control();
    let [site, other] = [host("a.example"), host("b.example")];
    let day = |day, visitors| Published { day: Day(day), visitors, epsilon: 500 };
    let all = [Day(0), Day(99)];
    assert_eq!(control.publish(&site, &[day(7, 3), day(9, -2)]).unwrap(), 2);
    assert_eq!(control.publish(&other, &[day(7, 1)]).unwrap(), 1);
    let again = [Published { epsilon: 1_000, ..day(7, 8) }, day(8, 5)];
    assert_eq!(control.publish(&site, &again).unwrap(), 1, "the seventh stays as it was drawn");
    let found = control.published(&site, all).unwrap();
    assert_eq!(found, [day(7, 3), day(8, 5), day(9, -2)]);
    assert_eq!(control.published(&site, [Day(8), Day(8)]).unwrap(), [day(8, 5)]);
    let noise = |site: &SiteHost| PublishedNoise { site: site.clone(), epsilons: [500, 500] };
    assert_eq!(control.published_noise().unwrap(), [noise(&site), noise(&other)]);
    control.publish(&site, &[Published { epsilon: 2_000, ..day(98, 4) }]).unwrap();
    assert_eq!(control.published_noise().unwrap()[0].epsilons, [500, 2_000]);
    assert_eq!(control.published_forget(Day(8)).unwrap(), 2);
    assert_eq!(control.published(&site, [Day(0), Day(97)]).unwrap(), [day(8, 5), day(9, -2)]);
    control.publish(&other, &[day(8, 1)]).unwrap();
    control.erasure_request(&site, TODAY).unwrap();
    assert!(control.published(&site, all).unwrap().is_empty());
    let late = control.publish(&site, &[day(9, 1)]).unwrap_err();
    assert!(matches!(late, StoreError::SiteErased { .. }), "drawn before the erasure, kept after");
    assert!(control.published(&site, all).unwrap().is_empty());
    assert_eq!(control.published_noise().unwrap(), [noise(&other)]);
    assert_eq!(control.published(&other, all).unwrap(), [day(8, 1)]);
    let acts: Vec<String> =
        control.log_entries().unwrap().into_iter().map(|entry| entry.what).collect();
    assert_eq!(acts, ["publish", "publish", "publish", "publish", "publish", "site-erase"]);
}
