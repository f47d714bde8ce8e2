//! The texts for visitors through the real binary: notice, answer, sheet, and what is served.
//!
//! What it is not: a proof of the sentences. Each names its own check, and `notice/tests.rs` in the
//! binary's crate holds them to their settings.
//!
//! What surprises: the golden texts are made by the command itself, from the settings beside them:
//! `headcount notice --lang sv --config tests/golden/notice/strict.toml --data /nowhere`.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::pipeline::{PROXY, complaint, files_with, text, write_config};
use crate::server::{CHROME, Deployment, SITE, Server, headcount};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/notice");
const MODES: [&str; 6] = ["embedded", "cluster", "strict", "visitors-off", "log", "moving"];
/// Phrases that no text may hold, cut so that this file does not.
const CLAIMS: [&str; 8] = [
    "anonym",
    "personal data is not",
    "inga personuppgifter",
    "gdpr compliant",
    "consent is not",
    "samtycke krävs inte",
    "you consent",
    "unique visitors",
];
/// What only an owner knows, as far as it is needed.
pub(crate) const OWNER: &str = "[notice]\ntracker = \"script\"\ncontroller = \"Exempel AB\"\n\
    contact = \"data@exempel.se\"\nauthority = \"IMY\"\nstorage_en = \"Sweden\"\n\
    legal_ground_en = \"legitimate interest\"\n";

fn golden(name: &str) -> PathBuf {
    Path::new(GOLDEN).join(name)
}

/// A text of a configuration, without a data folder.
fn made(command: &str, args: &[&str], config: &Path) -> Output {
    let none = tempfile::tempdir().unwrap();
    let config = ["--config", config.to_str().unwrap()];
    headcount(none.path(), &[&[command], args, &config].concat())
}

fn printed(command: &str, args: &[&str], config: &Path) -> String {
    let output = made(command, args, config);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_golden_texts_come_out_again() {
    for mode in MODES {
        for lang in ["en", "sv"] {
            let config = golden(&format!("{mode}.toml"));
            let text = printed("notice", &["--lang", lang], &config);
            let name = format!("{lang}-{mode}.md");
            let expected = std::fs::read_to_string(golden(&name)).unwrap();
            assert_eq!(text, expected, "{name}: make it again and read what changed");
            let [dsar, breach] = ["dsar", "breach-sheet"]
                .map(|command| printed(command, &["--lang", lang], &config));
            for text in [text, dsar, breach].map(|text| text.to_lowercase()) {
                let claim = CLAIMS.into_iter().find(|claim| text.contains(claim));
                assert_eq!(claim, None, "{mode} {lang}");
            }
        }
    }
}

#[test]
fn what_is_missing_or_cannot_be_claimed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("headcount.toml");
    write_config(dir.path(), "");
    let (code, said) = complaint(&made("notice", &[], &config));
    assert_eq!(code, Some(64), "{said}");
    assert!(
        said.contains("notice.tracker = \"\": \"script\" or \"pixel\" is needed, what"),
        "{said}"
    );
    write_config(dir.path(), OWNER);
    assert!(made("notice", &[], &config).status.success());
    let (code, said) = complaint(&made("notice", &["--lang", "sv"], &config));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("notice.storage_sv = \"\": country and provider"), "{said}");
    let claim = concat!("purpose_en = \"to count anony", "mously\"\n");
    write_config(dir.path(), &[OWNER, claim].concat());
    for command in ["notice", "up"] {
        let (code, said) = complaint(&made(command, &[], &config));
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains("notice.purpose_en") && said.contains("no program"), "{said}");
    }
}

#[test]
fn a_notice_is_compared_with_an_older_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("headcount.toml");
    let old = dir.path().join("old.json");
    let diff = ["--diff", old.to_str().unwrap()];
    write_config(dir.path(), OWNER);
    std::fs::write(&old, printed("notice", &["--format", "json"], &config)).unwrap();
    assert!(printed("notice", &diff, &config).contains("no sentence changed"));
    write_config(dir.path(), &["retention_days = 90\n", OWNER].concat());
    let said = printed("notice", &diff, &config);
    assert!(said.contains("\nplace.retention\n- Counts are kept for 365 days."), "{said}");
    assert!(said.contains("\n+ Counts are kept for 90 days."), "{said}");
    std::fs::write(&old, "{}").unwrap();
    let (code, said) = complaint(&made("notice", &diff, &config));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("old.json: it is no such text"), "{said}");
}

#[test]
fn the_doctor_sees_a_notice_of_other_settings() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("headcount.toml");
    let published = dir.path().join("published");
    let level = |settings: &str| {
        write_config(dir.path(), settings);
        let notice = ["--format", "json", "--notice", published.to_str().unwrap()];
        let output = made("doctor", &notice, &config);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = report["findings"].as_array().unwrap().clone();
        let of_notice = found.into_iter().find(|finding| finding["check"] == "notice").unwrap();
        of_notice["level"].as_str().unwrap().to_owned()
    };
    let later = ["retention_days = 90\n", OWNER].concat();
    for format in ["md", "html", "json"] {
        write_config(dir.path(), OWNER);
        std::fs::write(&published, printed("notice", &["--format", format], &config)).unwrap();
        assert_eq!((level(OWNER), level(&later)), ("ok".into(), "weakens".into()), "{format}");
    }
    std::fs::write(&published, "We count.").unwrap();
    assert_eq!(level(OWNER), "advice");
}

/// The headers of a visitor who follows a link from a page of the site.
fn from(page: &str) -> String {
    format!(
        "User-Agent: {CHROME}\r\nReferer: https://{SITE}{page}\r\nX-Forwarded-For: 8.8.8.8\r\n\
         Cookie: kanin=1\r\n"
    )
}

#[test]
fn a_visitor_sees_what_would_be_counted_and_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[PROXY, OWNER].concat(), &[]);
    let get = |path: &str, headers: &str| server.send(&format!("GET {path}"), headers, "").unwrap();
    let reply = get("/privacy", &from("/users/4711?q=kanin"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    for shown in [
        "<dt>page</dt><dd>/users/:id</dd>",
        "<dt>country</dt><dd>US</dd>",
        "<dt>browser</dt><dd>Chrome</dd>",
        "Visitor statistics on example.org",
        "Responsible for this counting: Exempel AB.",
    ] {
        assert!(reply.body.contains(shown), "{shown}: {}", reply.body);
    }
    assert!(!reply.body.contains("kanin") && !reply.body.contains("8.8.8"), "{}", reply.body);
    for line in [
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; style-src 'self'",
        "referrer-policy: no-referrer",
    ] {
        assert!(reply.head.to_lowercase().contains(line), "{}", reply.head);
    }
    assert!(!reply.body.contains("<script") && !reply.body.contains("<style"), "{}", reply.body);
    let hostile = get("/privacy?s=example.org&p=/%3Cscript%3Ealert(1)%3C/script%3E", "");
    assert!(!hostile.body.contains("<script"), "{}", hostile.body);
    let wish = get("/privacy", &(from("/a") + "Sec-GPC: 1\r\n"));
    assert!(wish.body.contains("Your browser sends Global Privacy Control"), "{}", wish.body);
    let unknown = get("/privacy", &format!("User-Agent: {CHROME}\r\n"));
    assert!(unknown.body.contains("does not say from which counted site"), "{}", unknown.body);
    assert!(!unknown.body.contains(SITE), "who is counted here is not told: {}", unknown.body);
    let swedish = get("/privacy?lang=sv", &from("/a"));
    assert!(swedish.body.contains("ännu inte fyllt i"), "{}", swedish.body);
    assert_eq!(get("/privacy?lang=xx", "").status, 400);
    assert_eq!(server.send("POST /privacy", "", "").unwrap().status, 405);

    let summary = get("/.well-known/headcount.json", "");
    let config = dir.path().join("headcount.toml");
    let notice = printed("notice", &[], &config);
    let hash = notice.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(hash.len(), 64, "{notice}");
    assert!(reply.body.contains(hash) && summary.body.contains(hash), "{}", summary.body);
    assert!(summary.body.contains("\"languages\":[\"en\"]"), "{}", summary.body);
    assert!(!summary.body.contains(SITE), "{}", summary.body);

    let metrics = server.ask_ops("/metrics");
    let accepted = metrics.lines().find(|line| line.starts_with("headcount_hits_accepted_total"));
    assert_eq!(accepted, Some("headcount_hits_accepted_total 0"), "{metrics}");
    assert!(!server.said().contains("kanin"));
    let data = server.data();
    assert_eq!(server.stop(), Some(0));
    for trace in [&b"kanin"[..], b"/users/:id", b"8.8.8"] {
        assert_eq!(files_with(&data, trace), Vec::<String>::new());
    }
}

#[test]
fn a_visitor_gets_the_notice_in_the_language_that_is_filled_in() {
    let dir = tempfile::tempdir().unwrap();
    let swedish = OWNER.replace("_en =", "_sv =");
    assert_ne!(swedish, OWNER);
    let server = Server::start(dir.path(), &[PROXY, &swedish].concat(), &[]);
    let get = |path: &str| server.send(&format!("GET {path}"), &from("/a"), "").unwrap().body;
    let page = get("/privacy");
    assert!(page.contains("lang=\"sv\"") && page.contains("Exempel AB"), "{page}");
    assert!(!page.contains("lang=en"), "no way to a notice that is not there: {page}");
    assert!(get("/privacy?lang=en").contains("lang=sv"), "but one to that which is");
    assert!(server.said().contains("the notice cannot be made in notice.language"));
    server.stop();
}

#[test]
fn where_a_log_is_counted_no_request_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let log = OWNER.replace("\"script\"", "\"log\"");
    let server = Server::start(dir.path(), &[PROXY, &log].concat(), &[]);
    let wish = from("/users/4711") + "Sec-GPC: 1\r\n";
    let reply = server.send("GET /privacy", &wish, "").unwrap();
    assert!(reply.body.contains("only if it was set up to"), "{}", reply.body);
    for part in ["Your browser sends Global", "What would be counted", "<dt>"] {
        assert!(!reply.body.contains(part), "{part}: {}", reply.body);
    }
    assert_eq!(server.stop(), Some(0));
}
