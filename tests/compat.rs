//! The published trackers of other tools, unchanged, against our four endpoints.
//!
//! What it is not: requests that we made up. Those are in `compat/answers.rs`, for what no client
//! sends; GoatCounter's script is in no package, so its part are the requests of its own guide.
//!
//! What surprises: `compat/drive.mjs` puts a marker into every field that a client offers and
//! passes all bytes through a recorder. The markers of what is read must be found in a build that
//! keeps everything; the others must not be found even there, because they are not read.

mod answers;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::browser::{CHROMIUM, NODE, program};
use crate::privacy::search::{Found, Search, note_files};
use crate::privacy::{SETTLING, note_answers, without_sanitiser};
use crate::server::{CHROME, Deployment as _, PATIENCE, Server};

/// The site that moved in.
pub(crate) const MOVED: &str = "moved.example.com";
/// Its name at Umami.
pub(crate) const UMAMI_ID: &str = "0b0a1bdd-4a1b-4ad1-8f80-0d9c4c6ff1c5";
/// Umami's browser script, as it is carried by a package of its makers with everything else.
const UMAMI: (&str, &str) = (
    "umami@2.10.0",
    "sha512-+lmrnV0751R6U2rkIgVAlE1nWI7yZawlMlJDguW9tlFacCKhnGeCyc7tCMIhNNYIiGIQy4DEX5IzJhm4b3+dPA==",
);
/// What the clients' views and clicks are together.
const ACCEPTED: u64 = 9 + 16;

/// Settings of a collector that answers all four, with [`MOVED`] as a site of its own.
pub(crate) fn settings() -> String {
    format!(
        "compat = [\"plausible\", \"umami\", \"goatcounter\", \"matomo\"]\ncrowd = 1\nk = 1\n\
         [[sites]]\nhost = \"{MOVED}\"\nevents = [\"sign_up\", \"cart:add\"]\n\
         umami_id = \"{UMAMI_ID}\"\nmatomo_id = 7\n"
    )
}

/// A command that must end well, with what it printed.
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{errors}");
    said
}

/// The clients in the versions of `compat/package-lock.json`, in a folder under `folder`.
fn installed(folder: &Path) -> PathBuf {
    let modules = folder.join("clients");
    std::fs::create_dir(&modules).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat");
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(here.join(file), modules.join(file)).unwrap();
    }
    let npm = program(("npm", "npm"));
    let npm = |args: &[&str]| done(Command::new(&npm).args(args).current_dir(&modules));
    npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let (package, digest) = UMAMI;
    let packed = npm(&["pack", "--json", "--ignore-scripts", package]);
    assert!(packed.contains(digest), "{package} is another one: {packed}");
    let script = "package/src/tracker/index.js";
    let archive = "umami-2.10.0.tgz";
    done(Command::new("tar").args(["-xzf", archive, script]).current_dir(&modules));
    modules
}

/// What the driver printed, by the first word of a line.
struct Said(String);

impl Said {
    /// Lets every client send to `server`.
    fn of(server: &Server, folder: &Path) -> Self {
        let modules = installed(folder);
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/drive.mjs");
        let said = Self(done(
            Command::new(program(NODE))
                .arg(driver)
                .arg(program(CHROMIUM))
                .arg(folder.join("profile"))
                .args([CHROME, &server.address])
                .arg(&modules)
                .arg(UMAMI_ID),
        ));
        // What npm and the browser left is not ours, and would be found.
        for theirs in ["clients", "profile"] {
            std::fs::remove_dir_all(folder.join(theirs)).unwrap();
        }
        said
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.0.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
        lines.filter(|(found, _)| *found == name).map(|(_, rest)| rest.trim()).collect()
    }

    /// Every answer that a client saw was one that it takes for success.
    fn assert_happy(&self) {
        for (client, expect) in [
            ("plausible", "answered answered answered"),
            ("nyplausible", "202"),
            ("umamiskript", "{}"),
            ("umamitoken", "{}"),
            ("umaminod", "200 200 200 200 {}"),
            ("goat", "1 1 true"),
            ("matomo", "{\"status\":\"success\",\"tracked\":4,\"invalid\":0}"),
            ("matomoerrors", ""),
            ("troubles", ""),
        ] {
            assert_eq!(self.all(client), [expect], "{client}: {}", self.0);
        }
        assert_eq!(self.all("unsent"), ["", ""], "markers that no request carried");
        let [read, extra] = ["read", "extra"].map(|kind| self.all(kind)[0].split(' ').count());
        assert!(read >= 20 && extra >= 35, "{read} {extra}");
    }
}

/// Lets the clients send to a build, and looks for every marker in all that is left.
fn audit(binary: &Path, check: impl Fn(&Server)) -> (Said, Found) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_binary(binary, dir.path(), &settings(), &[]).unwrap();
    let said = Said::of(&server, dir.path());
    said.assert_happy();
    let mut found = Found::new();
    let markers = ["read", "extra"].map(|kind| said.all(kind)[0]);
    let search = Search::of(markers.iter().flat_map(|all| all.split(' ')));
    note_files(&mut found, &search, dir.path());
    let counted = "SELECT sum(views + clicks) FROM site_counts";
    server.wait_for(counted, i64::try_from(ACCEPTED).unwrap());
    let line = format!("headcount_hits_accepted_total {ACCEPTED}\n");
    let metrics = server.ask_ops("/metrics");
    assert!(metrics.contains(&line), "{metrics}");
    std::thread::sleep(SETTLING);
    check(&server);
    note_answers(&mut found, (&search, MOVED), &server);
    note_files(&mut found, &search, dir.path());
    assert_eq!(server.stop(), Some(0));
    note_files(&mut found, &search, dir.path());
    (said, found)
}

/// One column of text out of the store.
fn lines(server: &Server, sql: &str) -> Vec<String> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(server.data().join("counts.db"), flags).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let lines = statement.query_map([], |row| row.get(0)).unwrap();
    lines.collect::<Result<_, _>>().unwrap()
}

/// The counts that a person would expect of what the driver did.
fn assert_counts(server: &Server) {
    let views = "SELECT CAST(page AS TEXT) || ' ' || sum(views) || ' ' || sum(visits) \
                 FROM page_counts GROUP BY page HAVING sum(views) > 0 ORDER BY 1";
    assert_eq!(
        lines(server, views),
        [
            "/goat 1 1",
            "/matomo 3 3",
            "/nyplausible 1 1",
            "/plausible 1 1",
            // The script's next page came from its first.
            "/umami/andra 1 0",
            "/umami/nod 1 1",
            "/umami/skript 1 1",
        ]
    );
    let clicks = "SELECT CAST(page AS TEXT) || ' ' || CAST(target AS TEXT) || ' ' || sum(clicks) \
                  FROM click_counts GROUP BY page, target ORDER BY 1";
    assert_eq!(
        lines(server, clicks),
        [
            // Neither GoatCounter nor Umami's client in Node names the page of an event.
            "/ (other) 1",
            "/ sign_up 1",
            "/:invalid (other) 1",
            "/:invalid sign_up 1",
            "/matomo (other) 1",
            "/matomo /filer/prislista.pdf 1",
            "/matomo cart:add 1",
            "/matomo ext:example.net 1",
            "/nyplausible /filer/prislista.pdf 1",
            "/nyplausible ext:example.net 1",
            "/nyplausible sign_up 1",
            "/plausible (other) 1",
            "/plausible ext:example.net 1",
            "/plausible sign_up 1",
            "/umami/andra ext:example.net 1",
            "/umami/skript sign_up 1",
        ]
    );
    let browser = "attribute = 'browser' AND value = 'Chrome'";
    server.wait_for(&format!("SELECT count(*) > 0 FROM attribute_counts WHERE {browser}"), 1);
    // Some wait at the edge for another visitor: which ones is a matter of moments.
    let values = "SELECT DISTINCT attribute || ' ' || CAST(value AS TEXT) FROM attribute_counts \
                  WHERE attribute IN ('source', 'utm_source', 'browser') ORDER BY 1";
    let left = lines(server, values);
    assert!(left.contains(&"browser Chrome".to_owned()), "{left:?}");
    let expected = ["Chrome", "(direct)", "(internal)", "example.net", "(none)", "brev"];
    assert!(left.iter().all(|line| expected.iter().any(|e| line.ends_with(e))), "{left:?}");
}

#[test]
fn the_published_clients_are_counted_and_leave_no_marker() {
    let (_, found) = audit(Path::new(env!("CARGO_BIN_EXE_headcount")), assert_counts);
    assert_eq!(found, Found::new());
}

#[test]
fn a_build_without_the_sanitiser_keeps_what_is_read_and_nothing_else() {
    let (said, found) = audit(&without_sanitiser(), |_| ());
    for marker in said.all("read")[0].split(' ') {
        let places = found.get(marker).cloned().unwrap_or_default();
        assert!(places.iter().any(|place| place.contains("/data/")), "{marker}: {places:?}");
    }
    let extra: Vec<_> = said.all("extra")[0].split(' ').collect();
    let read: Vec<_> = found.keys().filter(|name| extra.contains(&name.as_str())).collect();
    assert!(read.is_empty(), "read although no field of ours is for it: {read:?}");
}
