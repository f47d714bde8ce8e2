//! The dashboard in headless Chromium: accessible and light; `hostile` has names that are attacks.
//!
//! What it is not: a test of looks. It keeps pictures in `target/dashboard`, and a person looks at
//! them: `tests/screenshots` makes them.
//!
//! What surprises: weight and first paint are printed; the weight is asserted, time never is.

mod hostile;
mod showcase;
pub(crate) mod worlds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::asked::asked;
use crate::browser::{CHROMIUM, Found, NODE, program};
use crate::server::{Deployment, PATIENCE, Server, headcount};
use crate::until::until;

/// The judge of accessibility, by Deque.
const AXE: &str = "axe-core@4.14.1";
/// Bytes of one page with everything it loads, as they travel.
const WEIGHT_MAX: u64 = 50 * 1024;

/// `axe.min.js`, fetched once under `target/services`.
fn axe() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("services").join("axe-4.14.1");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.exists() {
        fs::create_dir_all(&folder).unwrap();
        let npm = [
            "install",
            "--prefix",
            ".",
            "--no-save",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ];
        let got = Command::new("npm").args(npm).arg(AXE).current_dir(&folder).output();
        let is_there = got.is_ok_and(|got| got.status.success()) && script.exists();
        assert!(is_there, "axe is missing: make `npm install {AXE}` work");
    }
    script
}

/// A folder with every world, and the server on it.
fn start(folder: &Path) -> (Server, String) {
    let data = folder.join("data");
    worlds::fill(&data);
    for site in ["empty", "small", "quiet", "large", "many", "hostile", "coastpath"] {
        let added = headcount(folder, &["site", "add", &format!("{site}.example")]);
        assert!(added.status.success());
    }
    let share = headcount(folder, &["token", "add", "--site", "large.example", "--share"]);
    let share = String::from_utf8(share.stdout).unwrap().trim().to_owned();
    let binary: PathBuf = asked("HEADCOUNT_TEST_BINARY", env!("CARGO_BIN_EXE_headcount").into());
    (Server::start_binary(&binary, folder, "", &[]).unwrap(), share)
}

#[test]
fn a_shared_link_is_open_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let (server, share) = start(folder.path());
    let get = |path: &str| server.send(&format!("GET {path}"), "", "").unwrap();
    let known = || get(&share).status == 200;
    assert!(until(PATIENCE, known), "the new site is not known");
    let reply = get(&format!("{share}?period=30d"));
    assert!(!reply.head.to_ascii_lowercase().contains("set-cookie"), "{}", reply.head);
    assert!(reply.body.contains("rounded to 10s"));
    let bearer = format!("Authorization: Bearer {}\r\n", share.strip_prefix("/share/").unwrap());
    let line = "GET /api/v1/export.csv?site=large.example&by=page";
    assert_eq!(server.send(line, &bearer, "").unwrap().status, 401);
    assert_eq!(get(&format!("{share}/export.csv?site=large.example&by=page")).status, 200);
    let listed = headcount(folder.path(), &["token", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\tshare\tviewer\t"));
    assert!(headcount(folder.path(), &["token", "revoke", "1"]).status.success());
    for path in ["", "/list?by=page", "/export.csv?site=large.example&by=page"] {
        assert_eq!(get(&format!("{share}{path}")).status, 401);
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "weight and first paint, for whoever asks")]
fn the_dashboard_is_light_and_accessible() {
    let folder = tempfile::tempdir().unwrap();
    let (server, share) = start(folder.path());
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dashboard");
    fs::create_dir_all(&pictures).unwrap();
    let output = Command::new(program(NODE))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/look.mjs"))
        .arg(program(CHROMIUM))
        .arg(folder.path().join("profile"))
        .args([&server.dashboard, &share])
        .arg(&pictures)
        .arg(axe())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::write(pictures.join("found.txt"), &said).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    let found = Found(said);
    assert_eq!(found.of("judged"), "true", "a fault is seen by axe");
    assert_eq!(found.of("serious"), "", "what axe finds");
    assert_eq!(found.of("overflow"), "", "pages that are wider than their screen");
    let bytes: u64 = found.of("bytes").parse().unwrap();
    assert!((1_000..=WEIGHT_MAX).contains(&bytes), "a page weighs {bytes} bytes");
    let said = "devices of a day that tells nothing yet: wider, and the chosen day behind its link";
    assert_eq!(found.of("widened"), "true", "{said}");
    assert_eq!(found.of("exact"), "true", "pages of the chosen day, and no bar for (other)");
    assert_eq!(found.of("begin"), "true", "a site without counts says what to put into its pages");
    assert_eq!(found.of("first"), "skip", "the first stop of the keyboard");
    assert_eq!(found.of("unfocused"), "", "a stop of the keyboard that cannot be seen");
    assert_eq!(found.of("stops"), "true", "links and fields are reached by the keyboard");
    assert_eq!(found.of("troubles"), "", "dialogs, console, exceptions, policy");
    assert_eq!(found.of("foreign"), "", "requests to other origins");
    assert_eq!(found.of("scriptless"), "true", "everything is there without script");
    drop(server);
    folder.close().unwrap();
}
