//! Headless Chromium: the demo page, a click, and the dashboard that shows both.
//!
//! What it is not: a test of Chromium, or of looks. It keeps pictures in `target/browser` for
//! whoever wants to look.
//!
//! What surprises: how long the numbers took is printed and kept in `found.txt`, and never asserted: on a
//! quiet machine it is less than two seconds. The browser is driven by `browser.mjs` over two pipes, without any package. It
//! is told to call itself Chrome, because headless Chromium is a robot by its own word.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server::{CHROME, headcount};
use crate::until::calm_day;

/// A program these tests need, and the Debian package that has it.
pub(crate) const CHROMIUM: (&str, &str) = ("chromium", "chromium");
pub(crate) const NODE: (&str, &str) = ("node", "nodejs");

/// `headcount up` on an empty folder, as a newcomer starts it.
struct Newcomer {
    child: Child,
    demo: String,
    dashboard: String,
}

impl Newcomer {
    fn start(data: &Path) -> Self {
        calm_day();
        let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("HEADCOUNT_OPS_LISTEN", "127.0.0.1:0")
            .current_dir(data.parent().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut links = [String::new(), String::new()];
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            for (name, link) in ["demo page", "dashboard"].iter().zip(&mut links) {
                if let Some(url) = line.strip_prefix(name) {
                    url.trim().clone_into(link);
                }
            }
            if links.iter().all(|link| !link.is_empty()) {
                break;
            }
        }
        let [demo, dashboard] = links;
        assert!(!demo.is_empty() && !dashboard.is_empty(), "no links: {demo:?} {dashboard:?}");
        Self { child, demo, dashboard }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where a program is; without it the test fails with the line that gets it.
pub(crate) fn program((name, package): (&str, &str)) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: apt-get install {package}"))
}

/// What the browser found: the lines of `browser.mjs`, by their name.
pub(crate) struct Found(pub(crate) String);

impl Found {
    /// Runs the whole scenario in a new profile.
    fn look(at: &Newcomer, profile: &Path) -> Self {
        let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser");
        std::fs::create_dir_all(&pictures).unwrap();
        let output = Command::new(program(NODE))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser.mjs"))
            .arg(program(CHROMIUM))
            .arg(profile)
            .args([CHROME, &at.demo, &at.dashboard])
            .arg(pictures.join("dashboard.png"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        std::fs::write(pictures.join("found.txt"), &said).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{errors}");
        Self(said)
    }

    pub(crate) fn of(&self, name: &str) -> &str {
        let found = self.0.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.0)).trim()
    }
}

#[test]
fn a_newcomer_sees_view_visitor_and_click_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let newcomer = Newcomer::start(&folder.path().join("data"));
    let found = Found::look(&newcomer, &folder.path().join("profile"));
    assert_eq!(found.of("sent"), "2", "a view and a click are named on the demo page");
    // Bytes of cookies; then entries of local and session storage, caches, databases, workers.
    assert_eq!(found.of("kept"), "0 0 0 0 0 0", "the demo page keeps nothing in the browser");
    assert_eq!(found.of("cookies"), "0", "nor does any answer before sign-in");
    assert_eq!(found.of("headlines"), "views 1, visitors 1, visits 1, clicks 1");
    assert_eq!(found.of("address"), "/", "the code of the link is not left in the address");
    // Out of the reach of scripts, and not sent from other sites.
    assert_eq!(found.of("session"), "true Strict", "one cookie, of the analyst");
    assert_eq!(found.of("troubles"), "", "console, exceptions, content security policy");
    assert_eq!(found.of("foreign"), "", "requests to other origins");
    drop(newcomer);
    // The browser has ended and writes no more: nothing is left in the temporary folder.
    folder.close().unwrap();
}

/// Without TLS, and not on this machine, a browser names no site but the origin of a form.
#[test]
fn signing_in_by_token_and_by_button_works_wherever_the_dashboard_is() {
    let folder = tempfile::tempdir().unwrap();
    let newcomer = Newcomer::start(&folder.path().join("data"));
    let origin = newcomer.demo.strip_suffix("/demo").unwrap();
    let said = |args: &[&str]| {
        let output = headcount(folder.path(), args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let token = said(&["token", "add", "--site", "localhost"]);
    let link = || {
        let link = said(&["signin"]);
        let (_, code) = link.lines().next().unwrap().split_once("/signin").unwrap();
        format!("/signin{code}")
    };
    let output = Command::new(program(NODE))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/signin.mjs"))
        .arg(program(CHROMIUM))
        .arg(folder.path().join("profile"))
        .args([origin, &token, &link(), &link()])
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{found}{errors}");
    let expect = ["127.0.0.1", "count.example"].map(|host| {
        let site = if host == "127.0.0.1" { "same-origin" } else { "none" };
        format!("{host} token / 1\n{host} out / 0\n{host} link / 1\n{host} said own {site}\n")
    });
    assert_eq!(found, expect.concat());
    drop(newcomer);
    folder.close().unwrap();
}
