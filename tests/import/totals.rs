//! `headcount import-totals`: exports of four tools through the real binary.
//!
//! What it is not: the parsers' own tests, which lie in the collector.
//!
//! What surprises: files are made here, with the heads that the tools write and words that must not
//! be found anywhere afterwards.

use std::fmt::Write as _;

use headcount_core::time::{Day, Hour};

use super::*;

/// Words of visitors, in every row.
const MARKER: &str = "canary7Kq2";
/// Rows of the file that is killed on its way.
const ROWS: i64 = 20_000;

/// Yesterday: over, and kept.
fn yesterday() -> Day {
    Hour::of_unix(now() - 86_400).day()
}

fn totals(dir: &tempfile::TempDir, tool: &str, files: &[&Path]) -> Output {
    let args = ["import-totals", SITE, "--from", tool];
    let files = files.iter().map(|path| path.to_str().unwrap());
    headcount(dir.path(), &args.into_iter().chain(files).collect::<Vec<_>>())
}

fn said(dir: &tempfile::TempDir, tool: &str, files: &[&Path]) -> String {
    let output = totals(dir, tool, files);
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

fn refused(dir: &tempfile::TempDir, tool: &str, file: &Path) -> String {
    let output = totals(dir, tool, &[file]);
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(number(dir, "SELECT count(*) FROM ledger"), 0);
    text(&output.stderr)
}

/// GoatCounter's export with so many views, one each second of a day.
fn goatcounter(day: Day, rows: i64) -> String {
    let mut content = "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,\
                       Referrer scheme,Screen size,Location,FirstVisit,Date\n"
        .to_owned();
    for row in 0..rows {
        let (hour, minute, second) = (row / 3_600 % 24, row / 60 % 60, row % 60);
        writeln!(
            content,
            "/p{},{MARKER},0,{MARKER},{MARKER} 1,{MARKER},{MARKER},0,{MARKER}.example,h,\
             \"1,1,1\",{MARKER},1,{day}T{hour:02}:{minute:02}:{second:02}Z",
            row % 500
        )
        .unwrap();
    }
    content
}

#[test]
fn plausibles_totals_count_once() {
    let dir = folder();
    let (day, old) = (yesterday(), "2015-02-09");
    let days = format!(
        "\"date\",\"visitors\",\"pageviews\",\"bounces\",\"visits\",\"visit_duration\"\n\
         \"{day}\",119,304,77,134,21070\n\"{old}\",9,9,9,9,9\n"
    );
    let pages = format!(
        "\"date\",\"hostname\",\"page\",\"visits\",\"visitors\",\"pageviews\"\n\
         \"{day}\",\"{SITE}\",\"/users/anna\",2,2,4\n\"{day}\",\"{SITE}\",\"/a\",1,1,300\n"
    );
    let files =
        [file(&dir, "imported_visitors.csv", &days), file(&dir, "imported_pages.csv", &pages)];
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    for expect in ["1 rows counted; 1 are of days that are not kept", "was counted before"] {
        let told = said(&dir, "plausible", &files);
        assert!(told.contains(expect), "{told}");
        assert_eq!(number(&dir, "SELECT sum(views) FROM site_counts"), 304);
        assert_eq!(number(&dir, "SELECT sum(visitors) FROM site_counts"), 119);
        assert_eq!(views(&dir), 304);
    }
    let clean = "SELECT views FROM page_counts WHERE page = '/users/:id'";
    assert_eq!(number(&dir, clean), 4);
    let marked = "SELECT count(*) FROM ledger WHERE src LIKE 'totals:plausible:%'";
    assert_eq!(number(&dir, marked), 2);
    balanced(&dir);
    assert!(headcount(dir.path(), &["site", "erase", SITE]).status.success());
    assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
    said(&dir, "plausible", &files);
    assert_eq!(views(&dir), 304);
    balanced(&dir);
}

#[test]
fn a_notice_that_tells_nothing_of_totals_is_pointed_at() {
    let dir = folder();
    let export = file(&dir, "export.csv", &goatcounter(yesterday(), 3));
    let settings = dir.path().join("headcount.toml");
    let said = |notice: &str| {
        std::fs::write(&settings, notice).unwrap();
        let args = ["import-totals", SITE, "--from", "goatcounter"];
        let given = ["--config", settings.to_str().unwrap(), export.to_str().unwrap()];
        let output = headcount(dir.path(), &[&args[..], &given].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let warning = said("[notice]\ntracker = \"script\"\nimports_totals = [\"matomo\"]\n");
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(warning.contains("set notice.imports_totals = [\"goatcounter\"]"), "{warning}");
    for notice in ["", "[notice]\ntracker = \"script\"\nimports_totals = [\"goatcounter\"]\n"] {
        assert_eq!(said(notice), "", "{notice}");
    }
}

#[test]
fn a_file_of_another_site_is_another_file() {
    let dir = folder();
    let file = file(&dir, "export.csv", &goatcounter(yesterday(), 40));
    let other = "example.net";
    assert!(headcount(dir.path(), &["site", "add", other]).status.success());
    let path = file.to_str().unwrap();
    for _ in 0..2 {
        for site in [SITE, other] {
            let args = ["import-totals", site, "--from", "goatcounter", path];
            let output = headcount(dir.path(), &args);
            assert!(output.status.success(), "{site}: {output:?}");
            let sql = format!("SELECT sum(views) FROM site_counts WHERE site = '{site}'");
            assert_eq!(number(&dir, &sql), 40, "{site}");
        }
    }
}

#[test]
fn views_of_umami_and_goatcounter_leave_nothing_but_counts() {
    let dir = folder();
    let day = yesterday();
    let umami = |path: &str, kind: u32, time: &str| {
        format!("w1,{MARKER},{MARKER},{MARKER},{path},q={MARKER},{kind},{MARKER},{day} {time}\n")
    };
    let rows = [
        "website_id,session_id,visit_id,event_id,url_path,url_query,event_type,event_name,\
         created_at\n",
        &umami("/users/anna", 1, "10:00:01"),
        &umami("/users/beate", 1, "10:59:59"),
        &umami("/a", 1, "11:00:00"),
        &umami("/a", 2, "11:00:00"),
    ];
    let events = file(&dir, "website_event.csv", &rows.concat());
    let told = said(&dir, "umami", &[&events]);
    assert!(told.contains("3 rows counted; 0 are of days that are not kept; 1 are no views"));
    let users = "SELECT views FROM page_counts WHERE page = '/users/:id'";
    assert_eq!((number(&dir, users), views(&dir)), (2, 3));

    let export = file(&dir, "export.csv", &goatcounter(day, 7));
    said(&dir, "goatcounter", &[&compressed(&export, "gzip")]);
    let told = said(&dir, "goatcounter", &[&export]);
    assert!(told.contains("was counted before"), "{told}");
    assert_eq!((number(&dir, "SELECT sum(views) FROM site_counts"), views(&dir)), (10, 10));
    let marked = "SELECT count(*) FROM ledger WHERE src LIKE 'totals:umami:%' \
                  OR src LIKE 'totals:goatcounter:%'";
    assert_eq!(number(&dir, marked), 2);
    balanced(&dir);
    for word in [MARKER, "anna", "beate"] {
        assert!(files_with(&dir.path().join("data"), word.as_bytes()).is_empty(), "{word}");
    }
}

#[test]
fn matomos_days_and_pages_count_once() {
    let dir = folder();
    let day = yesterday();
    let days = format!("date,nb_uniq_visitors,nb_visits,nb_actions,nb_pageviews\n{day},5,6,9,8\n");
    let pages = format!(
        "date,label,nb_visits,nb_uniq_visitors,nb_hits,metadata_url,metadata_segment\n\
         {day},/index,3,3,5,https://{SITE}/,pageUrl==x\n{day},Others,2,,3,,\n"
    );
    let utf16 = pages.encode_utf16().flat_map(u16::to_le_bytes);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16).collect();
    let (site, urls) = (file(&dir, "site.csv", &days), dir.path().join("pages.csv"));
    std::fs::write(&urls, utf16).unwrap();
    for _ in 0..2 {
        said(&dir, "matomo", &[&site, &urls]);
        assert_eq!(number(&dir, "SELECT sum(views) FROM site_counts"), 8);
        assert_eq!(number(&dir, "SELECT sum(visitors) FROM site_counts"), 5);
        assert_eq!(number(&dir, "SELECT views FROM page_counts WHERE page = '/'"), 5);
        assert_eq!(number(&dir, "SELECT views FROM page_counts WHERE page = '(other)'"), 3);
        balanced(&dir);
    }
}

#[test]
fn a_file_that_cannot_be_counted_is_named_with_its_line() {
    let dir = folder();
    let good = goatcounter(yesterday(), 3);
    let export = file(&dir, "export.csv", &good);
    let told = refused(&dir, "umami", &export);
    let expect = "export.csv: nothing of it was counted: line 1: this looks like a GoatCounter \
                  export; use --from goatcounter";
    assert!(told.contains(expect), "{told}");
    let torn = file(&dir, "torn.csv", &format!("{good}/{MARKER},,0,,,,,0,,,,,1,{MARKER}\n"));
    let told = refused(&dir, "goatcounter", &torn);
    assert!(told.contains("torn.csv: nothing of it was counted: line 5: column Date"), "{told}");
    assert!(!told.contains(MARKER), "{told}");
}

#[test]
fn killed_on_its_way_a_file_is_counted_whole_or_not_at_all() {
    let dir = folder();
    let export = file(&dir, "export.csv", &goatcounter(yesterday(), ROWS));
    let mut dice = Dice(7);
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .args(["import-totals", SITE, "--from", "goatcounter", "--data"])
            .args([&dir.path().join("data"), &export])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(dice.below(400_000)));
        kills += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        // Before there is a store there is nothing in it.
        assert!([0, ROWS].contains(&views(&dir).max(0)), "{}", views(&dir));
    }
    said(&dir, "goatcounter", &[&export]);
    assert!(kills > 0, "no kill came in time");
    assert_eq!(views(&dir), ROWS);
    balanced(&dir);
}
