//! What the doctor reads: files that nginx includes, copies beside the data folder, published notices.
//!
//! What it is not: in need of nginx; `tests/front.rs` runs it.
//!
//! What surprises: files are made old here, and the clock stays as it is.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use headcount_core::time::Clock as _;

use super::super::facts::Published;
use super::super::gather;
use super::super::proxy::{self, Logging, Visited};
use super::ROUTES;
use crate::wall_clock::WallClock;

const DAY: Duration = Duration::from_secs(86_400);
const MAIN: &str = "events {}\nhttp {\n  access_log off;\n  include conf.d/*.conf;\n}\n";
const SITE: &str = "server {\n  listen 80;\n  include logging;\n  location / {\n    \
                    proxy_pass http://127.0.0.1:8080;\n  }\n}\n";

fn read(text: &str, at: &Path) -> Logging {
    proxy::read(text, Some(at), Visited { routes: &ROUTES, stats_port: None })
}

fn on() -> Logging {
    let mut routes = ROUTES.map(str::to_owned).to_vec();
    routes.sort();
    Logging::On(routes)
}

/// A folder with `nginx.conf` as it stands on a machine; what `logging` says is in each server.
fn folder(logging: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("conf.d")).unwrap();
    for (name, text) in [
        ("nginx.conf", MAIN),
        ("conf.d/count.conf", SITE),
        ("conf.d/count.conf.bak", "}"),
        ("logging", logging),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn what_nginx_includes_is_followed() {
    for (logging, expect) in [("", Logging::Off), ("access_log /var/log/a.log;", on())] {
        let dir = folder(logging);
        assert_eq!(read(MAIN, &dir.path().join("nginx.conf")), expect, "{logging}");
    }
    // What cannot be read may switch it on; what fits no file does not.
    let dir = folder("");
    let main = dir.path().join("nginx.conf");
    fs::remove_file(dir.path().join("logging")).unwrap();
    assert_eq!(
        read(MAIN, &main),
        Logging::Unknown("it includes logging, which cannot be read".to_owned())
    );
    fs::write(dir.path().join("logging"), "include none/*.conf;").unwrap();
    assert_eq!(read(MAIN, &main), Logging::Off);
}

#[test]
fn what_is_included_is_bounded() {
    let dir = folder("");
    let main = dir.path().join("nginx.conf");
    let reason = |logging: &str| {
        fs::write(dir.path().join("logging"), logging).unwrap();
        match read(MAIN, &main) {
            Logging::Unknown(reason) => reason,
            other => format!("{other:?}"),
        }
    };
    assert_eq!(reason("include logging;"), "its includes go deeper than 16");
    for number in 0..300 {
        fs::write(dir.path().join(format!("part{number}")), "").unwrap();
    }
    assert_eq!(reason("include part*;"), "it includes more than 256 files");
    fs::write(dir.path().join("large"), " ".repeat(3 * 1024 * 1024)).unwrap();
    assert_eq!(reason("include large; include large;"), "it includes large, which cannot be read");
    assert_eq!(reason("include /dev/zero;"), "it includes /dev/zero, which cannot be read");
    assert_eq!(reason("{"), "its braces do not match");
}

#[test]
fn printed_files_are_taken_and_those_of_this_machine_are_not() {
    let here = folder("access_log /here.log;");
    let printed = |logging: &str| {
        let files = [("nginx.conf", MAIN), ("conf.d/count.conf", SITE), ("logging", logging)];
        let said = "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n".to_owned();
        files.iter().fold(said, |text, (name, of)| {
            format!("{text}# configuration file /etc/nginx/{name}:\n{of}\n")
        })
    };
    let at = here.path().join("printed.txt");
    assert_eq!(read(&printed("access_log off;"), &at), Logging::Off);
    assert_eq!(read(&printed("access_log /there.log;"), &at), on());
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(WallClock.unix_seconds())
}

/// Makes a file that was written so long ago.
fn old(path: &Path, age: Duration) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let at = now() - age;
    File::create(path).unwrap().set_times(FileTimes::new().set_modified(at)).unwrap();
}

/// An old file with something in it.
fn old_with(path: &Path, age: Duration, text: &[u8]) {
    old(path, age);
    fs::write(path, text).unwrap();
    File::options().append(true).open(path).unwrap().set_modified(now() - age).unwrap();
}

#[test]
fn copies_beside_the_folder_are_as_old_as_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    for (name, days) in [
        ("data/counts.db", 50),
        ("data-old/counts.db", 40),
        ("data-old/edge.db", 35),
        ("data.tar.zst", 20),
        ("edge.db.bak", 10),
        ("running/control.db", 90),
        ("other/letters.db", 90),
        ("notes.txt", 90),
        ("letters.tar", 90),
        // A configuration has the folder's name, too.
        ("data.toml", 90),
        ("data.toml.bak", 90),
    ] {
        old(&dir.path().join(name), DAY * days + DAY / 2);
    }
    old_with(&dir.path().join("data-2025"), DAY * 9, b"\x28\xb5\x2f\xfdrest");
    old_with(&dir.path().join("counts.db.1"), DAY * 8, b"SQLite format 3\0rest");
    let backups =
        gather::folder::backups(&dir.path().join("data"), 30, |of| of.ends_with("running"));
    let found: Vec<_> = backups
        .copies
        .iter()
        .map(|copy| (copy.name.as_str(), copy.age_days, copy.is_certain))
        .collect();
    assert_eq!(
        found,
        [
            ("counts.db.1", 8, true),
            ("data-2025", 9, false),
            ("data-old", 35, true),
            ("data.tar.zst", 20, false),
            ("edge.db.bak", 10, false),
        ]
    );
    assert_eq!((backups.kept_days, backups.unseen), (30, None));
    let missing = gather::folder::backups(&dir.path().join("missing"), 30, |_| false);
    assert!(missing.copies.is_empty() && missing.unseen.is_some(), "{missing:?}");
}

#[test]
fn in_the_folder_only_what_looks_like_a_copy_expires() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["counts.db", "headcount.toml", "edge.db.bak", "all.tar.gz", "old/counts.db"] {
        old(&dir.path().join(name), DAY * 40);
    }
    let known = ["counts.db".to_owned()];
    let folder = gather::folder::folder(dir.path(), DAY * 30, &known).unwrap();
    assert_eq!(folder.unknown_files, ["all.tar.gz", "edge.db.bak", "headcount.toml", "old"]);
    assert_eq!(folder.expired_files, ["all.tar.gz", "edge.db.bak", "old"]);
    assert_eq!((folder.edge_version, folder.unread), (None, None));
    assert_eq!(gather::folder::folder(&dir.path().join("none"), DAY, &known), None);
}

#[test]
fn what_cannot_be_looked_into_is_said() {
    let dir = tempfile::tempdir().unwrap();
    // No folder, and no file of SQLite: whoever runs this, root too, cannot read them as such.
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let folder = gather::folder::folder(&file, DAY, &[]).unwrap();
    assert!(folder.unread.is_some(), "{folder:?}");
    fs::write(dir.path().join("edge.db"), "x").unwrap();
    let folder = gather::folder::folder(dir.path(), DAY, &[]).unwrap();
    assert!(folder.edge_version.is_none() && folder.unread.is_some(), "{folder:?}");
}

#[test]
fn a_file_from_the_future_shows_a_clock_that_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    old(&dir.path().join("edge.db"), DAY);
    assert_eq!(gather::folder::from_the_future(dir.path()), None);
    let ahead = FileTimes::new().set_modified(now() + DAY);
    File::create(dir.path().join("edge.db")).unwrap().set_times(ahead).unwrap();
    assert_eq!(gather::folder::from_the_future(dir.path()).as_deref(), Some("edge.db"));
}

#[test]
fn a_notice_is_known_by_its_hash_in_each_format() {
    let hash = "0123456789abcdef".repeat(4);
    let other = "f".repeat(64);
    let published = |text: &str| gather::published(text, &hash);
    for text in [format!("\"hash\": \"{hash}\""), format!("settings {hash}.\n"), hash.clone()] {
        assert_eq!(published(&text), Published::OfThese, "{text}");
        assert_eq!(published(&text.replace(&hash, &other)), Published::OfOthers, "{text}");
    }
    assert_eq!(published("a notice"), Published::WithoutHash);
    assert_eq!(published(&format!("{hash}0")), Published::WithoutHash, "a longer number");
}
