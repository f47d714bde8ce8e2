//! The tracker on every kind of site: what a person does, what is sent meanwhile, what is counted.
//!
//! What it is not: a test of the demo page and the dashboard; that is `browser`.
//!
//! What surprises: each test is a story. Lines that begin with `--` are what the person does, and
//! below each is all that the browser then asked of the collector, with whole bodies.

mod mutants;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::browser::{CHROMIUM, NODE, program};
use crate::server::{CHROME, PATIENCE, Server, ask};
use crate::until::until;

/// npm's way to run a package's program, and the Debian package that has it.
const NPX: (&str, &str) = ("npx", "npm");
/// What `POST /hit` carries beside its body.
const HEADERS: &str = "origin http://example.org, referer none, cookie none, content-type \
    text/plain;charset=UTF-8";
/// How the script asks.
const ASKED: &str = "cors credentials omit keepalive true";
/// Bytes of cookies; then entries of local and session storage, caches, databases, workers.
const NOTHING_KEPT: &str = "0 0 0 0 0 0, cookies 0";

/// A person's visit that is over.
struct Visit {
    server: Server,
    said: String,
    _folder: tempfile::TempDir,
}

impl Visit {
    /// Lets a person with a new browser visit a site of this kind.
    fn new(kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), "", &[]);
        let said = visit(kind, &server, (folder.path(), &folder.path().join("profile")), None);
        assert!(said.is_whole, "{}", said.text);
        Self { server, said: said.text, _folder: folder }
    }

    /// What followed a name at the beginning of a line.
    fn of(&self, name: &str) -> &str {
        let found = self.said.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.said)).trim()
    }

    /// The story up to the findings, with the hash taken out of the script's name.
    fn story(&self) -> String {
        let lines = self.said.lines().take_while(|line| !line.starts_with("asked"));
        let lines = lines.map(|line| match line.split_once("/headcount.") {
            Some(("GET ", rest)) if rest.ends_with(".js br") => "script",
            _ => line,
        });
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Compares story and counts with what should be, and looks for what must not be there.
    fn assert(self, story: &str, counts: &[&str]) {
        assert_eq!(self.of("troubles"), "", "console, exceptions, content security policy");
        self.assert_but_for_troubles(story, counts);
    }

    fn assert_but_for_troubles(self, story: &str, counts: &[&str]) {
        assert_eq!(self.story(), story);
        let sends = story.contains("\nhit ");
        assert_eq!(self.of("headers"), if sends { HEADERS } else { "" });
        let asked = self.of("asked");
        assert!(asked == ASKED || asked.is_empty(), "{asked}");
        assert_eq!(self.of("kept"), NOTHING_KEPT, "what scripts and the browser can keep");
        assert_eq!(self.of("profile"), "", "files of the browser that name the collector");
        assert_eq!(self.of("history"), "true", "what the browser keeps is seen by that search");
        let mut found = Vec::new();
        let is_so = until(PATIENCE, || {
            found = self.counts();
            found == counts
        });
        assert!(is_so, "counted {found:#?}, not {counts:#?}");
    }

    /// Pages with views, visitors and visits; clicks; refusals.
    fn counts(&self) -> Vec<String> {
        let sql = "SELECT page || ' ' || sum(views) || ' ' || sum(visitors) || ' ' || sum(visits)
                FROM page_counts GROUP BY page
            UNION ALL SELECT page || ' > ' || target || ' ' || sum(clicks)
                FROM click_counts GROUP BY page, target
            UNION ALL SELECT 'refused ' || reason || ' ' || sum(refused)
                FROM refusal_counts GROUP BY reason";
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let file = self.server.data().join("counts.db");
        let Ok(db) = rusqlite::Connection::open_with_flags(file, flags) else { return Vec::new() };
        db.busy_timeout(PATIENCE).unwrap();
        let Ok(mut statement) = db.prepare(sql) else { return Vec::new() };
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

/// What was printed about a visit, and whether it came to its end.
#[derive(PartialEq, Eq)]
struct Said {
    text: String,
    is_whole: bool,
}

/// Runs `tracker/visit.mjs` with the lines that the server printed in its folder. `script` is given
/// to the browser instead of the tracker that is served.
fn visit(
    kind: &str,
    server: &Server,
    (folder, profile): (&Path, &Path),
    script: Option<&Path>,
) -> Said {
    let printed = fs::read_to_string(folder.join("up.out")).unwrap();
    let line = |begin: &str| {
        let line = printed.lines().map(str::trim).find(|line| line.starts_with(begin));
        line.unwrap_or_else(|| panic!("no {begin} in {printed}")).to_owned()
    };
    let output = Command::new(program(NODE))
        .arg(tracker_tests().join("visit.mjs"))
        .arg(kind)
        .arg(program(CHROMIUM))
        .arg(profile)
        .args([CHROME, &server.address, &line("<script"), &line("<noscript")])
        .args(script)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = format!("{}{errors}", String::from_utf8_lossy(&output.stdout));
    Said { text, is_whole: output.status.success() }
}

fn tracker_tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tracker")
}

#[test]
fn static_site_counts_views_and_each_kind_of_click() {
    Visit::new("static").assert(
        r#"-- opens a link from a newsletter
script
hit {"r":"http://news.example","p":"http://example.org/?utm_source=Letter&utm_campaign=spring&","s":"example.org"}
-- presses a named button
hit {"r":"http://example.org","p":"http://example.org/?utm_source=Letter&utm_campaign=spring&","e":"signup","s":"example.org"}
-- opens another site
hit {"r":"http://example.org","p":"http://example.org/?utm_source=Letter&utm_campaign=spring&","c":"http://shop.partner.example","s":"example.org"}
-- opens it in the background
hit {"r":"http://example.org","p":"http://example.org/?utm_source=Letter&utm_campaign=spring&","c":"http://shop.partner.example","s":"example.org"}
-- opens the menu of that link
-- opens a site whose name only ends alike
hit {"r":"http://example.org","p":"http://example.org/?utm_source=Letter&utm_campaign=spring&","c":"http://notexample.org","s":"example.org"}
-- opens a subdomain
-- fetches a report
hit {"r":"http://example.org","p":"http://example.org/?utm_source=Letter&utm_campaign=spring&","c":"/files/Report.PDF","s":"example.org"}
-- saves data
hit {"r":"http://example.org","p":"http://example.org/?utm_source=Letter&utm_campaign=spring&","c":"/data","s":"example.org"}
-- goes to another page
script
hit {"r":"http://example.org","p":"http://example.org/about?","s":"example.org"}
-- comes home
script
hit {"r":"http://example.org","p":"http://example.org/","s":"example.org"}
"#,
        &[
            "/ 2 1 1",
            "/about 1 1 0",
            "/ > /data 1",
            "/ > /files/Report.PDF 1",
            "/ > ext:notexample.org 1",
            "/ > ext:partner.example 2",
            "/ > signup 1",
        ],
    );
}

#[test]
fn each_kind_of_click_has_a_switch() {
    Visit::new("switches").assert(
        r#"-- opens /no-outbound
script
hit {"r":"","p":"http://example.org/no-outbound","s":"example.org"}
-- clicks partner
-- clicks report
-- clicks named
hit {"r":"http://example.org","p":"http://example.org/no-outbound","e":"signup","s":"example.org"}
-- clicks signup
hit {"r":"http://example.org","p":"http://example.org/no-outbound","e":"signup","s":"example.org"}
-- opens /no-named
script
hit {"r":"","p":"http://example.org/no-named","s":"example.org"}
-- clicks partner
hit {"r":"http://example.org","p":"http://example.org/no-named","c":"http://partner.example","s":"example.org"}
-- clicks report
-- clicks named
hit {"r":"http://example.org","p":"http://example.org/no-named","c":"http://partner.example","s":"example.org"}
-- clicks signup
"#,
        &[
            "/no-named 1 1 1",
            "/no-outbound 1 1 1",
            "/no-named > ext:partner.example 2",
            "/no-outbound > signup 2",
        ],
    );
}

#[test]
fn single_page_app_counts_a_new_path_once_however_it_comes() {
    Visit::new("app").assert(
        r#"-- opens the app
script
hit {"r":"","p":"http://example.org/?utm_medium=post","s":"example.org"}
-- the app tidies its address
-- goes to a view
hit {"r":"http://example.org","p":"http://example.org/list","s":"example.org"}
-- sorts it
-- the app replaces the view by itself, twice
-- jumps within the view
-- jumps by code
-- the app redirects
hit {"r":"http://example.org","p":"http://example.org/item/4711011","s":"example.org"}
-- goes back over the jumps
hit {"r":"http://example.org","p":"http://example.org/list","s":"example.org"}
-- goes back to the start
hit {"r":"http://example.org","p":"http://example.org/","s":"example.org"}
-- pushes and pops at once
hit {"r":"http://example.org","p":"http://example.org/about","s":"example.org"}
hit {"r":"http://example.org","p":"http://example.org/","s":"example.org"}
-- the app reads what it has written
hit {"r":"http://example.org","p":"http://example.org/end","s":"example.org"}
"#,
        &["/ 3 1 1", "/about 1 1 0", "/end 1 1 0", "/item/:id 1 1 0", "/list 2 1 0"],
    );
}

#[test]
fn collector_that_is_away_is_no_error_of_the_page() {
    let visit = Visit::new("down");
    let troubles = visit.of("troubles").to_owned();
    assert!(troubles.contains("/hit") && !troubles.contains("TypeError"), "{troubles}");
    assert_eq!(visit.of("asked"), ASKED);
    visit.assert_but_for_troubles(
        r#"-- opens the page
script
hit {"r":"","p":"http://example.org/","s":"example.org"}
-- goes to a view
hit {"r":"http://example.org","p":"http://example.org/list","s":"example.org"}
"#,
        &[],
    );
}

#[test]
fn hash_routes_are_pages_and_other_fragments_are_not_told() {
    Visit::new("hash").assert(
        r#"-- opens the app at a place that is no route
script
hit {"r":"","p":"http://example.org/app/?utm_source=x","s":"example.org"}
-- goes to a list
hit {"r":"http://example.org","p":"http://example.org/app//list?utm_source=x","s":"example.org"}
-- sorts it
-- opens an item, the old way
hit {"r":"http://example.org","p":"http://example.org/app//item?utm_source=x","s":"example.org"}
"#,
        &["/app 1 1 1", "/app/item 1 1 0", "/app/list 1 1 0"],
    );
}

#[test]
fn strict_content_security_policy_stops_nothing_and_complains_of_nothing() {
    Visit::new("policy").assert(
        r#"-- opens the page
script
hit {"r":"","p":"http://example.org/?","s":"example.org"}
-- presses a named button
hit {"r":"http://example.org","p":"http://example.org/?","e":"signup","s":"example.org"}
"#,
        &["/ 1 1 1", "/ > signup 1"],
    );
}

#[test]
fn nothing_is_sent_before_consent_nor_after_it_is_withdrawn() {
    Visit::new("consent").assert(
        r#"-- opens the page
script
-- presses a named button
-- goes to a view
-- consents
hit {"r":"","p":"http://example.org/list","s":"example.org"}
-- consents again
-- presses a named button
hit {"r":"http://example.org","p":"http://example.org/list","e":"signup","s":"example.org"}
-- withdraws
-- presses a named button
-- goes to a view
"#,
        &["/list 1 1 1", "/list > signup 1"],
    );
}

#[test]
fn page_out_of_the_back_forward_cache_is_one_more_view_and_no_visit() {
    Visit::new("back").assert(
        r#"-- opens the page from elsewhere
script
hit {"r":"http://news.example","p":"http://example.org/","s":"example.org"}
-- goes to another page
script
hit {"r":"http://example.org","p":"http://example.org/about","s":"example.org"}
-- goes back
hit {"r":"http://example.org","p":"http://example.org/","s":"example.org"}
"#,
        &["/ 2 1 1", "/about 1 1 0"],
    );
}

#[test]
fn prerendered_page_counts_when_it_is_shown() {
    Visit::new("ahead").assert(
        r#"-- opens the page
script
hit {"r":"","p":"http://example.org/","s":"example.org"}
-- the page has the next one rendered ahead
script
-- rendered
-- goes to the page that is ready
hit {"r":"http://example.org","p":"http://example.org/next","s":"example.org"}
"#,
        &["/ 1 1 1", "/next 1 1 0"],
    );
}

#[test]
fn global_privacy_control_and_do_not_track_send_nothing_at_all() {
    let story =
        "-- opens the page\nscript\n-- goes to a view\n-- clicks partner\n-- clicks signup\n";
    Visit::new("wishes").assert(story, &[]);
    Visit::new("track").assert(story, &[]);
}

#[test]
fn pixel_alone_counts_the_page_it_is_on() {
    Visit::new("pixel").assert(
        r#"-- opens the page
script
hit {"r":"","p":"http://example.org/","s":"example.org"}
-- opens it without scripts
pixel ?s=example.org on http://example.org/?utm_source=letter&person=7
-- opens a page with the image alone
pixel ?s=example.org on http://example.org/about?person=7
"#,
        &["/ 2 1 2", "/about 1 1 1"],
    );
}

#[test]
fn script_is_served_by_its_hash_packed_for_those_who_ask_and_is_never_stored() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "", &[]);
    let printed = fs::read_to_string(folder.path().join("up.out")).unwrap();
    let path = printed.split("src=\"http://").nth(1).unwrap().split('"').next().unwrap();
    let path = path.split_once('/').unwrap().1;
    for (accepts, length, packed) in [("gzip, br", 500, true), ("gzip", 900, false)] {
        for path in [path, "headcount.js"] {
            let headers = format!("Accept-Encoding: {accepts}\r\nIf-None-Match: *\r\n");
            let reply = ask(&server.address, &format!("GET /{path}"), &headers, "").unwrap();
            let head = reply.head.to_lowercase();
            assert_eq!(reply.status, 200, "{path}");
            let told: usize = field(&head, "content-length").unwrap().parse().unwrap();
            assert!(told <= length, "{path}: {told} bytes");
            assert_eq!(field(&head, "content-encoding"), packed.then_some("br"), "{path}");
            assert_eq!(field(&head, "vary"), Some("accept-encoding"));
            assert_eq!(field(&head, "cache-control"), Some("no-store"));
            assert_eq!(field(&head, "access-control-allow-origin"), Some("*"));
            for name in ["etag", "last-modified", "expires", "set-cookie"] {
                assert_eq!(field(&head, name), None, "{path}");
            }
        }
    }
    let gone = ask(&server.address, "GET /headcount.000000000000.js", "", "").unwrap();
    assert_eq!(gone.status, 404);
    assert!(gone.body.contains("no such version"), "{}", gone.body);
    let metrics = server.ask_ops("/metrics");
    assert!(metrics.contains("reason=\"unknown_tracker\"} 1"), "{metrics}");
}

/// A header's value in a head of lower case.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
}

#[test]
fn served_script_is_what_its_source_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/collector/assets/tracker");
    let make = fs::read_to_string(folder.join("make.mjs")).unwrap();
    let package = make.split("--package=").nth(1).unwrap().split(' ').next().unwrap();
    let output = Command::new(program(NPX))
        .args(["--yes", &format!("--package={package}"), "--", "node", "make.mjs", "--check"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
}
